"""A file in the project that says what a run gives, and whether it does so elsewhere.

It holds hashes alone: no path, host or time, so that a second call writes the same
bytes, and another checkout on another machine can be held to it.
"""

import hashlib
import json
import tomllib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from pipeline.errors import SnapshotError
from pipeline.plan.code import PACKAGE, code_elsewhere, imports_of, meaning_of
from pipeline.plan.plan import Node
from pipeline.plan.settings import SOURCE, Settings
from pipeline.run.changes import change, manner, stages_above
from pipeline.run.run import RunReport
from pipeline.snapshots.history import require_whole
from pipeline.snapshots.records import QUARANTINE
from pipeline.snapshots.store import open_store

NAME = "pipeline.lock"

FORMAT = 1
"""Counts the changes to the file; one of another format is not read."""

_HEAD = "# Written by `just lock-results`; `just verify --lock` proves it elsewhere."

_DIGITS = 16
"""Of hashes that are only compared with their like."""

_LISTED = 10

_Named = TypeVar("_Named", "LockedPart", "LockedSnapshot")


class LockedFile(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """A file of a source, by its base name."""

    source: str
    name: str
    sha256: str


class LockedVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A library, or Python itself."""

    name: str
    version: str


class LockedPart(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A source or a stage: hashes of what it does, and of what that comes from."""

    name: str
    plan: str
    config: str
    code: str
    """Of modules without comments and docstrings."""
    inputs: list[str] = []
    rows: int = -1
    """-1 where nothing has counted them."""


class LockedSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of it all; the rows set aside name files, and are only counted."""

    name: str
    stage: str
    rows: int
    content: str


class Lock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is needed to prove a result, or to say where another one begins."""

    format: int
    profile: str
    versions: list[LockedVersion]
    files: list[LockedFile]
    sources: list[LockedPart]
    stages: list[LockedPart]
    snapshots: list[LockedSnapshot]


@dataclass(frozen=True)
class Verdict:
    """Whether a run gives what the lock says, in words."""

    is_same: bool
    lines: tuple[str, ...]


def lock_of(report: RunReport) -> Lock:
    """Say what a run gives, and what of; what is published must be whole.

    Raises
    ------
    SnapshotError
        If one is not.
    """
    wanted, settings = report.wanted, report.wanted.settings
    require_whole(open_store(settings.root))
    rows = {stage.name: stage.n_rows for stage in report.run.stages}
    code = _Code(settings.root)
    return Lock(
        format=FORMAT,
        profile=settings.profile or "",
        versions=[
            LockedVersion(name, version)
            for name, version in sorted(report.run.versions.items())
            if name != "fingerprint"
        ],
        files=sorted(
            LockedFile(name, Path(file.stat.path).name, file.sha256)
            for name, identity in wanted.identities.items()
            for file in identity.files
        ),
        sources=[
            LockedPart(
                name, of.plan[:_DIGITS], _read_as(settings, name), code.of_sources()
            )
            for name, of in wanted.identities.items()
        ],
        stages=[
            LockedPart(
                name,
                node.digest[:_DIGITS],
                _config_of(settings, node),
                code.of(node.stage.transform.file, node.stage.transform.project),
                [*node.stage.inputs],
                -1 if rows.get(name) is None else cast("int", rows[name]),
            )
            for name, node in wanted.plan.nodes.items()
        ],
        snapshots=[
            LockedSnapshot(
                s.name,
                s.stage,
                report.objects[s.name].n_rows,
                "" if s.name == QUARANTINE else report.objects[s.name].content_hash,
            )
            for s in report.run.snapshots
            if not s.is_guest
        ],
    )


def _config_of(settings: Settings, node: Node) -> str:
    """Hash what the configuration says of a stage."""
    stage = node.stage
    shown = settings.shown_of(stage)
    return _hash(stage.transform.name, stage.inputs, stage.snapshot, stage.key, shown)


def _read_as(settings: Settings, name: str) -> str:
    """Hash how a source is read; where from is a matter of the machine."""
    tree = settings.shown if name == SOURCE else settings.shown["sources"]
    return _hash(manner(tree[name]), tree[name]["kind"])


class _Code:
    """Hashes the code that a module needs, each file once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, str] = {}

    def of(self, module: str, project: Path | None) -> str:
        """Hash a module of package or project, and all that it imports of these.

        What stands elsewhere counts by the name of its file, or its version.
        """
        names = sorted(imports_of(module, project))
        elsewhere = code_elsewhere([module], project)
        beside = sorted((Path(name).name, is_) for name, is_ in elsewhere.items())
        return _hash([(name, self._meaning(name)) for name in names], beside)

    def of_sources(self) -> str:
        """Hash the code that reads sources."""
        return self.of("pipeline/sources/source.py", self._root)

    def _meaning(self, name: str) -> str:
        if name not in self._known:
            folder = (
                PACKAGE.parent if name.startswith(f"{PACKAGE.name}/") else self._root
            )
            content = (folder / name).read_bytes()
            if name.endswith(".py"):
                content = meaning_of(content.decode(errors="replace")).encode()
            self._known[name] = hashlib.sha256(content).hexdigest()
        return self._known[name]


def _hash(*parts: Any) -> str:
    """Hash what JSON can tell apart."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def write_lock(root: Path, lock: Lock) -> Path:
    """Write the file, a line for each thing; whole or not at all."""
    path = root / NAME
    partial = path.with_name(f"{NAME}.next")
    partial.write_text(to_toml(lock), encoding="utf-8", newline="\n")
    try:
        partial.replace(path)
    except IsADirectoryError:
        partial.unlink()
        raise _folder(path) from None
    return path


def to_toml(lock: Lock) -> str:
    """Write a lock as TOML, its checksum last."""
    lines = [_HEAD]
    for name, value in msgspec.to_builtins(lock).items():
        if isinstance(value, list):
            lines += [f"{name} = [", *_tables(cast("list[Any]", value)), "]"]
        else:
            lines.append(f"{name} = {_toml(value)}")
    text = "\n".join(lines) + "\n"
    return f'{text}checksum = "{_checksum(text)}"\n'


def _tables(items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Write each item as a table in a line."""
    for item in items:
        pairs = ", ".join(f"{name} = {_toml(value)}" for name, value in item.items())
        yield f"    {{ {pairs} }},"


def _toml(value: str | int) -> str:
    """Write a value; what JSON escapes, TOML does alike."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _checksum(text: str) -> str:
    """Return the CRC-32 of a text."""
    return f"{zlib.crc32(text.encode()):08x}"


def read_lock(root: Path) -> Lock:
    """Read the lock of a project.

    Raises
    ------
    SnapshotError
        If it is not there, a folder, damaged, or of another format.
    """
    path = root / NAME
    if not path.exists():
        raise SnapshotError(
            f"{path}: is not there\nhint: `just lock-results` writes it; commit it"
        )
    if path.is_dir():
        raise _folder(path)
    try:
        text = path.read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _damaged(path, str(error)) from error
    if (found := tree.get("format", FORMAT)) != FORMAT:
        raise SnapshotError(
            f"{path}: expected format {FORMAT}, found {found!r}\n"
            "hint: another version of pipeline wrote it; `just lock-results` writes it"
            " anew"
        )
    said = str(tree.pop("checksum", "none"))
    if said != (found := _checksum(text.rpartition("checksum = ")[0])):
        raise _damaged(path, f"checksum {found}, expected {said}")
    try:
        return msgspec.convert(tree, Lock)
    except msgspec.ValidationError as error:
        raise _damaged(path, str(error)) from error


def _folder(path: Path) -> SnapshotError:
    """Say that a folder has the name of the lock."""
    return SnapshotError(
        f"{path}: expected a file, found a folder\n"
        "hint: move it away; `just lock-results` writes the file"
    )


def _damaged(path: Path, found: str) -> SnapshotError:
    """Say that a lock is not what was written."""
    return SnapshotError(
        f"{path}: is not as `just lock-results` wrote it\nfound: {found}\n"
        "hint: take it from version control (a merge may have changed it), or"
        " `just lock-results` writes it anew"
    )


def compare(expected: Lock, found: Lock) -> Verdict:
    """Say whether two results are the same, or where the first difference begins.

    Rows of snapshots decide, and how many each stage has. Where they are the same,
    whatever else differs is only named.
    """
    old, new = _by_name(expected.snapshots), _by_name(found.snapshots)
    names = [n for n in dict.fromkeys((*new, *old)) if new.get(n) != old.get(n)]
    counts = [*_counts(expected, found)]
    versions = [*_versions(expected, found)]
    if not names and not counts:
        same = f"the same {len(old)} snapshots as {NAME} says, to the last bit"
        notes = (*versions, *_differences(expected, found))
        return Verdict(True, (same, *(f"  though {n}" for n in notes[:_LISTED])))
    lines = [f"not what {NAME} says"]
    for name in names:
        is_, was = _shown(new.get(name)), _shown(old.get(name))
        lines.append(f"  {name}: {is_}, expected {was}")
    for stage, n_rows, n_before in counts:
        lines.append(f"  stage {stage}: {n_rows:,} rows, expected {n_before:,}")
    made_by = {s.stage for of in (old, new) for n in names if (s := of.get(n))}
    made_by |= {stage for stage, *_ in counts}
    first = [*_differences(expected, found, made_by)]
    place = _first_stage(expected, found)
    if not first and versions:
        first = [f"stage {place}: {line}" for line in versions]
    elif not first:
        first = [
            f"stage {place}: other rows of the same data, configuration, code and"
            " versions: it is not reproducible here; does it depend on a clock, chance"
            " or a file?"
        ]
    elif versions:
        first += versions
    lines.append(f"first difference: {first[0]}")
    lines += [f"  also {line}" for line in first[1:_LISTED]]
    return Verdict(False, tuple(lines))


def _by_name(items: Iterable[_Named]) -> dict[str, _Named]:
    """Give each by its name."""
    return {item.name: item for item in items}


def _shown(snapshot: LockedSnapshot | None) -> str:
    """Say what is in a snapshot."""
    if snapshot is None:
        return "none"
    content = f", content {snapshot.content[:8]}" if snapshot.content else ""
    return f"{snapshot.rows:,} rows{content}"


def _versions(expected: Lock, found: Lock) -> Iterator[str]:
    """Name the versions that differ."""
    before, now = ({v.name: v.version for v in of.versions} for of in (expected, found))
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            yield f"version: {change(name, before.get(name), now.get(name))}"


def _differences(
    expected: Lock, found: Lock, made_by: Iterable[str] | None = None
) -> Iterator[str]:
    """Name data, then each source and stage that differs, in the order of the plan.

    Only those count that some stages are made by, if these are named. One whose plan
    is the same does the same, however it is written.
    """
    parts = [[*of.sources, *of.stages] for of in (expected, found)]
    old, new = (_by_name(of) for of in parts)
    inputs = {name: part.inputs for name, part in (old | new).items()}
    asked = {*inputs} if made_by is None else stages_above(made_by, inputs)
    lines = [*_data(expected.files, found.files)]
    unknown: list[str] = []
    for name in (n for n in dict.fromkeys((*new, *old)) if n in asked):
        is_source = name in {
            part.name for of in (expected, found) for part in of.sources
        }
        what = _source(name) if is_source else f"stage {name}"
        was, is_ = old.get(name), new.get(name)
        if was is None or is_ is None:
            how = "is not in the lock" if was is None else "is not there any more"
            lines.append(f"{what}: configuration: {how}")
        elif was.plan != is_.plan and (kinds := _kinds(was, is_)):
            lines.append(f"{what}: {' and '.join(kinds)}")
        elif was.plan != is_.plan:
            unknown.append(f"{what}: configuration: a value of the environment")
    lines += _published(expected, found)
    # After another input, or by another version, a plan is another by itself.
    yield from lines or ([] if [*_versions(expected, found)] else unknown)


def _kinds(before: LockedPart, now: LockedPart) -> list[str]:
    """Say what made the plan of a part another."""
    kinds = {
        "configuration": before.config != now.config or before.inputs != now.inputs,
        "code": before.code != now.code,
    }
    return [kind for kind, is_other in kinds.items() if is_other]


def _published(expected: Lock, found: Lock) -> Iterator[str]:
    """Name stages that publish what they did not, or no longer do."""
    old, new = ({(s.name, s.stage) for s in of.snapshots} for of in (expected, found))
    for name, stage in sorted(old ^ new):
        how = "is not in the lock" if (name, stage) in new else "is not there any more"
        yield f"stage {stage}: configuration: its snapshot '{name}' {how}"


def _data(before: Sequence[LockedFile], now: Sequence[LockedFile]) -> Iterator[str]:
    """Name the files that came, went or hold something else, not those renamed."""
    for source in dict.fromkeys(file.source for file in (*now, *before)):
        old, new = ([f for f in of if f.source == source] for of in (before, now))
        if sorted(f.sha256 for f in old) == sorted(f.sha256 for f in new):
            continue
        for name in sorted({f.name for f in (*old, *new)}):
            # Folders may hold files of the same name.
            was, is_ = ([f.sha256 for f in of if f.name == name] for of in (old, new))
            if was != is_:
                how = "has other content" if was and is_ else "is new"
                how = how if is_ else "is not there"
                yield f"{_source(source)}: data: {name} {how}"


def _source(name: str) -> str:
    """Name a source; the first one has no other name."""
    return name if name == SOURCE else f"source {name}"


def _counts(expected: Lock, found: Lock) -> Iterator[tuple[str, int, int]]:
    """Name stages that publish nothing and have more or fewer rows; these, and then."""
    old = _by_name(expected.stages)
    published = {s.stage for of in (expected, found) for s in of.snapshots}
    for stage in found.stages:
        n_before = old[stage.name].rows if stage.name in old else -1
        is_other = -1 not in (n_before, stage.rows) and n_before != stage.rows
        if is_other and stage.name not in published:
            yield stage.name, stage.rows, n_before


def _first_stage(expected: Lock, found: Lock) -> str:
    """Name the first stage whose rows are known to be others, in the plan's order."""
    results = _by_name(expected.snapshots)
    others = {s.stage for s in found.snapshots if results.get(s.name) != s}
    others |= {stage for stage, *_ in _counts(expected, found)}
    return next((s.name for s in found.stages if s.name in others), SOURCE)
