"""What a review compares with: a run, an export, or the lock."""

import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import polars as pl

from pipeline.errors import SnapshotError
from pipeline.run.causes import changes_of_rows
from pipeline.run.changes import changes_between
from pipeline.run.lock import NAME, Lock, compare, lock_of, read_lock
from pipeline.run.run import RunReport
from pipeline.snapshots.export import SUFFIXES
from pipeline.snapshots.exported import Exported, open_export
from pipeline.snapshots.history import object_of
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import Store, find_run, read_object, read_runs

LOCK = "lock"
"""Stands for `pipeline.lock`."""

_NOT_TOLD = "data or code; an export tells these from each other no more"

Rows = Callable[[pl.Schema], Path]
"""Gives the rows in Parquet, with dtypes of a schema where there are others by the way
they were kept; raises a SnapshotError."""


@dataclass(frozen=True)
class Past:
    """A snapshot as it was."""

    n_rows: int
    content: str
    """Its hash; empty if it is not known."""
    checks: Mapping[str, int] | None
    """Failures by check; None if they are not known."""
    rows: Rows | None
    """None if only hashes are known."""


@dataclass(frozen=True)
class Before:
    """All that is compared with."""

    name: Sequence[tuple[str, str]]
    """Words, and what each says of it."""
    snapshots: Mapping[str, Past]
    causes: Callable[[RunReport], list[str]]
    """Says, a line each, what may make the rows of a run others."""


@contextmanager
def before(store: Store, against: str) -> Generator[Before]:
    """Open what is compared with: ``lock``, a DuckDB file, or else a run.

    Raises
    ------
    SnapshotError
        If it is not there, or cannot be read.
    """
    if against == LOCK:
        yield _of_lock(read_lock(store.root))
    elif Path(against).suffix.lower() in SUFFIXES:
        with (
            open_export(Path(against)) as exported,
            tempfile.TemporaryDirectory() as folder,
        ):
            yield _of_export(Path(against).name, exported, Path(folder))
    else:
        runs = read_runs(store)
        if not runs:
            raise SnapshotError(
                "there are no runs yet to compare with\nhint: `just run` makes the"
                f" first; --against {LOCK} or FILE.duckdb compares with others"
            )
        yield _of_run(store, find_run(runs, against))


def _of_run(store: Store, run: RunRecord) -> Before:
    """Compare with what a run has published."""
    objects = {s.name: read_object(store, *s.object) for s in run.snapshots}

    def rows(name: str, _: pl.Schema) -> Path:
        return object_of(store, run, name)

    return Before(
        [("run", run.run_id), ("of", f"{run.started_at:%Y-%m-%d %H:%M} UTC")],
        {
            s.name: Past(
                found.n_rows if found else -1,
                found.content_hash if found else "",
                {check.name: check.n_failures for check in s.checks},
                partial(rows, s.name),
            )
            for s in run.snapshots
            if not s.is_guest
            for found in [objects[s.name]]
        },
        lambda report: [*changes_of_rows(store.root, run, report.run).lines()],
    )


def _of_export(name: str, exported: Exported, folder: Path) -> Before:
    """Compare with what an export holds."""

    def rows(snapshot: str, schema: pl.Schema) -> Path:
        target = folder / f"{len([*folder.iterdir()])}.parquet"
        exported.write(snapshot, schema, target)
        return target

    def causes(report: RunReport) -> list[str]:
        then = msgspec.structs.replace(
            report.run, config=exported.config, versions=exported.versions
        )
        return [*changes_between(then, report.run).lines()] or [_NOT_TOLD]

    return Before(
        [("", name), ("of run", exported.run_id)],
        {
            s.name: Past(s.n_rows, s.content_hash, s.checks, partial(rows, s.name))
            for s in exported.snapshots.values()
        },
        causes,
    )


def _of_lock(lock: Lock) -> Before:
    """Compare with the hashes of a lock."""

    def causes(report: RunReport) -> list[str]:
        lines = (line.strip() for line in compare(lock, lock_of(report)).lines)
        heads = ("first difference: ", "also ", "though ")
        return [
            line.removeprefix(head)
            for line in lines
            for head in heads
            if line.startswith(head)
        ]

    return Before(
        [("", NAME)],
        {s.name: Past(s.rows, s.content, None, None) for s in lock.snapshots},
        causes,
    )
