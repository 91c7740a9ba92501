"""Where a run keeps its parts until they are published, and what is left of others."""

import errno
import os
import shutil
from pathlib import Path

from pipeline.errors import SnapshotError
from pipeline.log import LOG
from pipeline.parts.folder import Folder, open_folder
from pipeline.snapshots.store import Store

_ELSEWHERE = "parts.txt"


def open_parts(store: Store, elsewhere: str | None, key: str) -> Folder:
    """Open the folder of a run's parts, and remove those of other work.

    Parameters
    ----------
    store : Store
        The caller holds its lock.
    elsewhere : str or None
        ``engine.folder``; by default they are in the store.
    key : str
        Names what is computed.

    Raises
    ------
    SnapshotError
        If nothing can be written there.
    """
    place = elsewhere or store.parts.absolute().as_posix()
    folder = open_folder(f"{place.rstrip('/')}/{key}")
    if set(left_parts(store)) - {folder.uri}:
        LOG.info("removing what a run of other work, or in other parts, had finished")
        forget_parts(store)
    try:
        folder.write(b"", "begun")
    except OSError as error:
        setting = "engine.folder" if elsewhere else "the parts' folder"
        raise SnapshotError(
            f"{setting}: {folder.uri} cannot be written\n"
            f"found: {describe(error, folder.uri)}\n"
            f"hint: {'make room' if is_full(error) else 'make it writable'};"
            " engine.folder=/another/path puts the parts elsewhere, and"
            " s3://bucket/prefix takes the bucket and credentials of the environment"
            " (AWS_ACCESS_KEY_ID ...)"
        ) from error
    if elsewhere:
        _own(store).write(folder.uri.encode(), _ELSEWHERE)
    return folder


def left_parts(store: Store) -> list[str]:
    """List the folders of parts that are there, by their paths or addresses."""
    here = sorted(path.absolute().as_posix() for path in store.parts.glob("*"))
    elsewhere = _elsewhere(store)
    return here if elsewhere is None else [*here, elsewhere]


def forget_parts(store: Store) -> list[str]:
    """Remove what runs have finished part by part, and list it as `left_parts` does.

    What lies elsewhere and cannot be removed is left out, with a warning.
    """
    left, elsewhere = left_parts(store), _elsewhere(store)
    shutil.rmtree(store.parts, ignore_errors=True)
    if elsewhere is None:
        return left
    note = store.folder / _ELSEWHERE
    try:
        open_folder(elsewhere).remove()
        note.unlink()
    except OSError as error:
        LOG.warning(
            "%s: cannot be removed: %s; `just gc` tries again, or remove it and"
            " then %s",
            left.pop(),
            error,
            note,
        )
    return left


def is_full(error: Exception) -> bool:
    """Tell whether a disk is full; Polars has errors of its own for that."""
    return os.strerror(errno.ENOSPC) in str(error)


def describe(error: Exception, *places: str) -> str:
    """Say what went wrong, and of a full disk how much room each place has."""
    lines = [str(error)]
    disks: dict[int, Path] = {}
    for place in places:
        if is_full(error) and "://" not in place:
            path = next(p for p in (Path(place), *Path(place).parents) if p.exists())
            disks.setdefault(path.stat().st_dev, path)
    for path in disks.values():
        free = shutil.disk_usage(path).free
        lines.append(f"{free / 1e6:,.1f} MB are free at {path}")
    return "\n".join(lines)


def _elsewhere(store: Store) -> str | None:
    """Read where a run's parts are, if not in the store."""
    found = _own(store).read(_ELSEWHERE)
    return None if found is None else found.decode()


def _own(store: Store) -> Folder:
    """Return the store's folder as one that parts are kept in."""
    return Folder(store.folder.absolute().as_posix())
