"""What the store keeps, what it lets go, and whether what it keeps is whole."""

import fcntl
import re
import shutil
import time
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from pipeline.files.state import CATALOG
from pipeline.log import LOG
from pipeline.snapshots.core import duckdb
from pipeline.snapshots.lease import is_held
from pipeline.snapshots.linked import RUN_ID, is_run_id, is_untouched, run_of
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import (
    Store,
    damaged_runs,
    files_of,
    kept_runs,
)
from pipeline.snapshots.variants import read_variants

_N_LOGS = 100

_OF_SOURCES = re.compile(r"(made|parsed|query|rows|utf8)-.*\.(csv|parquet)")
"""What sources make in ``.pipeline/data``, and can make again."""

_IDLE_S = 30 * 24 * 3600
"""So long a copy stays that no kept run names; each day it is used it is dated anew."""

_NAMES = {
    "catalogs/*": re.compile(rf"({RUN_ID}|copied)(\.([0-9a-f]{{16}}|next))?"),
    "logs/*": re.compile(rf"{RUN_ID}\.jsonl|spark\.log|error-[0-9a-f]{{8}}\.txt"),
    "objects/*": re.compile(r"[a-z][a-z0-9_]*"),
    "objects/*/*": re.compile(r"[0-9a-f]{16}\.(parquet|json|json\.next)"),
    "runs/*": re.compile(rf"{RUN_ID}\.json\.next|\d{{8}}T\d{{12}}"),
}
"""What the store calls what it makes; records of runs are known by what is in them."""


def garbage(store: Store, runs: Sequence[RunRecord]) -> list[Path]:
    """Find what neither a kept run, a variant nor an open reader needs.

    The caller holds the store's lock; the oldest run comes first.
    """
    ours, strays = _sort_out(store, runs)
    if strays:
        names = ", ".join(str(path.relative_to(store.folder)) for path in strays)
        LOG.warning("%s: left alone what no run has made: %s", store.folder, names)
    # A run that died before it was linked is newer than what is linked.
    linked = [run for run in runs if run.run_id <= store.linked]
    # A client that has just looked up the link may be about to open the one before.
    shown = {store.linked, *(run.run_id for run in linked[-2:])}
    read, idle = _others(store, ours["catalogs/*"], shown)
    variants = [variant.run for variant in read_variants(store)]
    kept = [*kept_runs(runs), *variants]
    needed = _objects_of(store, [*kept, *kept_runs(linked), *linked[-2:]])
    needed |= set[Path]().union(*(_objects_in(folder / CATALOG) for folder in read))
    folders = {*ours["objects/*"]}
    objects = {path for path in ours["objects/*/*"] if path.parent in folders}
    logs = [path for path in ours["logs/*"] if path.suffix == ".jsonl"][:-_N_LOGS]
    # Folders are of the first version: one per run.
    records = [
        path
        for path in ours["runs/*"]
        if path.suffix == ".next" or (path.is_dir() and path.name not in shown)
    ]
    # Of a download that was killed: runs hold the lock while theirs is at work.
    parts = store.data.glob("*.part")
    unused = _unused(store, kept)
    return sorted([*(objects - needed), *idle, *logs, *records, *parts, *unused])


def _unused(store: Store, kept: Iterable[RunRecord]) -> list[Path]:
    """List what sources have made and nothing has used for long."""
    named = {file.stat.path for run in kept for file in run.files}
    before = time.time() - _IDLE_S
    return [
        path
        for path in store.data.glob("*")
        if _OF_SOURCES.fullmatch(path.name)
        and path.relative_to(store.root).as_posix() not in named
        and path.stat().st_mtime < before
    ]


def _others(
    store: Store, catalogs: Iterable[Path], shown: Container[str]
) -> tuple[list[Path], list[Path]]:
    """Tell the catalogs beside those shown that are read from those that may go."""
    others = [path for path in catalogs if run_of(path) not in shown]
    read = [path for path in others if _is_read(path / CATALOG)]
    idle = [path for path in others if path not in read]
    return read, [
        path
        for path in idle
        if is_untouched(path / CATALOG, store.folder)
        or not _holds_others_tables(path / CATALOG)
    ]


def _sort_out(
    store: Store, runs: Sequence[RunRecord]
) -> tuple[dict[str, list[Path]], list[Path]]:
    """Tell what the store has named, by place, from what someone has put there."""
    ours: dict[str, list[Path]] = {}
    records = {f"{run.run_id}.json" for run in runs}
    strays: list[Path] = []
    for place, names in _NAMES.items():
        ours[place] = []
        for path in sorted(store.folder.glob(place)):
            is_record = place == "runs/*" and is_run_id(path.stem)
            known = path.name in records if is_record else names.fullmatch(path.name)
            (ours[place] if known else strays).append(path)
    damaged = damaged_runs(store, runs)
    return ours, [path for path in strays if path not in damaged]


def collect_garbage(store: Store, runs: Sequence[RunRecord]) -> list[Path]:
    """Remove what `garbage` finds, and say what it was."""
    found = garbage(store, runs)
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return found


def _objects_of(store: Store, runs: Iterable[RunRecord]) -> set[Path]:
    """Name the files of the objects of some runs."""
    return {
        path
        for run in runs
        for snapshot in run.snapshots
        for path in files_of(store.object(*snapshot.object))
    }


def _objects_in(catalog: Path) -> set[Path]:
    """Name the files of the objects a catalog has views of."""
    try:
        with duckdb.connect(catalog, read_only=True) as con:
            rows = con.execute(
                "SELECT path FROM meta.snapshots WHERE path IS NOT NULL"
            ).fetchall()
    except duckdb.Error:
        return set()
    return {path for (name,) in rows for path in files_of(Path(name))}


def _holds_others_tables(catalog: Path) -> bool:
    """Tell whether somebody has made tables in a catalog: ours has them in ``meta``."""
    try:
        with duckdb.connect(catalog, read_only=True) as con:
            tables = "SELECT 1 FROM duckdb_tables() WHERE schema_name <> 'meta'"
            return con.execute(tables).fetchone() is not None
    except duckdb.Error:
        return False


def _is_read(catalog: Path) -> bool:
    """Tell whether a DuckDB client has a catalog open, or a process holds it."""
    if not catalog.is_file():
        return False
    try:
        catalog.chmod(0o600)  # only who may write may ask for a lock that excludes
        with catalog.open("rb+") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return is_held(file)
    except OSError:
        return True
