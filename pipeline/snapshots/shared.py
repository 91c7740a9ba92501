"""Objects and runs in a store that clones of a project share: there, and back here.

What came back is held to what was computed: to its fingerprint, its bytes, its rows'
content hash and that of each column, before anything is made of it or shows it.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from pipeline.errors import SnapshotError
from pipeline.files.shared import Shared, at_once, blobs_of
from pipeline.log import LOG
from pipeline.progress import doing
from pipeline.snapshots.linked import is_run_id
from pipeline.snapshots.publish import place_objects, publish_run
from pipeline.snapshots.records import (
    FORMAT,
    ObjectRecord,
    RunRecord,
    SnapshotRecord,
)
from pipeline.snapshots.store import (
    Store,
    find_id,
    kept_runs,
    read_object,
    read_runs,
    staged_run,
    verified_object,
    writing,
)

LATEST = "latest"
"""The entry that names the newest run: who may not list finds it by that."""

KINDS = ("objects", "models", "evaluations", "studies", "audits")
"""Of entries, beside runs."""

_FILE = "object.parquet"

_REMOVE = "; if it is nowhere any more, remove {}"


class Latest(msgspec.Struct, frozen=True):
    """What `LATEST` says."""

    run_id: str


@dataclass(frozen=True)
class Moved:
    """What went there, or came back."""

    n_files: int
    n_bytes: int

    def __str__(self) -> str:
        files = f"{self.n_files} object{'s' * (self.n_files != 1)}"
        return f"{files}, {self.n_bytes / 1e6:,.1f} MB"


def require_shared(shared: Shared | None) -> Shared:
    """Return the store that a configuration names, or raise a SnapshotError."""
    if shared is None:
        raise SnapshotError(
            "store.remote: no store is named\n"
            "expected: in configs/pipeline.yaml, as\n"
            "  store: {remote: s3://bucket/prefix}\n"
            "hint: a path works too, such as /mnt/team"
        )
    return shared


def key_of(snapshot: str, fingerprint: str) -> str:
    """Name the entry of an object."""
    return f"objects/{snapshot}/{fingerprint}"


def shared_record(
    shared: Shared, snapshot: str, fingerprint: str
) -> ObjectRecord | None:
    """Say what is in an object that is there; None if there is none, or it is odd."""
    key = key_of(snapshot, fingerprint)
    entry = shared.entry(key)
    if entry is None:
        return None
    record = entry.read(ObjectRecord)
    if record is None or record.format != FORMAT:
        shared.refuse(
            key,
            "is of another version of pipeline, or was changed there: `just push` of"
            " this one writes it anew",
        )
    elif (record.snapshot, record.fingerprint) != (snapshot, fingerprint):
        shared.refuse(key, f"is of another object, of '{record.snapshot}'")
    elif [*entry.files] != [_FILE]:
        shared.refuse(key, "does not name its file")
    else:
        return record
    return None


def fetch_objects(
    store: Store,
    shared: Shared,
    wanted: Mapping[tuple[str, str], Sequence[str]],
    staging: Path,
) -> bool:
    """Bring objects into the store; say whether all that were there could be had.

    The caller holds the lock. What is here already stays. What is not as it should be
    is named, and counts as not there from now on.

    Parameters
    ----------
    wanted : mapping of (str, str) to sequence of str
        Snapshot and fingerprint, and the columns that tell its rows apart; none where
        all of them do.
    """
    records = {
        object_: record
        for object_ in wanted
        if read_object(store, *object_) is None
        and (record := shared_record(shared, *object_))
    }

    def one(object_: tuple[str, str]) -> str:
        entry = shared.entry(key_of(*object_))
        assert entry is not None
        folder = staging / f"{object_[0]}.fetched"
        fault = shared.fetch(entry, folder)
        return fault or _fault(folder / _FILE, records[object_], wanted[object_])

    with doing("fetching snapshots"):
        faults = dict(zip(records, at_once(one, records), strict=True))
    whole: dict[str, ObjectRecord] = {}
    for object_, fault in faults.items():
        if fault:
            shared.refuse(key_of(*object_), fault)
        else:
            whole[object_[0]] = records[object_]
    files = {name: staging / f"{name}.fetched" / _FILE for name in whole}
    place_objects(store, whole, files)
    if whole:
        moved = Moved(len(whole), sum(record.n_bytes for record in whole.values()))
        LOG.info("fetched %s from %s: %s", moved, shared, ", ".join(whole))
    return len(whole) == len(records)


def push_run(store: Store, shared: Shared, run: RunRecord) -> Moved:
    """Bring a run there with the objects that it names and that are not there yet.

    They come first: a run that is there can be had whole.

    Raises
    ------
    SnapshotError
        If the store cannot be written, an object is not whole here, or there already
        with other rows.
    """
    shared.begin()

    def one(snapshot: SnapshotRecord) -> int:
        return _push_object(store, shared, snapshot)

    sent = [n for n in at_once(one, run.snapshots) if n]
    key = f"runs/{run.run_id}"
    record = msgspec.json.encode(run)
    there = shared.entry(key)
    if there is None or bytes(there.record) != record:
        shared.push(key, {}, record)
    newest = _latest(shared)
    is_there = newest is not None and shared.entry(f"runs/{newest}") is not None
    if newest is None or newest < run.run_id or not is_there:
        shared.push(LATEST, {}, msgspec.json.encode(Latest(run.run_id)))
    return Moved(len(sent), sum(sent))


def pull_run(
    store: Store, shared: Shared, name: str | None, n_kept: int
) -> tuple[RunRecord, bool]:
    """Bring a run here with its objects, the newest by default; say if it was not here.

    It takes its place among the runs of here, by its time; the newest of all is what
    is published.

    Raises
    ------
    SnapshotError
        If there is no such run, or an object of it cannot be had, or is here with
        other rows: all is as it was then.
    """
    shared.require()
    run = _find_run(shared, name)
    with writing(store), staged_run(store) as staging:
        runs = read_runs(store)
        is_new = run.run_id not in {each.run_id for each in runs}
        # Times of files are those of another machine.
        files = [msgspec.structs.replace(file, hashed_ns=0) for file in run.files]
        run = msgspec.structs.replace(run, files=files, n_kept=n_kept)
        if is_new:
            runs = sorted([*runs, run], key=lambda each: each.run_id)
        if run.run_id not in {each.run_id for each in kept_runs(runs)}:
            raise SnapshotError(
                f"run {run.run_id}: older than the runs that are kept here\n"
                "hint: a larger `history.runs` keeps more, from the next run on"
            )
        wanted = {
            s.object: s.key if s.stage or s.is_scored else [] for s in run.snapshots
        }
        fetch_objects(store, shared, wanted, staging)
        _require_rows(store, shared, run)
        if is_new:
            publish_run(store, runs, run)
    return run, is_new


def clear_shared(
    shared: Shared, n_runs: int, before: datetime, *, dry_run: bool
) -> list[str]:
    """Remove what was written before a moment and no run that stays shows; list it.

    The newest runs stay, so many, and all that were written since.

    Raises
    ------
    SnapshotError
        If the store cannot be listed or written, or what stays cannot be read: nothing
        is removed then, as nobody knows what it shows.
    """
    shared.require()
    blobs = shared.entries("blobs")  # first: what comes while we look is not among them
    runs = shared.entries("runs")
    older = [key for key in [*runs][:-n_runs] if runs[key] < before]
    shown = {
        key_of(*s.object)
        for key in runs.keys() - {*older}
        for s in _find_run(shared, key.removeprefix("runs/")).snapshots
    }
    others = {key: at for kind in KINDS for key, at in shared.entries(kind).items()}
    idle = [key for key, at in others.items() if at < before and key not in shown]
    staying = sorted(others.keys() - {*idle})
    named = dict(zip(staying, at_once(shared.entry, staying), strict=True))
    for key, entry in named.items():
        # What is damaged can be had by nobody; what may not be read, by others.
        if entry is None and not shared.why_refused(key):
            raise SnapshotError(
                f"{shared}/{key}.json: is gone, or may not be read, so nothing is"
                " removed\nhint: see that you may read all that is there, and try again"
            )
    needed = {
        f"blobs/{blob.sha256}"
        for entry in named.values()
        for blob in (entry.files.values() if entry else ())
    }
    unused = [name for name, at in blobs.items() if at < before and name not in needed]
    found = [*older, *idle, *unused]
    if not dry_run:
        for names in (older, idle, unused):
            shared.remove(names)
    return found


def _find_run(shared: Shared, wanted: str | None) -> RunRecord:
    """Read the record of a run that is there."""
    run_id = wanted or _newest(shared)
    if run_id is None:
        why = shared.why_refused(LATEST)
        found = f"its {LATEST}.json {why}" if why else "no run is there yet"
        raise SnapshotError(f"{shared}: {found}\nhint: `just push` sends the last one")
    if not is_run_id(run_id):
        ids = [key.removeprefix("runs/") for key in shared.entries("runs")]
        run_id = find_id(ids, run_id)
    key = f"runs/{run_id}"
    entry = shared.entry(key)
    run = entry.read(RunRecord) if entry else None
    if run is None or (run.format, run.run_id) != (FORMAT, run_id):
        found = "is not there"
        if entry or shared.why_refused(key):
            found = shared.why_refused(key) or "is of another version of pipeline"
        gone = "" if found == "is not there" else _REMOVE.format(f"{shared}/{key}.json")
        raise SnapshotError(
            f"{shared}: run {run_id} {found}\n"
            f"hint: `just push {run_id}`, where it was made, sends it{gone}"
        )
    if odd := [s.name for s in run.snapshots if not _is_named(s)]:
        raise SnapshotError(
            f"{shared}: run {run_id} names what no snapshot is called: {odd[0]!a}\n"
            "hint: somebody has changed it there; remove it"
        )
    return run


def _is_named(snapshot: SnapshotRecord) -> bool:
    """Tell whether a snapshot has a name and a fingerprint as a run gives them.

    They become paths.
    """
    is_hash = re.fullmatch("[0-9a-f]{64}", snapshot.fingerprint)
    return bool(is_hash and re.fullmatch("[a-z][a-z0-9_]*", snapshot.name))


def _newest(shared: Shared) -> str | None:
    """Name the newest run that is there; who may not list, as `LATEST` says.

    Of two who push at once, one may have written an older run's name over the other's.
    """
    ids = [_latest(shared)]
    with suppress(SnapshotError):
        ids += [key.removeprefix("runs/") for key in shared.entries("runs")]
    return max((run_id for run_id in ids if run_id and is_run_id(run_id)), default=None)


def _latest(shared: Shared) -> str | None:
    """Name the run that `LATEST` says is the newest."""
    entry = shared.entry(LATEST)
    latest = entry.read(Latest) if entry else None
    return latest.run_id if latest and is_run_id(latest.run_id) else None


def _require_rows(store: Store, shared: Shared, run: RunRecord) -> None:
    """Refuse a run whose objects are not here, or hold other rows than it says."""
    for s in run.snapshots:
        found = read_object(store, *s.object)
        if found is None:
            key = key_of(*s.object)
            raise SnapshotError(
                f"{shared}: run {run.run_id}: its snapshot '{s.name}' cannot be had\n"
                f"found: {key}.json: {shared.why_refused(key) or 'is not there'}\n"
                f"hint: `just push {run.run_id}`, where it was made, sends it again (if"
                " a file holds other bytes, only once you have removed that entry);"
                " `just run` computes what the configuration says"
            )
        contents = {column.name: column.content_hash for column in found.columns}
        if s.contents and s.contents != contents:
            raise SnapshotError(
                f"run {run.run_id}: its snapshot '{s.name}' has other rows here, made"
                " of the same inputs, configuration and code\n"
                "hint: likely a transformation depends on a clock, chance, a file or"
                " the order of rows"
            )


def _push_object(store: Store, shared: Shared, snapshot: SnapshotRecord) -> int:
    """Bring an object there unless it is there, whole; return the bytes that went.

    An entry that says anything else of the same rows, or names other bytes, gives way.
    """
    path = verified_object(store, *snapshot.object)
    record = read_object(store, *snapshot.object)
    assert record is not None
    files = {_FILE: path}
    key = key_of(*snapshot.object)
    there = shared.entry(key)
    known = shared_record(shared, *snapshot.object) if there else None
    if there and known:
        if known.content_hash != record.content_hash:
            raise SnapshotError(
                f"{shared}/{key}: other rows are there, made of the same inputs,"
                f" configuration and code\nfound: {known.n_rows:,} rows, content"
                f" {known.content_hash[:8]}; here {record.n_rows:,} rows, content"
                f" {record.content_hash[:8]}\n"
                "hint: likely a transformation depends on a clock, chance, a file or"
                " the order of rows; if the rows of here are right, remove that entry"
            )
        same = msgspec.structs.replace(known, run_id=record.run_id) == record
        if same and there.files == blobs_of(files) and shared.is_whole(there):
            return 0
    return shared.push(key, files, msgspec.json.encode(record))


def _fault(path: Path, record: ObjectRecord, key: Sequence[str]) -> str:
    """Say in what a file is not the object that its record says; nothing if it is."""
    from polars.exceptions import PanicException, PolarsError

    from pipeline.snapshots.profile import content_hash, content_hashes

    if path.stat().st_size != record.n_bytes:
        return f"its file has {path.stat().st_size:,} bytes, not {record.n_bytes:,}"
    try:
        found = content_hashes(path, key)
    except (PolarsError, PanicException, OSError) as error:
        return f"its file cannot be read ({str(error).partition(chr(10))[0]})"
    said = {column.name: column.content_hash for column in record.columns}
    if found != said or content_hash(record.columns) != record.content_hash:
        return "its rows are not those of its content hash"
    return ""
