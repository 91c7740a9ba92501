"""The runs there were: list them, go back to one, look whether all is whole."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import SnapshotError, nearest
from pipeline.parquet import scan_parquet
from pipeline.profile import content_hash, content_sum
from pipeline.snapshots.diff import Diff, diff
from pipeline.snapshots.publish import new_run_id, publish_run
from pipeline.snapshots.records import ObjectRecord, RunRecord, SnapshotRecord
from pipeline.snapshots.store import (
    Store,
    files_of,
    find_run,
    kept_runs,
    read_object,
    read_record,
    read_runs,
    writing,
)


@dataclass(frozen=True)
class Damage:
    """An object that is not what it was, and the runs that show it."""

    path: str
    snapshot: str
    fault: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """How a snapshot of one run differs from that of another."""

    title: str
    diff: Diff


def restore(store: Store, wanted: str) -> RunRecord:
    """Publish the snapshots of an earlier run again, as a new run.

    Parameters
    ----------
    store : Store
        Where the run is.
    wanted : str
        The run, as `find_run` takes it.

    Raises
    ------
    SnapshotError
        If there is no such run, or its objects are no longer in the store.
    """
    with writing(store):
        runs = read_runs(store)
        old = find_run(runs, wanted)
        gone = [
            s.name
            for s in old.snapshots
            if read_object(store, s.name, s.fingerprint) is None
        ]
        if gone:
            raise SnapshotError(
                f"run {old.run_id}: no longer in the store: {', '.join(gone)}\n"
                f"hint: {len(kept_runs(runs))} runs are kept (`history.runs`); its"
                " configuration is in meta.runs"
            )
        now = {s.name: s.fingerprint for s in runs[-1].snapshots}
        started_at = datetime.now(UTC)
        record = msgspec.structs.replace(
            old,
            run_id=new_run_id(store, started_at),
            started_at=started_at,
            restores=old.run_id,
            n_kept=runs[-1].n_kept,
            execute_s=0.0,
            total_s=0.0,
            snapshots=[_restored(s, old, now.get(s.name)) for s in old.snapshots],
        )
        publish_run(store, [*runs, record])
    return record


def _restored(
    snapshot: SnapshotRecord, old: RunRecord, published: str | None
) -> SnapshotRecord:
    """Note how the new run came by a snapshot of the old one."""
    if snapshot.fingerprint == published:
        return msgspec.structs.replace(snapshot, state="fresh", reasons=[])
    why = [f"just restore {old.run_id}"]
    return msgspec.structs.replace(snapshot, state="restored", reasons=why)


def compare(
    store: Store, snapshot: str, run_a: str, run_b: str, *, tolerance: float = 0.0
) -> Comparison:
    """Compare a snapshot of two runs by the key it has in the second.

    Parameters
    ----------
    store : Store
        Where the runs are.
    snapshot : str
        Name of the snapshot.
    run_a, run_b : str
        Before and after, as `find_run` takes them.
    tolerance : float
        As `diff` takes it.

    Raises
    ------
    SnapshotError
        If a run, or its object of the snapshot, is not there.
    """
    runs = read_runs(store)
    if not runs:
        raise SnapshotError("there are no runs yet\nhint: `just run` makes the first")
    before, after = find_run(runs, run_a), find_run(runs, run_b)
    old, new = (_object_of(store, run, snapshot) for run in (before, after))
    [key] = [s.key for s in after.snapshots if s.name == snapshot]
    title = f"{snapshot}: {before.run_id} -> {after.run_id}"
    return Comparison(title, diff(old, new, key, tolerance=tolerance))


def _object_of(store: Store, run: RunRecord, snapshot: str) -> Path:
    """Find the object of a snapshot of a run."""
    found = {s.name: s.fingerprint for s in run.snapshots}
    if snapshot not in found:
        raise SnapshotError(
            f"run {run.run_id}: no snapshot '{snapshot}'{nearest(snapshot, found)}\n"
            f"found: {', '.join(found)}"
        )
    if read_object(store, snapshot, found[snapshot]) is None:
        raise SnapshotError(
            f"run {run.run_id}: '{snapshot}' is no longer in the store\n"
            "hint: the last runs stay, as many as `history.runs` says; if this is one"
            " of them, its object was removed by hand"
        )
    return store.object(snapshot, found[snapshot])


def verify(store: Store) -> list[Damage]:
    """Read every object of the kept runs, and compare it with its content hash.

    What is damaged is removed, so that the next run makes it again.

    Returns
    -------
    list of Damage
        Empty if all is whole.
    """
    with writing(store):
        shown_by: dict[tuple[str, str], list[str]] = {}
        for run in kept_runs(read_runs(store)):
            for s in run.snapshots:
                shown_by.setdefault((s.name, s.fingerprint), []).append(run.run_id)
        return list(_damages(store, shown_by))


def _damages(
    store: Store, shown_by: dict[tuple[str, str], list[str]]
) -> Iterator[Damage]:
    """Yield what is wrong with each object."""
    for (name, fingerprint), runs in shown_by.items():
        path = store.object(name, fingerprint)
        record = read_record(path.with_suffix(".json"), ObjectRecord)
        fault = "is missing"
        if path.is_file():
            fault = "has no record" if record is None else _fault(store, record)
        if fault:
            for part in files_of(path):
                part.unlink(missing_ok=True)
            yield Damage(str(path), name, fault, tuple(runs))


def _fault(store: Store, record: ObjectRecord) -> str:
    """Say what is wrong with the content of an object; nothing if it is whole."""
    path = store.object(record.snapshot, record.fingerprint)
    n_bytes = path.stat().st_size
    if n_bytes != record.n_bytes:
        return f"has {n_bytes:,} bytes, expected {record.n_bytes:,}"
    try:
        lf = scan_parquet(path)
        schema = lf.collect_schema()
        figures = lf.select(pl.len(), content_sum(schema).alias("sum"))
        n_rows, rows_sum = figures.collect(engine="streaming").row(0)
    except (PolarsError, OSError) as error:
        return f"cannot be read: {str(error).splitlines()[0]}"
    if content_hash(schema, n_rows, rows_sum) != record.content_hash:
        return "holds other rows than were written"
    return ""


def describe_history(
    store: Store, runs: Sequence[RunRecord], snapshot: str | None
) -> list[str]:
    """Write a line per run, the newest first; with a snapshot, what became of it.

    Raises
    ------
    SnapshotError
        If no run has published such a snapshot.
    """
    if snapshot is not None:
        return _history_of(store, runs, snapshot)
    kept = {run.run_id for run in kept_runs(runs)}
    lines = ["run                   made      profile  seconds  snapshots"]
    for run in reversed(runs):
        states = [s.state for s in run.snapshots]
        counts = ", ".join(
            f"{states.count(state)} {state}" for state in dict.fromkeys(states)
        )
        of = f"; restores {run.restores}" if run.restores else ""
        gone = "" if run.run_id in kept else "; objects not kept"
        made = f"{run.started_at:%d %b %H:%M}"
        lines.append(
            f"{run.run_id}  {made:12}  {run.profile or '-':7} {run.total_s:6.1f}"
            f"  {counts}{of}{gone}"
        )
    return lines


def _history_of(store: Store, runs: Sequence[RunRecord], name: str) -> list[str]:
    """Write a line per run that brought another version of a snapshot."""
    lines: list[str] = []
    before = ""
    for run in runs:
        for s in run.snapshots:
            if s.name == name and s.fingerprint != before:
                before = s.fingerprint
                found = read_object(store, name, s.fingerprint)
                what = (
                    f"{found.n_rows:>11,} rows  {found.content_hash[:8]}"
                    if found
                    else "   object not kept     "
                )
                lines.append(f"{run.run_id}  {s.state:8} {what}")
                lines += [f"    {reason}" for reason in s.reasons]
    if not lines:
        known = sorted({s.name for run in runs for s in run.snapshots})
        raise SnapshotError(
            f"no snapshot '{name}' in any run\nfound: {', '.join(known)}"
        )
    return lines


def describe_damage(damage: Damage) -> str:
    """Name an object, its fault, and who shows it."""
    return (
        f"{damage.path}: {damage.fault}\n"
        f"  snapshot '{damage.snapshot}' of {', '.join(damage.runs)}"
    )
