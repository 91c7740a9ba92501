"""Trained models, their figures, studies and audits in a store that clones share.

Each goes by its fingerprint, as snapshots do, in text, JSON, Parquet, charts and pages:
what comes back in a file of any other kind is not looked at. It is held to its
fingerprint and to the hashes of its own record before it takes its place.
"""

import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import msgspec

from pipeline.errors import ModelError, SnapshotError
from pipeline.files.checksum import read_sealed
from pipeline.files.shared import Entry, Shared, blobs_of
from pipeline.log import LOG
from pipeline.modeling.records import all_trainings, read_evaluation
from pipeline.modeling.settings import ModelingSettings
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import Store, read_object

_KINDS = {".json", ".jsonl", ".txt", ".parquet", ".svg", ".html"}
"""Suffixes of what models are kept in: nothing that is run when it is read."""


class _Named(msgspec.Struct):
    """What an audit is of; the rest of its record is left out."""

    fingerprint: str


def model_key(model: str, fingerprint: str) -> str:
    """Name the entry of a trained model."""
    return f"models/{model}/{fingerprint}"


def figures_key(model: str, fingerprint: str) -> str:
    """Name the entry of what the test periods said of a model."""
    return f"evaluations/{model}/{fingerprint}"


def fetch(
    settings: ModelingSettings, key: str, target: Path, is_it: Callable[[Path], bool]
) -> bool:
    """Bring a file or a folder here that is not, or not whole; say whether it is now.

    `is_it` tells whether what came, still elsewhere, is what the key names.
    """
    shared = settings.pipeline.shared
    entry = shared.entry(key) if shared else None
    if shared is None or entry is None:
        return False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=".") as folder:
            found = Path(folder) / target.name
            fault = _fetch(shared, entry, found, is_it)
            if fault:
                shared.refuse(key, fault)
                return False
            if target.is_dir():
                shutil.rmtree(target)
            found.replace(target)
    except OSError as error:
        raise ModelError(f"{target}: cannot be written\nfound: {error}") from error
    LOG.info("fetched %s from %s", key.rpartition("/")[0], shared)
    return True


def push(settings: ModelingSettings, key: str, place: Path, without: str = "-") -> None:
    """Send a file or a folder there, if `store.push` says so; warn if it cannot be.

    A folder in it may be left out.
    """
    shared = settings.pipeline.shared
    if shared is None or not settings.pipeline.store.push:
        return
    try:
        send(shared, key, place, without)
    except SnapshotError as error:
        shared.warn_not_pushed(error)


def send_models(store: Store, shared: Shared, run: RunRecord) -> int:
    """Send what was learned from the snapshots of a run; say how many models went.

    A SnapshotError if the store cannot be written.
    """
    found = [read_object(store, *s.object) for s in run.snapshots]
    contents = {there.content_hash for there in found if there}
    n_sent = 0
    for folder, record in all_trainings(store.root):
        if record.run_id != run.run_id and record.features not in contents:
            continue
        model = record.model
        key = model_key(model, record.fingerprint)
        n_sent += send(shared, key, folder, without="evaluation")
        judged = read_evaluation(folder / "evaluation")
        if judged is not None:
            key = figures_key(model, judged.fingerprint)
            send(shared, key, folder / "evaluation")
        journal = store.studies / f"{record.study}.jsonl"
        if record.study and journal.exists():
            send(shared, f"studies/{record.study}", journal)
    for path in store.audits.glob("*.json"):
        if there := read_sealed(path, _Named):
            send(shared, f"audits/{there.fingerprint}", path)
    return n_sent


def send(shared: Shared, key: str, place: Path, without: str = "-") -> bool:
    """Send a file or a folder there, unless it is there; say if it went.

    Folders are named by what is in them; a study, a file, may have gone on.
    """
    paths = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
    base = place.parent if place.is_file() else place
    names = {path.relative_to(base).as_posix(): path for path in sorted(paths)}
    files = {
        name: path
        for name, path in names.items()
        if not name.startswith(f"{without}/") and PurePosixPath(name).suffix in _KINDS
    }
    there = shared.entry(key)
    is_same = there and (place.is_dir() or there.files == blobs_of(files))
    if there and is_same and shared.is_whole(there):
        return False
    shared.push(key, files, b"{}")
    return True


def _fetch(
    shared: Shared, entry: Entry, found: Path, is_it: Callable[[Path], bool]
) -> str:
    """Fetch a file, or a folder of files; say what is wrong, if anything."""
    if odd := [n for n in entry.files if PurePosixPath(n).suffix not in _KINDS]:
        return f"holds what no model is kept in: {odd[0]!a}"
    is_file = [*entry.files] == [found.name]
    if fault := shared.fetch(entry, found.parent if is_file else found):
        return fault
    return "" if is_it(found) else "is not what it is named for"
