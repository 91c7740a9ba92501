"""What every snapshot is made of, as one hash: plan, source and versions."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import polars as pl

from pipeline import sources
from pipeline.files.local import FileContent
from pipeline.plan.needs import HANDED_ON, needs_of
from pipeline.plan.plan import Plan
from pipeline.snapshots.records import QUARANTINE
from pipeline.sources import SourceConfig

VERSIONS = {"polars": pl.__version__, "fingerprint": "2"}
"""What can change values with the same plan; the last counts changes to this file."""


@dataclass(frozen=True)
class SourceIdentity:
    """What a source's rows are made of."""

    plan: str
    """Hash of how the files are read, whatever they are called."""
    files: list[FileContent]
    """In the order they are read."""
    said: tuple[str, ...] = ()
    """What was found out of how they are written."""


def merged(identities: Sequence[SourceIdentity]) -> SourceIdentity:
    """See sources as one, of the files of all."""
    if len(identities) == 1:
        return identities[0]
    return SourceIdentity(
        _hash(*(source.plan for source in identities)),
        [file for source in identities for file in source.files],
        tuple(line for source in identities for line in source.said),
    )


@dataclass(frozen=True)
class Fingerprints:
    """A hash per stage and per snapshot; equal ones have equal rows."""

    stages: dict[str, str]
    snapshots: dict[str, str]


def source_plan(config: SourceConfig, root: Path) -> tuple[str, tuple[str, ...]]:
    """Hash how a source's files are read: columns, dialect, repair, code.

    Says, too, what was found out of how they are written.
    """
    scans = [sources.scan(config, root, streams="stand-ins")]
    if not scans[0].exact:
        scans.append(sources.scan(config, root, streams="stand-ins", repair=True))
    plans = dict.fromkeys(
        lf.serialize()
        for scan in scans
        for stream in scan.streams
        for lf in (stream.good(stream.rows), *stream.all_bad())
    )
    hashed = _hash(*(hashlib.sha256(plan).hexdigest() for plan in plans))
    return hashed, scans[0].said


Contents: TypeAlias = Callable[[str, str], Mapping[str, str] | None]
"""Gives, of a snapshot and its fingerprint, the content hash of each column; None where
it is not known, or its rows have no unique key."""


def nothing_known(_snapshot: str, _fingerprint: str) -> None:
    """Know nothing of what came out of snapshots."""


def fingerprint(
    plan: Plan, identities: Mapping[str, SourceIdentity], contents: Contents
) -> Fingerprints:
    """Chain the hashes of the stages down from the sources, the quarantine's last.

    What follows a snapshot of known contents is made of these, whatever made them; of
    its columns, a snapshot counts those that it is made of.
    """
    stages = {
        name: _hash(_versions(), source.plan, *(file.sha256 for file in source.files))
        for name, source in identities.items()
    }
    rows = list(stages.values())
    snapshots: dict[str, str] = {}
    known: dict[str, Mapping[str, str]] = {}
    # A stage's hash, and that of the contents where they are known: what follows.
    handed_on = dict(stages)
    for name, node in plan.nodes.items():
        stage = node.stage
        inputs = [handed_on[given] for given in stage.inputs]
        stages[name] = handed_on[name] = _hash(_versions(), node.digest, *inputs)
        if stage.snapshot is None:
            continue
        made_of = _of_needed(plan, name, stages, known)
        print_ = _hash(made_of, repr(node.schema.names()), *stage.key)
        snapshots[stage.snapshot] = print_
        found = contents(stage.snapshot, print_)
        if found is not None:
            known[name] = found
            handed_on[name] = _hash_of_columns(found, found)
    names = [
        f"{name}: {file.stat.path}"
        for name, source in identities.items()
        for file in source.files
    ]
    snapshots[QUARANTINE] = _hash(*rows, *names)
    of_stages = {name: stages[name] for name in plan.nodes}
    return Fingerprints(of_stages, snapshots)


def _of_needed(
    plan: Plan,
    stage: str,
    stages: Mapping[str, str],
    known: Mapping[str, Mapping[str, str]],
) -> str:
    """Hash what a stage makes of what it needs of the sources and of known contents."""
    needs = needs_of(plan, stage, known)
    prints = {
        name: _hash_of_columns(known[name], {*columns, *plan.nodes[name].stage.key})
        if name in known
        else stages[name]
        for name, columns in needs.given.items()
    }
    for name, digest in needs.digests.items():
        inputs = [prints[given] for given in plan.nodes[name].stage.inputs]
        is_as_given = digest == HANDED_ON
        prints[name] = inputs[0] if is_as_given else _hash(_versions(), digest, *inputs)
    return prints[stage]


def _hash_of_columns(contents: Mapping[str, str], columns: Collection[str]) -> str:
    """Hash the contents of some columns, which hold those of the key."""
    return _hash(*(f"{name}: {contents.get(name)}" for name in sorted(columns)))


def _versions() -> str:
    """Hash the versions that matter."""
    return _hash(*(f"{name} {version}" for name, version in VERSIONS.items()))


def _hash(*parts: str) -> str:
    """Hash a sequence of texts, none of which can be mistaken for another."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()
