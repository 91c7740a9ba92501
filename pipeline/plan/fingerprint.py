"""What every snapshot is made of, as one hash: plan, source and versions."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline import sources
from pipeline.files.local import FileContent
from pipeline.plan.plan import Plan
from pipeline.snapshots.records import QUARANTINE
from pipeline.sources import SourceConfig

VERSIONS = {"polars": pl.__version__, "fingerprint": "1"}
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


def fingerprint(plan: Plan, identities: Mapping[str, SourceIdentity]) -> Fingerprints:
    """Chain the hashes of the stages down from the sources, the quarantine's last."""
    stages = {
        name: _hash(_versions(), source.plan, *(file.sha256 for file in source.files))
        for name, source in identities.items()
    }
    rows = list(stages.values())
    for name, node in plan.nodes.items():
        inputs = [stages[given] for given in node.stage.inputs]
        stages[name] = _hash(_versions(), node.digest, *inputs)
    snapshots = {
        name: _hash(stages[node.stage.name], *node.stage.key)
        for name, node in plan.snapshots.items()
    }
    names = [
        f"{name}: {file.stat.path}"
        for name, source in identities.items()
        for file in source.files
    ]
    snapshots[QUARANTINE] = _hash(*rows, *names)
    of_stages = {name: stages[name] for name in plan.nodes}
    return Fingerprints(of_stages, snapshots)


def _versions() -> str:
    """Hash the versions that matter."""
    return _hash(*(f"{name} {version}" for name, version in VERSIONS.items()))


def _hash(*parts: str) -> str:
    """Hash a sequence of texts, none of which can be mistaken for another."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()
