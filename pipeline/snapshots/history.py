"""The runs there were: list them, go back to one, look whether all is whole.

To list them takes neither Polars nor DuckDB, which others here import late.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pipeline.errors import SnapshotError, nearest
from pipeline.progress import each
from pipeline.snapshots.records import RunRecord, SnapshotRecord
from pipeline.snapshots.store import (
    Store,
    damaged_runs,
    drop_damaged,
    drop_object,
    find_run,
    kept_runs,
    object_fault,
    read_current,
    read_object,
    read_runs,
    verified_object,
    writing,
)
from pipeline.snapshots.variants import find_variant, read_variants

if TYPE_CHECKING:
    from pipeline.snapshots.diff.diff import Diff


@dataclass(frozen=True)
class Damage:
    """An object that is not what it was, and the runs that show it; or their record.

    ``snapshot`` is empty of a run's record; ``cure`` is what makes it again.
    """

    path: str
    snapshot: str
    fault: str
    runs: tuple[str, ...]
    cure: str

    def __str__(self) -> str:
        what = f"snapshot '{self.snapshot}'" if self.snapshot else "the record"
        return (
            f"{self.path}: {self.fault}\n"
            f"  {what} of {', '.join(self.runs)}; {self.cure}"
        )


def restore(store: Store, wanted: str) -> RunRecord:
    """Publish the snapshots of an earlier run again, as a new run.

    Raises
    ------
    SnapshotError
        If there is no such run, or its objects are no longer in the store.
    """
    from pipeline.snapshots.publish import new_run_id, publish_run

    with writing(store):
        runs = read_runs(store)
        old = find_run(runs, wanted)
        drop_damaged(
            store, [s.object for s in old.snapshots if read_object(store, *s.object)]
        )
        gone = [s.name for s in old.snapshots if not read_object(store, *s.object)]
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
            run_id=new_run_id(runs[-1].run_id, started_at),
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


def require_whole(store: Store) -> None:
    """Hold the objects of the newest run to the bytes that were written.

    Raises
    ------
    SnapshotError
        If one is not whole.
    """
    current = read_current(store)
    for snapshot in current.snapshots if current else ():
        verified_object(store, *snapshot.object)


def diff_runs(
    store: Store, snapshot: str, run_a: str, run_b: str, *, tolerance: float = 0.0
) -> tuple[str, "Diff"]:
    """Diff a snapshot of two runs by the key it has in the second, below a title.

    Raises
    ------
    SnapshotError
        If a run, or its object of the snapshot, is not there.
    """
    runs = read_runs(store)
    if not runs:
        raise SnapshotError("there are no runs yet\nhint: `just run` makes the first")
    before, after = find_run(runs, run_a), find_run(runs, run_b)
    title = f"{snapshot}: {before.run_id} -> {after.run_id}"
    return title, diff_records(store, snapshot, before, after, tolerance=tolerance)


def diff_records(
    store: Store,
    snapshot: str,
    before: RunRecord,
    after: RunRecord,
    *,
    tolerance: float = 0.0,
) -> "Diff":
    """Diff a snapshot of two runs by the key it has in the second.

    A SnapshotError if the object of one is not there.
    """
    old, new = (object_of(store, run, snapshot) for run in (before, after))
    from pipeline.snapshots.diff.diff import diff

    [key] = [s.key for s in after.snapshots if s.name == snapshot]
    return diff(old, new, key, tolerance=tolerance)


def diff_variant(
    store: Store, name: str, snapshot: str, run: str, *, tolerance: float = 0.0
) -> tuple[str, "Diff"]:
    """Diff a snapshot of a run with that of a variant, below a title.

    Raises
    ------
    SnapshotError
        If there is no such run or variant, or one has no such snapshot.
    """
    variant, runs = find_variant(store, name), read_runs(store)
    if not runs:
        raise SnapshotError(
            f"variant '{name}': there is no run to compare it with\n"
            "hint: `just run` makes the first"
        )
    before = find_run(runs, run)
    found = diff_records(store, snapshot, before, variant.run, tolerance=tolerance)
    return f"{snapshot}: {before.run_id} -> variant {name}", found


def object_of(store: Store, run: RunRecord, snapshot: str) -> Path:
    """Find the object of a snapshot of a run, and hold it to what was written."""
    path = find_object(store, run, snapshot)
    verified_object(store, snapshot, run.fingerprints[snapshot])
    return path


def find_object(store: Store, run: RunRecord, snapshot: str) -> Path:
    """Find the object of a snapshot of a run, as whole as SQL takes it to be.

    Raises
    ------
    SnapshotError
        If the run has no such snapshot, or its object is not in the store.
    """
    found = run.fingerprints
    if snapshot not in found:
        raise SnapshotError(
            f"run {run.run_id}: no snapshot '{snapshot}'{nearest(snapshot, found)}\n"
            f"found: {', '.join(found)}"
        )
    if read_object(store, snapshot, found[snapshot]) is None:
        raise SnapshotError(
            f"run {run.run_id}: '{snapshot}' is no longer in the store\n"
            "hint: the last runs stay, as many as `history.runs` says; if this is one"
            " of them, its object was damaged, or removed by hand"
        )
    return store.object(snapshot, found[snapshot])


def verify(store: Store) -> list[Damage]:
    """Read what kept runs and variants show, and compare its bytes with their checksum.

    What is damaged is removed, and can be made again; so are records of runs. A catalog
    that is not as published is made again at once.
    """
    from pipeline.snapshots.publish import renew_catalog

    with writing(store):
        runs = read_runs(store)
        damages = [*_damaged_objects(store, runs), *_damaged_records(store, runs)]
        if runs and not damages:
            renew_catalog(store, runs)
        return damages


def _damaged_objects(store: Store, runs: Sequence[RunRecord]) -> Iterator[Damage]:
    """Drop and yield each object that is not whole."""
    shown_by: dict[tuple[str, str], list[str]] = {}
    made_by: dict[str, str] = {}
    shown = {f"variant {v.name}": v.run for v in read_variants(store)}
    for shown_as, run in [*shown.items(), *((r.run_id, r) for r in kept_runs(runs))]:
        for s in run.snapshots:
            shown_by.setdefault(s.object, []).append(shown_as)
            made_by[s.name] = s.made_by
    for (name, fingerprint), ids in each(shown_by.items(), "reading objects"):
        path = store.object(name, fingerprint)
        if fault := object_fault(store, name, fingerprint):
            drop_object(store, name, fingerprint)
            cure = f"{made_by[name]} makes it again"
            if ids[-1] in shown:
                cure = "the command that made the variant makes it again"
            elif ids[-1] != runs[-1].run_id:
                cure += (
                    f" from the source of then, with the configuration of {ids[-1]}"
                    " (`just sql 'select run_id, config from meta.runs'`)"
                )
            yield Damage(str(path), name, fault, tuple(ids), cure)


def _damaged_records(store: Store, runs: Sequence[RunRecord]) -> Iterator[Damage]:
    """Drop and yield each record of a run that is not whole."""
    for path in damaged_runs(store, runs):
        path.unlink()
        yield Damage(
            str(path),
            "",
            "holds other bytes than were written",
            (path.stem,),
            "nothing brings it back; all other runs stay",
        )


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
    lines += [
        f"{path.stem}  its record is damaged: `just verify` drops it"
        for path in damaged_runs(store, runs)
    ]
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
