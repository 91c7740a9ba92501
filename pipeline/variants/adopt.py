"""Make a variant the configuration: write its values where they stand in YAML."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pipeline.config import Layer, Tree, holds, parse_overrides
from pipeline.errors import ConfigError, PipelineError, some
from pipeline.files.yaml_core import read_yaml
from pipeline.files.yaml_edit import set_value
from pipeline.plan.settings import SOURCE, Load, Settings, load_settings
from pipeline.run.changes import config_changes
from pipeline.snapshots.store import Store
from pipeline.snapshots.variants import Variant, find_variant
from pipeline.variants.sweep import files_of

PIPELINE = "configs/pipeline.yaml"
MODELING = "configs/modeling.yaml"


def adopt(store: Store, name: str, load: Load = load_settings) -> str:
    """Write a variant's values into the project's YAML; give what that changed.

    Comments stay. The changes are a unified diff, empty if there are none. `load` loads
    the settings of models, too, if there are some.

    Raises
    ------
    ConfigError
        If the variant used a profile, the YAML has other values since, its values are
        none that models take, or the YAML cannot be changed so that it says what the
        variant says; nothing is written then.
    SnapshotError
        If there is no such variant.
    """
    variant = find_variant(store, name)
    if variant.run.profile:
        raise ConfigError(
            f"variant '{name}': made with --profile {variant.run.profile}, whose values"
            " are not those of configs/pipeline.yaml\n"
            "hint: make it without the profile, or write into the profile's file"
            f" yourself: {' '.join(variant.words)}"
        )
    root = store.root
    wanted = load(root, overrides=tuple(variant.words))
    if load(root).tree == wanted.tree:
        return ""
    _refuse_changed(variant, load_settings(root))
    before: dict[Path, str] = {}
    after: dict[Path, str] = {}
    for path, value in _values(variant.words):
        file, below = _place(wanted, path)
        before.setdefault(root / file, _read(root / file))
        text = after.get(root / file, before[root / file])
        after[root / file] = set_value(text, *_fitting(text, below, value))
    _write(after)
    try:
        fault = next(config_changes("", wanted.tree, load(root).tree), "")
    except PipelineError as error:
        fault = str(error)
    if fault:
        _write(before)
        names = [path.relative_to(root).as_posix() for path in after]
        raise ConfigError(
            f"variant '{name}': its values cannot be written into {some(names)}\n"
            f"found: {fault.removeprefix('.')}\n"
            f"hint: nothing was changed; write them yourself: {' '.join(variant.words)}"
        )
    return "".join(_diff(root, before, after))


def _refuse_changed(variant: Variant, base: Settings) -> None:
    """Refuse a configuration that is another than the variant was laid over."""
    now = files_of(base)
    changed = [
        name
        for name in sorted({*now, *variant.yaml})
        if now.get(name) != variant.yaml.get(name)
    ]
    if changed:
        raise ConfigError(
            f"variant '{variant.name}': the configuration is another than it was made"
            f" of\nfound: other values in {some(changed)}\n"
            "hint: nothing was changed; make the variant again, by the same command,"
            " and see what it gives now"
        )


def _values(words: Sequence[str]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and value of each word, in the order they must be written in."""
    chosen = [word for word in words if word.startswith(f"{SOURCE}=")]
    for word in chosen[-1:]:
        yield (SOURCE,), word.partition("=")[2]
    others = [word for word in words if word not in chosen]
    layer = parse_overrides(re.sub("^engine=", "engine.use=", word) for word in others)
    yield from _leaves(layer.tree)


def _leaves(tree: Tree, above: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """Yield the values of a tree, each with the path of keys to it."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(cast("Tree", value), (*above, key))
        else:
            yield (*above, key), value


def _place(settings: Settings, path: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Find the project's file in which a value stands, and where it stands there.

    A file that is the default of several stages or sources is none of a single one's.
    What stands in none belongs into that of its model or of all models, if there is
    one, else into ``configs/pipeline.yaml``.
    """
    names = [layer.name for layer in settings.layers]
    for layer in reversed(settings.layers):
        is_own = layer.name.startswith("configs/") and names.count(layer.name) == 1
        below = path[_depth(layer) :]
        if is_own and below and holds(layer.tree, path):
            return layer.name, below
    model = f"configs/models/{path[1]}.yaml" if len(path) > 1 else ""
    for section, file in (("models", model), ("modeling", MODELING)):
        below = path[2:] if section == "models" else path[1:]
        if path[0] == section and below and file in names:
            return file, below
    return PIPELINE, path


def _depth(layer: Layer) -> int:
    """Say how many keys the composed tree has above those of a file."""
    if layer.name.startswith(("configs/checks/", "configs/models/")):
        return 2
    if layer.name.startswith("configs/sources/"):
        return 1 if SOURCE in layer.tree else 2
    return 1 if layer.name.startswith(("configs/transforms/", MODELING)) else 0


def _fitting(text: str, path: Sequence[str], value: Any) -> tuple[Sequence[str], Any]:
    """Write a source as the file has it: as its name alone, or with values beside."""
    now: Any = cast("Tree", read_yaml(text) or {}).get(SOURCE)
    if path[0] == SOURCE and isinstance(now, str) and len(path) > 1:
        held: Any = value
        for key in reversed(path[1:]):
            held = {key: held}
        return (SOURCE,), {"use": now, **held}
    if [*path] == [SOURCE] and isinstance(now, dict) and isinstance(value, str):
        return (SOURCE, "use"), value
    return path, value


def _read(path: Path) -> str:
    """Read a text as it is, with its line ends."""
    return path.read_bytes().decode() if path.exists() else ""


def _write(texts: Mapping[Path, str]) -> None:
    """Write texts, each whole or not at all."""
    for path, text in texts.items():
        try:
            partial = path.with_name(f".{path.name}.next")
            partial.write_bytes(text.encode())
            partial.replace(path)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written\nfound: {error}") from error


def _diff(
    root: Path, before: Mapping[Path, str], after: Mapping[Path, str]
) -> Iterator[str]:
    """Write what was changed as a unified diff."""
    for path in after:
        name = path.relative_to(root).as_posix()
        old, new = (texts[path].splitlines(keepends=True) for texts in (before, after))
        yield from difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
