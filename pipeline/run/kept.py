"""Where a run keeps its parts until they are published, and what is left of others."""

import errno
import hashlib
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from pipeline.errors import SnapshotError
from pipeline.files.folder import Folder, open_folder
from pipeline.log import LOG
from pipeline.snapshots.retention import collect_garbage, garbage
from pipeline.snapshots.store import Store, read_runs, writing


def open_parts(store: Store, elsewhere: str | None, key: str) -> Folder:
    """Open the folder of a run's parts, and remove those of other work.

    The caller holds the store's lock. `elsewhere` is ``engine.folder``: by default they
    are in the store. `key` names what is computed.

    Raises
    ------
    SnapshotError
        If nothing can be written there.
    """
    if elsewhere:
        # Other projects may share the place, and would take our parts for theirs.
        project = hashlib.sha256(str(store.folder.absolute()).encode()).hexdigest()
        folder = open_folder(f"{elsewhere.rstrip('/')}/{key}-{project[:8]}")
    else:
        folder = open_folder((store.parts.absolute() / key).as_posix())
    if set(left_parts(store)) - {folder.uri}:
        LOG.info("removing what a run of other work, or in other parts, had finished")
        forget_parts(store, but=folder.uri)
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
        _note(store, {*_elsewhere(store), folder.uri})
    return folder


def left_parts(store: Store) -> list[str]:
    """List the folders of parts that are there, by their paths or addresses."""
    here = sorted(path.absolute().as_posix() for path in store.parts.glob("*"))
    return [*here, *_elsewhere(store)]


def forget_parts(store: Store, *, but: str | None = None) -> list[str]:
    """Remove what runs have finished part by part, and list it as `left_parts` does.

    One folder may be kept. What cannot be removed is left out, with a warning, and
    stays noted.
    """
    removed: list[str] = []
    for uri in left_parts(store):
        if uri == but:
            continue
        try:
            open_folder(uri).remove()
            removed.append(uri)
        except OSError as error:
            LOG.warning(
                "%s: cannot be removed: %s\nhint: `just gc` tries again", uri, error
            )
    _note(store, {*_elsewhere(store)} - {*removed})
    return removed


def clear_up(store: Store, *, dry_run: bool) -> list[Path | str]:
    """Remove what neither a kept run nor an open reader needs, and parts; list it."""
    with writing(store):
        runs = read_runs(store)
        if dry_run:
            return [*garbage(store, runs), *left_parts(store)]
        return [*collect_garbage(store, runs), *forget_parts(store)]


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


def _elsewhere(store: Store) -> list[str]:
    """Read where runs have left parts, if not in the store."""
    found = _own(store).read(store.parts_elsewhere.name)
    return found.decode().splitlines() if found else []


def _note(store: Store, uris: Collection[str]) -> None:
    """Keep where parts are, if not in the store."""
    if uris:
        content = "\n".join(sorted(uris)).encode()
        _own(store).write(content, store.parts_elsewhere.name)
    else:
        store.parts_elsewhere.unlink(missing_ok=True)


def _own(store: Store) -> Folder:
    """Return the store's folder as one that parts are kept in."""
    return Folder(store.folder.absolute().as_posix())
