"""Where snapshots live, and how a run is published whole or not at all.

Below ``.pipeline/``::

    objects/<snapshot>/<fingerprint>.parquet   one immutable object ...
    objects/<snapshot>/<fingerprint>.json      ... and what is in it, written last
    runs/<run>.json                            what a run published, and why
    catalogs/<run>.<checksum>/snapshots.duckdb    views over the objects, ``meta.*``
    snapshots.duckdb                           a link to the newest catalog
    meta/<table>.<checksum>.parquet            what others contribute to ``meta``

Replacing the link is the one step that publishes a run, so a crash before it leaves the
previous run in place, and a reader that has an old catalog open goes on reading it.
Catalogs are made of these files alone, and are made again wherever they do not fit.
"""

import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pipeline.errors import SnapshotError, nearest
from pipeline.files.checksum import checksum, flush, read_sealed, unseal
from pipeline.files.state import CATALOG, State
from pipeline.log import LOG
from pipeline.snapshots.exclusive import exclusive, is_held
from pipeline.snapshots.linked import is_run_id, run_of
from pipeline.snapshots.records import (
    FORMAT,
    ObjectRecord,
    RunRecord,
)

WAIT_S = 30.0
"""For a run that is writing: to publish a catalog is a small step."""

_END = "s"  # sorts behind all runs

_CHECKSUMS: dict[tuple[Path, int, int, int, int], str] = {}
"""Of files as they were when they were read: inode, length, times."""

_Record = TypeVar("_Record", ObjectRecord, RunRecord)


class Store(State):
    """The snapshots in a project's state."""

    @property
    def linked(self) -> str:
        """The id of the run whose catalog users open; no run's if there is none."""
        return run_of(self.catalog.resolve().parent)


def open_store(root: Path) -> Store:
    """Return the store of a project; nothing is made.

    Raises
    ------
    SnapshotError
        If its folder is there and cannot be read.
    """
    store = Store(root)
    try:
        for entry in store.folder.iterdir():
            entry.lstat()  # only who may enter the folder may ask
    except FileNotFoundError:
        return store
    except OSError as error:
        raise SnapshotError(
            f"{store.folder}: cannot be read\nfound: {error}\n"
            "hint: the pipeline keeps all its state there; make the folder readable,"
            " or work in a copy of the project without it"
        ) from error
    return store


@contextmanager
def writing(store: Store, wait_s: float = 0) -> Generator[None]:
    """Hold the writer's lock; wait so many seconds at least for another writer.

    Raises
    ------
    LockedError
        If another process holds the lock.
    SnapshotError
        If the folder cannot be written, now or later on.
    """
    if "?" in str(store.folder):
        raise SnapshotError(
            f"{store.folder}: DuckDB takes what follows ? in a path for options\n"
            "hint: give the project's folder another name"
        )
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(store.lock, f"{store.folder}: another run is writing", wait_s):
            yield
    except OSError as error:
        raise cannot_write(store, error) from error


def is_writing(store: Store) -> bool:
    """Tell whether a process holds the writer's lock."""
    return is_held(store.lock)


@contextmanager
def staged_run(store: Store) -> Generator[Path]:
    """Give an empty folder to write to; the caller holds the lock.

    What is still in the folder at the end, or was left by a run that died, is removed.

    Raises
    ------
    SnapshotError
        If the store cannot be written.
    """
    import shutil  # imported late: readers stage nothing

    try:
        for folder in (store.runs, store.objects, store.catalogs):
            folder.mkdir(exist_ok=True)
        shutil.rmtree(store.staging, ignore_errors=True)
        store.staging.mkdir()
    except OSError as error:
        raise cannot_write(store, error) from error
    try:
        yield store.staging
    finally:
        shutil.rmtree(store.staging, ignore_errors=True)


def cannot_write(store: Store, error: Exception) -> SnapshotError:
    """Say that the state's folder cannot be written."""
    return SnapshotError(
        f"{store.folder}: cannot be written\nfound: {error}\n"
        "hint: the pipeline keeps all its state there; make room, or make the folder"
        " writable"
    )


def read_record(path: Path, type_: type[_Record]) -> _Record | None:
    """Read a record; None where it is absent, damaged or of another format."""
    record = read_sealed(path, type_)
    return record if record and record.format == FORMAT else None


def read_object(store: Store, snapshot: str, fingerprint: str) -> ObjectRecord | None:
    """Read the record of an object that is there; None if it is not.

    An object that was removed, or is not as long as it was written, is not there.
    Whoever reads its rows takes its path from `verified_object`.
    """
    path = store.object(snapshot, fingerprint)
    record = read_record(path.with_suffix(".json"), ObjectRecord)
    if record is None or record.fingerprint != fingerprint:
        return None
    is_there = path.is_file() and path.stat().st_size == record.n_bytes
    return record if is_there else None


def verified_object(store: Store, snapshot: str, fingerprint: str) -> Path:
    """Name the Parquet file of an object whose bytes are those that were written.

    Raises
    ------
    SnapshotError
        If they are not; the object is dropped then, if no other process is writing, so
        that the next run makes it again.
    """
    path = store.object(snapshot, fingerprint)
    fault = object_fault(store, snapshot, fingerprint)
    if fault and not is_writing(store):
        with suppress(SnapshotError), writing(store):
            # Another run may just have made it again.
            fault = object_fault(store, snapshot, fingerprint)
            if fault:
                drop_object(store, snapshot, fingerprint)
    if fault:
        raise SnapshotError(
            f"{path}: the object of snapshot '{snapshot}' {fault}\n"
            "hint: `just verify` drops what is damaged and says what makes it again"
        )
    return path


def object_fault(store: Store, snapshot: str, fingerprint: str) -> str:
    """Say in what an object is not what was written; nothing if it is whole.

    Its bytes are read once per process, unless the file was touched since; not at all
    by the process that has written them.
    """
    path = store.object(snapshot, fingerprint)
    try:
        stat = path.stat()
    except FileNotFoundError:
        return "is missing"
    record = read_record(path.with_suffix(".json"), ObjectRecord)
    if record is None or record.fingerprint != fingerprint:
        return "has no record that can be read"
    if stat.st_size != record.n_bytes:
        return f"has {stat.st_size:,} bytes, expected {record.n_bytes:,}"
    seen = _as_seen(path, stat)
    if seen not in _CHECKSUMS:
        _CHECKSUMS[seen] = checksum(path)
    is_whole = _CHECKSUMS[seen] == record.crc32
    return "" if is_whole else "holds other bytes than were written"


def remember_checksum(path: Path, crc32: str) -> None:
    """Know the checksum of an object that this process has just brought here."""
    _CHECKSUMS[_as_seen(path, path.stat())] = crc32


def _as_seen(path: Path, stat: os.stat_result) -> tuple[Path, int, int, int, int]:
    """Tell a file from what it was before it was touched."""
    return path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def drop_damaged(store: Store, objects: Iterable[tuple[str, str]]) -> bool:
    """Drop and name those that are not what was written; say if there were any.

    The caller holds the lock.
    """
    found = [(object_, object_fault(store, *object_)) for object_ in objects]
    for object_, fault in found:
        if fault:
            what = "%s: the object of snapshot '%s' %s; dropped, to be made again"
            LOG.warning(what, store.object(*object_), object_[0], fault)
            drop_object(store, *object_)
    return any(fault for _, fault in found)


def drop_object(store: Store, snapshot: str, fingerprint: str) -> None:
    """Remove an object; the caller holds the lock."""
    for path in files_of(store.object(snapshot, fingerprint)):
        path.unlink(missing_ok=True)


def read_runs(store: Store) -> list[RunRecord]:
    """Read the records of all runs, the oldest first.

    Raises
    ------
    SnapshotError
        If that of the newest run cannot be read: none before it stands in for it.
    """
    runs, lost = _look_at_runs(store)
    _refuse_lost(lost)
    return runs


def _refuse_lost(record: Path | None) -> None:
    """Refuse to go on without the record of the newest run."""
    if record is not None:
        raise SnapshotError(
            f"{record}: the record of the newest run {_how_lost(record)}\n"
            "hint: `just run` drops it, and publishes its snapshots again"
        )


def readable_runs(store: Store) -> tuple[list[RunRecord], Path | None]:
    """Read the records of all runs, and name that of the newest if it is lost.

    The caller holds the lock, and publishes a run in the place of the lost one, whose
    record stays until then: no older run is shown instead. What the lost one had made
    is still in the store, and can be restored.
    """
    runs, lost = _look_at_runs(store)
    if lost is not None:
        LOG.warning("%s: the record of the newest run %s", lost, _how_lost(lost))
    return runs, lost


def read_current(store: Store) -> RunRecord | None:
    """Read the record of the newest run, as `read_runs` does, and no other."""
    newest = next(_readable(reversed(run_files(store))), None)
    _refuse_lost(_lost(store, newest))
    return newest


def run_files(store: Store) -> list[Path]:
    """List the files that runs have left their records in, the oldest first."""
    found = sorted(store.runs.glob("*.json"))
    return [path for path in found if is_run_id(path.stem) and path.is_file()]


def damaged_runs(store: Store, runs: Iterable[RunRecord]) -> list[Path]:
    """List the records of other runs than those read, which are no longer whole.

    What is newer than the linked run has not been published: no run needs it.
    """
    read = {run.run_id for run in runs}
    others = (path for path in _files_behind(store, "") if path.stem not in read)
    return [path for path in others if _is_damaged(path)]


def _files_behind(store: Store, last: str) -> Iterator[Path]:
    """List the records of the runs behind one, up to the linked run's."""
    newest = store.linked if is_run_id(store.linked) else _END
    return (path for path in run_files(store) if last < path.stem <= newest)


def _readable(paths: Iterable[Path]) -> Iterator[RunRecord]:
    """Read records of runs, but for those that are damaged or of another format."""
    found = ((path, read_record(path, RunRecord)) for path in paths)
    return (run for path, run in found if run is not None and run.run_id == path.stem)


def _look_at_runs(store: Store) -> tuple[list[RunRecord], Path | None]:
    """Read all runs, and name the record of the newest if that is lost."""
    runs = [*_readable(run_files(store))]
    return runs, _lost(store, runs[-1] if runs else None)


def _lost(store: Store, newest: RunRecord | None) -> Path | None:
    """Name the record of a run behind the newest that can be read, if there was one."""
    last = newest.run_id if newest else ""
    lost = [path for path in _files_behind(store, last) if _is_damaged(path)]
    linked = store.runs / f"{store.linked}.json"
    if is_run_id(store.linked) and last < store.linked and not linked.exists():
        lost.append(linked)
    return max(lost, default=None)


def _is_damaged(path: Path) -> bool:
    """Tell whether a record is neither whole nor of the first format."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SnapshotError(
            f"{path}: cannot be read\nfound: {error}\nhint: make the file readable"
        ) from error
    return unseal(content) is None and not content.startswith(b'{"format":1,')


def _how_lost(record: Path) -> str:
    """Say why a record cannot be read."""
    return "holds other bytes than were written" if record.exists() else "is missing"


def kept_runs(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs that can be queried and restored, the oldest first.

    Each run let go of those before it, by the number of its own configuration: what
    is kept is what all of them have left.
    """
    kept: list[RunRecord] = []
    for run in runs:
        kept = [*kept, run][-run.n_kept :]
    return kept


def files_of(path: Path) -> tuple[Path, Path]:
    """Name an object's Parquet file and its record."""
    return path, path.with_suffix(".json")


def find_run(runs: Iterable[RunRecord], wanted: str) -> RunRecord:
    """Find a run as `find_id` does; the oldest come first."""
    by_id = {run.run_id: run for run in runs}
    return by_id[find_id([*by_id], wanted)]


def find_id(ids: Sequence[str], wanted: str) -> str:
    """Find a run by its id, the beginning of one, ``latest``, ``previous`` or ``-N``.

    Raises
    ------
    SnapshotError
        If there is no such run, or more than one.
    """
    if not wanted:
        raise SnapshotError(
            "a run has a name, and this is empty\n"
            "hint: `latest`, `previous`, or one of `just history`"
        )
    newest_first = ids[::-1]
    back = {"latest": "-0", "previous": "-1"}.get(wanted, wanted)
    if back.startswith("-") and back[1:].isdecimal() and int(back) > -len(ids):
        return newest_first[-int(back)]
    found = [name for name in ids if name.startswith(wanted)]
    if len(found) != 1:
        fault = "several runs begin with" if found else "no run"
        known = [name for name in (*ids, "latest", "previous") if name != wanted]
        one = ": there is one run only" if len(ids) == 1 and back != wanted else ""
        raise SnapshotError(
            f"{fault} '{wanted}'{one or nearest(wanted, known)}\n"
            f"found: {', '.join((found or newest_first)[:10])}\n"
            "hint: `just history` lists the runs, `just runs` their logs; -1 is the one"
            " before the latest"
        )
    return found[0]


def link_catalog(store: Store, catalog: Path) -> None:
    """Make a catalog the one users open, atomically, once it is on the disk."""
    for path in (catalog, catalog.parent, store.catalogs):
        flush(path)
    link = store.catalog.with_name(f"{CATALOG}.next")
    link.unlink(missing_ok=True)
    link.symlink_to(catalog.relative_to(store.folder))
    link.replace(store.catalog)
    flush(store.folder)
