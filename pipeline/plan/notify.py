"""Whom a command tells how it has ended, as the configuration says."""

from pathlib import Path
from typing import Annotated, TypeAlias

from msgspec import Meta

from pipeline.config import (
    BaseConfig,
    check,
    load_layer,
    load_named_layer,
    merge,
    parse_overrides,
    resolve,
)

Command: TypeAlias = Annotated[
    Annotated[str, Meta(min_length=1)] | None,
    Meta(description="a command of the shell, or null"),
]


class Notify(BaseConfig, frozen=True, kw_only=True):
    """The section ``notify``: commands of the shell, given how it ended as JSON."""

    failure: Command = None
    """Where the exit code is not 0."""
    warning: Command = None
    """Where it is, and something was warned of; else ``success`` is told."""
    success: Command = None
    limit_s: Annotated[int, Meta(ge=1, le=3600)] = 30
    """Seconds that each may take."""


def load_notify(root: Path, profile: str | None, words: tuple[str, ...]) -> Notify:
    """Read the section alone, as it is to be had where the others are wrong.

    Raises
    ------
    ConfigError
        If a file is absent or no YAML.
    """
    configs = root / "configs"
    names = profile.split(",") if profile else []
    layers = [
        load_layer(configs / "pipeline.yaml", root),
        *(load_named_layer(configs / "profiles", name, root) for name in names),
        parse_overrides(word for word in words if word.startswith("notify")),
    ]
    tree = resolve(merge(layers), layers).tree
    return check(tree.get("notify", {}), Notify, "notify", layers)[0] or Notify()
