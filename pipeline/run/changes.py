"""What is different between two runs, or a run and what is wanted, in words."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from pipeline.config import Tree
from pipeline.files.local import FileContent
from pipeline.snapshots.records import RunRecord
from pipeline.sources.dialect import Dialect

_SHOWN = 60
"""Characters of a value in a reason."""

_N_SHOWN = 10
"""Files that are named as reasons; a record keeps them for each snapshot."""

_NO_ROWS = (
    *("columns", "panel"),
    *("engine", "store", "checks", "history", "docs", "modeling", "models"),
    *("orchestrate", "serving"),
)
"""Sections that decide on no row: of the first, what source and stages take does."""

_COUNTED = "fingerprint"
"""Recorded beside versions of libraries: how often the making of fingerprints was."""


@dataclass(frozen=True)
class Changes:
    """What may make the rows of one run others than those of another, a line each."""

    data: tuple[str, ...]
    configuration: tuple[str, ...]
    code: tuple[str, ...]
    versions: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Write each kind of change, and at most some of it."""
        for kind, found in asdict(self).items():
            yield from (f"{kind}: {line}" for line in found[:_N_SHOWN])
            if len(found) > _N_SHOWN:
                yield f"{kind}: {len(found) - _N_SHOWN:,} more"


def changes_between(before: RunRecord, now: RunRecord) -> Changes:
    """Compare what two runs recorded of themselves.

    Where a source's rows come from is data, how they are read is configuration.
    """
    old, new = _stages_once(before.config, now.config)
    names = (n for n in dict.fromkeys((*old, *new)) if n not in _NO_ROWS)
    found = [
        line for n in names for line in config_changes(n, *_read(n, old, new, how=True))
    ]
    moved = [
        line
        for n in ("source", "sources")
        for line in config_changes(n, *_read(n, old, new, how=False))
    ]
    versions = [
        change(name, before.versions.get(name), now.versions.get(name))
        for name in sorted(changed(before.versions, now.versions) - {_COUNTED})
    ]
    return Changes(
        (*moved, *file_changes(before.files, now.files)),
        tuple(found),
        tuple(f"{name} changed" for name in sorted(changed(before.code, now.code))),
        tuple(versions),
    )


def _stages_once(before: Tree, now: Tree) -> tuple[Tree, Tree]:
    """Let what came or went with a stage be one difference.

    The settings of a stage that only one side has stand with it, and what it gives is
    not said again of the stage that gave it before, or does so instead.
    """
    old, new = {**before}, {**now}
    olds, news = _stages_of(old), _stages_of(new)
    old["stages"], new["stages"] = olds, news
    came, went = {*news} - {*olds}, {*olds} - {*news}
    for names, tree, here, there in ((came, new, news, olds), (went, old, olds, news)):
        for name in names:
            here[name] = (tree.pop(name, None) or {}) | here[name]
            for other in there.values():
                if other.get("snapshot", "") == here[name].get("snapshot"):
                    del other["snapshot"]
                    other.pop("key", None)
    return old, new


def _stages_of(config: Tree) -> dict[str, Tree]:
    """Copy the stages of a configuration."""
    found = cast("dict[str, Tree | None]", config.get("stages") or {})
    return {name: {**stage} for name, stage in found.items() if stage is not None}


def origin(source: Tree) -> Tree:
    """Take the settings of a source that say where its rows come from."""
    how = Dialect.__struct_fields__
    return {name: value for name, value in source.items() if name not in how}


def manner(source: Tree) -> Tree:
    """Take the settings of a source that say how its rows are read."""
    where = origin(source)
    return {name: value for name, value in source.items() if name not in where}


def stages_above(
    stages: Iterable[str], inputs: Mapping[str, Iterable[str]]
) -> set[str]:
    """Name some stages, and those before them, as far as their inputs are known."""
    found, waiting = set[str](), [*stages]
    while waiting:
        name = waiting.pop()
        if name in inputs and name not in found:
            found.add(name)
            waiting += inputs[name]
    return found


def _read(name: str, *configs: Tree, how: bool) -> list[Any]:
    """Take a section of some configurations; of sources, one half of it."""
    half = manner if how else origin
    sections = [config.get(name) for config in configs]
    if name == "source":
        return [half(section or {}) for section in sections]
    if name == "sources":
        trees = [cast("dict[str, Tree]", section or {}) for section in sections]
        return [{n: half(of) for n, of in tree.items()} for tree in trees]
    return sections


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> set[str]:
    """Name what was added, removed or is different."""
    return {name for name in {*before, *now} if before.get(name) != now.get(name)}


def config_changes(path: str, before: Any, now: Any) -> Iterator[str]:
    """Compare two plain values, mappings key by key."""
    if isinstance(before, dict) and isinstance(now, dict):
        old, new = cast("dict[str, Any]", before), cast("dict[str, Any]", now)
        for key in dict.fromkeys((*old, *new)):
            yield from config_changes(f"{path}.{key}", old.get(key), new.get(key))
    elif before != now:
        yield change(path, before, now)


def file_changes(
    before: Iterable[FileContent], now: Iterable[FileContent]
) -> Iterator[str]:
    """Compare the files of a source by their content."""
    old = {file.stat.path: file.sha256 for file in before}
    new = {file.stat.path: file.sha256 for file in now}
    if sorted(old.values()) == sorted(new.values()):
        gone, come = (sorted(set(a) - set(b)) for a, b in ((old, new), (new, old)))
        if gone or come:
            yield change("source: file", ", ".join(gone), ", ".join(come))
        return
    names = sorted(changed(old, new))
    for name in names[:_N_SHOWN]:
        how = "changed" if name in old and name in new else "is new"
        yield f"source: {name} {how if name in new else 'is gone'}"
    if len(names) > _N_SHOWN:
        yield f"source: {len(names) - _N_SHOWN:,} files more changed, came or went"


def change(path: str, before: Any, now: Any) -> str:
    """Write one difference."""
    return f"{path}: {_shown(before)} -> {_shown(now)}"


def _shown(value: Any) -> str:
    """Write a value, shortened."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
