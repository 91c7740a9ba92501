"""Transformations: one file each, with a Config and a function of the file's name.

A transformation is a pure function ``name(lf, ..., config) -> LazyFrame``. It never
collects and never reads a file, a clock or a global. Its settings stand beside it, in a
YAML of its name.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import polars as pl

from pipeline.config import BaseConfig
from pipeline.errors import ConfigError, nearest


class PastOnly(BaseConfig, frozen=True, kw_only=True):
    """Settings of a transformation that must not let a column of its period through.

    `columns` is filled in when the plan is composed, with every column of the input
    that is not known, unless the configuration lists them.
    """

    keys: list[str]
    """Columns that name the entity."""
    time: str
    known: list[str]
    """Columns that are known before their period, though they are not of the past."""
    columns: list[str] | None = None


@dataclass(frozen=True)
class Transform:
    """A transformation, loaded by name; pickled, it is its name."""

    name: str
    apply: Callable[..., pl.LazyFrame]
    config: type[BaseConfig]
    n_inputs: int
    split: Callable[[Any], object] | None
    """Says how its rows may be split, as it should; None where the file does not."""
    past: Callable[[Any], list[str]] | None
    """Names the columns it makes of periods before the row's own; None if it does not:
    see `pipeline.plan.known`."""

    def __reduce__(self) -> tuple[object, ...]:
        """Let another process load its own."""
        return load_transform, (self.name,)

    @property
    def file(self) -> str:
        """Where it is written, from the project's folder on."""
        return _file_of(self.name)


def _file_of(name: str) -> str:
    """Say where a transformation of this name is written, or would be."""
    return f"pipeline/transforms/{name}.py"


def transform_names() -> list[str]:
    """List the transformations there are, sorted."""
    return sorted(p.stem for p in Path(__file__).parent.glob("[a-z]*.py"))


def defaults_of(name: str) -> Path:
    """Return the YAML that stands beside a transformation, with its settings."""
    return Path(__file__).with_name(f"{name}.yaml")


@cache
def load_transform(name: str) -> Transform:
    """Import the transformation of a name.

    Raises
    ------
    ConfigError
        If there is no such file, or the file cannot be imported, or lacks the function
        or its Config.
    """
    known = transform_names()
    if name not in known:
        raise ConfigError(
            f"no transformation '{name}'{nearest(name, known)}\n"
            f"found: {', '.join(known)}"
        )
    try:
        module = importlib.import_module(f"{__name__}.{name}")
    except (Exception, SystemExit) as error:  # a user's file may do anything
        raise ConfigError(
            f"{_file_of(name)}: cannot be imported\n"
            f"found: {type(error).__name__}: {error}"
        ) from error
    missing = [part for part in (name, "Config") if not hasattr(module, part)]
    if missing:
        raise ConfigError(f"{_file_of(name)}: defines no {' and no '.join(missing)}")
    function = cast("Callable[..., pl.LazyFrame]", getattr(module, name))
    n_inputs = len(inspect.signature(function).parameters) - 1
    split, past = (getattr(module, part, None) for part in ("split", "past"))
    return Transform(name, function, module.Config, n_inputs, split, past)
