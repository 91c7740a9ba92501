"""Publish a finished pass: objects, their records, the run's record, the catalog."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import SnapshotError, some
from pipeline.files.checksum import checksum, flush, write_sealed
from pipeline.files.state import CATALOG
from pipeline.log import LOG
from pipeline.snapshots.catalog import text, write_catalog
from pipeline.snapshots.core import duckdb
from pipeline.snapshots.linked import (
    CATALOG_FORMAT,
    READ_ONLY,
    folder_name,
    is_as_published,
    is_being_written,
    run_of,
)
from pipeline.snapshots.records import FORMAT, ObjectRecord, RunRecord, SnapshotRecord
from pipeline.snapshots.store import (
    WAIT_S,
    Store,
    cannot_write,
    drop_damaged,
    files_of,
    kept_runs,
    link_catalog,
    read_object,
    read_runs,
    remember_checksum,
    writing,
)

if TYPE_CHECKING:
    import polars as pl

    from pipeline.snapshots.profile import Profile


def new_run_id(last: str, started_at: datetime) -> str:
    """Name a run by its start in UTC, so that names sort by time and are SQL names.

    A clock that went back does not bring a run before the last one, if any.
    """
    moment = started_at
    while (run_id := _run_id(moment)) <= last:
        moment = max(moment, _moment(last)) + timedelta(milliseconds=1)
    return run_id


def require_same(
    store: Store, made: Sequence[SnapshotRecord], profiles: Mapping[str, "Profile"]
) -> list[SnapshotRecord]:
    """Return those whose object is not there yet.

    Objects are immutable: earlier runs show them, and what was computed of them.

    Raises
    ------
    SnapshotError
        If rows are not those of the object of the same fingerprint; names every such
        snapshot, and its files.
    """
    new: list[SnapshotRecord] = []
    others: list[SnapshotRecord] = []
    found: list[str] = []
    for s in made:
        before, now = read_object(store, *s.object), profiles[s.name]
        if before is None:
            new.append(s)
        elif before.content_hash != now.content_hash:
            others.append(s)
            found.append(
                f"  {s.name}: {now.n_rows:,} rows, content {now.content_hash[:8]};"
                f" before, {before.n_rows:,} rows, content {before.content_hash[:8]}"
            )
    if others:
        files = [path for s in others for path in files_of(store.object(*s.object))]
        names = ", ".join(f"'{s.name}'" for s in others)
        raise SnapshotError(
            f"snapshot {names}: computed again from the same inputs,"
            " configuration and code, and not the same as before\n"
            f"found:\n{chr(10).join(found)}\n"
            "nothing was published: what there was is as it was\n"
            "hint: likely a transformation depends on a clock, chance, a file or the"
            " order of rows (as a sum of floats does: see `pipeline/panel/exact.py`),"
            " or its `split` is not true (`just test tests/panel/test_split.py` looks);"
            " if the new rows are the right ones, remove these files and run again\n"
            + "\n".join(f"  {path.relative_to(store.root)}" for path in files)
        )
    return new


def publish_objects(
    store: Store,
    made: Sequence[SnapshotRecord],
    files: Mapping[str, Path],
    profiles: Mapping[str, "Profile"],
    run_id: str,
) -> None:
    """Move Parquet files to their places in the store, then say what is in them.

    The caller holds the lock. Each step is on the disk before the next: after a power
    cut there is no record of an object that is not whole.

    Raises
    ------
    SnapshotError
        If the store cannot be written.
    """
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
    except OSError as error:
        raise cannot_write(store, error) from error
    place_objects(store, records, files)
    for name, record in records.items():
        remember_checksum(store.object(name, record.fingerprint), record.crc32)


def place_objects(
    store: Store, records: Mapping[str, ObjectRecord], files: Mapping[str, Path]
) -> None:
    """Move the files of objects to their places, as `publish_objects` does."""
    paths = {name: store.object(name, r.fingerprint) for name, r in records.items()}
    try:
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


def publish_run(
    store: Store, runs: Sequence[RunRecord], new: RunRecord | None = None
) -> None:
    """Record a run, by default the last of all, whose catalog is the one users open.

    The caller holds the lock.

    Raises
    ------
    SnapshotError, OSError
        If the store cannot be written; there was no such run then.
    """
    record = new or runs[-1]
    path = store.runs / f"{record.run_id}.json"
    try:
        write_sealed(path, record)
        publish_catalog(store, runs)
    except BaseException:
        if store.linked != record.run_id:
            path.unlink(missing_ok=True)
        raise


def contribute(store: Store, tables: Mapping[str, "pl.DataFrame"]) -> None:
    """Show rows in ``meta``, instead of those that its tables had, and publish that.

    Where there is no run yet, the catalog of the first one shows them. Columns go by
    the names in the `meta.sql` of whoever contributes.

    Raises
    ------
    SnapshotError
        If another process writes for long, or the store cannot be written.
    """
    with writing(store, wait_s=WAIT_S):
        lay_beside(store, tables)
        runs = read_runs(store)
        if runs:
            publish_catalog(store, runs)


def lay_beside(store: Store, tables: Mapping[str, "pl.DataFrame"]) -> None:
    """Keep rows that the next catalog shows in ``meta``; the caller holds the lock."""
    store.meta.mkdir(exist_ok=True)
    for table, rows in tables.items():
        before = {*store.meta.glob(f"{table}.*")}
        if not rows.is_empty():
            partial = store.meta / f"{table}.next"
            rows.write_parquet(partial)
            flush(partial)
            file = partial.with_name(f"{table}.{checksum(partial)}.parquet")
            partial.replace(file)
            before -= {file, partial}
        for path in before:
            path.unlink()
    flush(store.meta)


def laid_beside(store: Store, table: str) -> Path | None:
    """Find the rows that are kept for a table."""
    return next(iter(store.meta.glob(f"{table}.*.parquet")), None)


def publish_catalog(store: Store, runs: Sequence[RunRecord]) -> None:
    """Make the catalog of the last of all runs, and link it; the caller holds the lock.

    What another program wrote stays where it wrote it, and is named.

    Raises
    ------
    SnapshotError
        If the store cannot be written; the link is as it was then.
    """
    # Clients call the database by the file's name, which no schema may share.
    catalog = store.catalogs / f"{runs[-1].run_id}.next" / CATALOG
    try:
        _start_folder(catalog.parent)
        try:
            write_catalog(catalog, store, runs)
        except duckdb.Error:
            # Of an object whose footer is damaged, no view can be made.
            there = {
                s.object
                for run in kept_runs(runs)
                for s in run.snapshots
                if read_object(store, *s.object)
            }
            if not drop_damaged(store, there):
                raise
            _start_folder(catalog.parent)
            write_catalog(catalog, store, runs)
        catalog.chmod(READ_ONLY)
        folder = store.catalogs / folder_name(runs[-1].run_id, catalog, store.folder)
        catalog.parent.rename(folder)
        before = _set_aside(store)
        link_catalog(store, folder / CATALOG)
    except (OSError, duckdb.Error) as error:
        shutil.rmtree(catalog.parent, ignore_errors=True)
        raise cannot_write(store, error) from error
    if before and (left := written_by_others(before, folder / CATALOG)):
        LOG.warning(
            "in the catalog before, somebody has written: %s\nit stays in %s;"
            " snapshots are read-only, so remove that folder or keep what you need",
            some(left),
            before.relative_to(store.root),
        )


def _set_aside(store: Store) -> Path | None:
    """Find the linked catalog if it is not as published; give a copy a place."""
    catalog = store.catalog.resolve()
    if is_as_published(store.catalog) or not catalog.is_file():
        return None
    if catalog == store.catalog:  # of a project that was copied without links
        folder = store.catalogs / folder_name("copied", catalog, store.folder)
        folder.mkdir(parents=True, exist_ok=True)
        return catalog.rename(folder / CATALOG)
    return catalog


def _start_folder(folder: Path) -> None:
    """Make an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def is_current(store: Store, run_id: str) -> bool:
    """Tell whether the linked catalog is the one published for a run, and readable."""
    return (
        store.linked == run_id
        and is_as_published(store.catalog)
        and not is_being_written(store.catalog)
    )


def renew_catalog(store: Store, runs: Sequence[RunRecord]) -> None:
    """Publish the catalog again unless it is current, and say why.

    The caller holds the lock; there is at least one run.
    """
    if not is_current(store, runs[-1].run_id):
        # Of a run that died before its link, there is nothing to be warned of.
        level = logging.INFO if is_current(store, store.linked) else logging.WARNING
        why = _fault(store, runs[-1].run_id)
        publish_catalog(store, runs)
        LOG.log(level, "the catalog %s: made again", why)


def _fault(store: Store, run_id: str) -> str:
    """Say why the linked catalog is not the one that was published for a run."""
    if not store.catalog.exists():
        return "is missing"
    if store.linked != run_id:
        return "is not that of the newest run"
    if is_being_written(store.catalog):
        return "is open for writing in another program"
    try:
        with duckdb.connect(store.catalog.resolve(), read_only=True) as con:
            found = con.execute("SELECT format, folder FROM meta.catalog").fetchall()
    except duckdb.Error as error:
        return f"is damaged ({str(error).splitlines()[0]})"
    if found != [(CATALOG_FORMAT, str(store.folder))]:
        return "is of another folder or version"
    return "was changed by another program"


def written_by_others(catalog: Path, published: Path) -> list[str]:
    """Name the tables of a catalog that no run makes; none if it cannot be opened.

    If ours, just published, is of the same run and folder, what was changed is named,
    too.
    """
    columns = "database_name, schema_name, %s, sql"
    made_for = "SELECT format, folder FROM %s.meta.catalog"
    try:
        with duckdb.connect() as con:
            con.execute(f"ATTACH {text(catalog)} AS found (READ_ONLY)")
            con.execute(f"ATTACH {text(published)} AS ours (READ_ONLY)")
            rows = con.execute(
                f"SELECT 'table', {columns % 'table_name'}, estimated_size"
                " FROM duckdb_tables() UNION ALL"
                f" SELECT 'view', {columns % 'view_name'}, NULL"
                " FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
            ).fetchall()
            is_same = run_of(catalog.parent) == run_of(published.parent) and (
                con.execute(made_for % "found").fetchall()
                == con.execute(made_for % "ours").fetchall()
            )
    except duckdb.Error:
        return []
    ours = {(kind, *entry) for kind, database, *entry in rows if database == "ours"}
    return [
        f"{kind} {schema}.{name}" + (f" ({n_rows:,} rows)" if kind == "table" else "")
        for kind, database, schema, name, sql, n_rows in rows
        if database == "found" and (kind, schema, name, sql, n_rows) not in ours
        if is_same or (kind == "table" and schema != "meta")
    ]


def _run_id(moment: datetime) -> str:
    """Write a moment to the millisecond."""
    return f"r{moment:%Y%m%d_%H%M%S}_{moment.microsecond // 1000:03}"


def _moment(run_id: str) -> datetime:
    """Read what `_run_id` wrote."""
    moment = datetime.strptime(run_id[:16], "r%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    return moment + timedelta(milliseconds=int(run_id[17:]))
