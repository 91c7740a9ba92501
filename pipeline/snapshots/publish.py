"""Publish a finished pass: objects, their records, the run's record, the catalog."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.errors import SnapshotError
from pipeline.files.checksum import checksum, flush, write_sealed
from pipeline.snapshots.catalog import publish_catalog
from pipeline.snapshots.profile import Profile
from pipeline.snapshots.records import FORMAT, ObjectRecord, RunRecord, SnapshotRecord
from pipeline.snapshots.store import (
    Store,
    cannot_write,
    files_of,
    read_object,
)


def new_run_id(last: str, started_at: datetime) -> str:
    """Name a run by its start in UTC, so that names sort by time and are SQL names.

    A clock that went back does not bring a run before the last one, if any.
    """
    moment = started_at
    while (run_id := _run_id(moment)) <= last:
        moment = max(moment, _moment(last)) + timedelta(milliseconds=1)
    return run_id


def require_same(
    store: Store, made: Sequence[SnapshotRecord], profiles: Mapping[str, Profile]
) -> list[SnapshotRecord]:
    """Refuse rows that are not those of an object of the same fingerprint.

    Objects are immutable: earlier runs show them, and what was computed of them.

    Returns
    -------
    list of SnapshotRecord
        Those whose object is not there yet.

    Raises
    ------
    SnapshotError
        If rows differ; names every such snapshot, and its files.
    """
    there = {s.name: read_object(store, s.name, s.fingerprint) for s in made}
    others: list[str] = []
    found: list[str] = []
    files: list[str] = []
    for s in made:
        before, now = there[s.name], profiles[s.name]
        if before is None or before.content_hash == now.content_hash:
            continue
        others.append(f"'{s.name}'")
        found.append(
            f"  {s.name}: {now.n_rows:,} rows, content {now.content_hash[:8]}; before,"
            f" {before.n_rows:,} rows, content {before.content_hash[:8]}"
        )
        paths = files_of(store.object(s.name, s.fingerprint))
        files += [f"  {path.relative_to(store.root)}" for path in paths]
    if others:
        raise SnapshotError(
            f"snapshot {', '.join(others)}: computed again from the same inputs,"
            " configuration and code, and not the same as before\n"
            f"found:\n{chr(10).join(found)}\n"
            "nothing was published: what there was is as it was\n"
            "hint: likely a transformation depends on a clock, chance, a file or the"
            " order of rows (as a sum of floats does: see `pipeline/panel/exact.py`),"
            " or its `split` is not true (`just test tests/panel/test_split.py` looks);"
            " if the new rows are the right ones, remove these files and run again\n"
            + "\n".join(files)
        )
    return [s for s in made if there[s.name] is None]


def publish_objects(
    store: Store,
    made: Sequence[SnapshotRecord],
    files: Mapping[str, Path],
    profiles: Mapping[str, Profile],
    run_id: str,
) -> None:
    """Move Parquet files to their places in the store, then say what is in them.

    Each step is on the disk before the next: after a power cut there is no record of
    an object that is not whole.

    Parameters
    ----------
    store : Store
        Where to; the caller holds the lock.

    Raises
    ------
    SnapshotError
        If the store cannot be written.
    """
    paths = {s.name: store.object(s.name, s.fingerprint) for s in made}
    try:
        records = {
            s.name: ObjectRecord(
                FORMAT,
                s.name,
                s.fingerprint,
                run_id,
                profiles[s.name].n_rows,
                files[s.name].stat().st_size,
                checksum(files[s.name]),
                profiles[s.name].content_hash,
                profiles[s.name].columns,
            )
            for s in made
        }
        for name in paths:
            flush(files[name])
        for name, path in paths.items():
            path.parent.mkdir(exist_ok=True)
            files[name].replace(path)
        for folder in [*(path.parent for path in paths.values()), store.objects]:
            flush(folder)
        for name, path in paths.items():
            write_sealed(path.with_suffix(".json"), records[name])
    except OSError as error:
        raise cannot_write(store, error) from error


def publish_run(store: Store, runs: Sequence[RunRecord]) -> None:
    """Record the last of all runs and make its catalog the one users open.

    Parameters
    ----------
    store : Store
        Where to; the caller holds the lock.

    Raises
    ------
    SnapshotError, OSError
        If the store cannot be written; there was no such run then.
    """
    record = runs[-1]
    path = store.runs / f"{record.run_id}.json"
    try:
        write_sealed(path, record)
        publish_catalog(store, runs)
    except BaseException:
        if store.linked != record.run_id:
            path.unlink(missing_ok=True)
        raise


def _run_id(moment: datetime) -> str:
    """Write a moment to the millisecond."""
    return f"r{moment:%Y%m%d_%H%M%S}_{moment.microsecond // 1000:03}"


def _moment(run_id: str) -> datetime:
    """Read what `_run_id` wrote."""
    moment = datetime.strptime(run_id[:16], "r%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    return moment + timedelta(milliseconds=int(run_id[17:]))
