"""Where snapshots live, and how a run is published whole or not at all.

``.pipeline/runs/<run>/`` holds one Parquet object per snapshot, immutable, and the
catalog ``snapshots.duckdb``: views over them, and the metadata of all runs.
``.pipeline/snapshots.duckdb`` is a link to the newest catalog: replacing it is the one
step that publishes a run, so a crash before it leaves the previous run in place, and a
reader that has the old catalog open goes on reading the old objects.
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import SnapshotError

CATALOG = "snapshots.duckdb"

KEPT_RUNS = 3
"""Runs that stay, for readers that opened the catalog before the last one."""


@dataclass(frozen=True)
class Store:
    """The folder of a project's state."""

    folder: Path

    @property
    def catalog(self) -> Path:
        """The DuckDB file users open."""
        return self.folder / CATALOG

    @property
    def runs(self) -> Path:
        """One folder per run: its objects and its catalog."""
        return self.folder / "runs"

    @property
    def staging(self) -> Path:
        """Where a run writes before it is published."""
        return self.folder / "staging"


def open_store(root: Path) -> Store:
    """Return the store of a project, and make its folders.

    Raises
    ------
    SnapshotError
        If they cannot be made.
    """
    store = Store(root / ".pipeline")
    try:
        store.runs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(store, error) from error
    return store


def _cannot_write(store: Store, error: OSError) -> SnapshotError:
    """Say that the state's folder cannot be written."""
    return SnapshotError(
        f"{store.folder}: cannot be written\nfound: {error}\n"
        "hint: the pipeline keeps all its state there; make the folder writable"
    )


@contextmanager
def staged_run(store: Store) -> Generator[Path]:
    """Hold the writer's lock, and give an empty folder to write to.

    What is still in the folder at the end, or was left by a run that died, is removed.

    Raises
    ------
    SnapshotError
        If another run holds the lock.
    """
    lock = FileLock(store.folder / "lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise SnapshotError(
            f"{store.folder}: another run is writing\nhint: wait until it has ended"
        ) from error
    except OSError as error:
        raise _cannot_write(store, error) from error
    try:
        shutil.rmtree(store.staging, ignore_errors=True)
        store.staging.mkdir()
        yield store.staging
    finally:
        shutil.rmtree(store.staging, ignore_errors=True)
        lock.release()


def link_catalog(store: Store, catalog: Path) -> None:
    """Make a catalog the one users open, atomically."""
    link = store.folder / f"{CATALOG}.next"
    link.unlink(missing_ok=True)
    link.symlink_to(catalog.relative_to(store.folder.absolute()))
    link.replace(store.catalog)


def remove_old_runs(store: Store) -> None:
    """Remove all but the newest `KEPT_RUNS` runs, and those that died half-way."""
    published = sorted(run for run in store.runs.iterdir() if (run / CATALOG).exists())
    # The linked one stays even if the clock went back and it does not sort last.
    kept = {*published[-KEPT_RUNS:], store.runs / store.catalog.resolve().parent.name}
    for run in store.runs.iterdir():
        if run not in kept:
            shutil.rmtree(run)
