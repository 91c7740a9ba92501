"""Trained models in the store: one folder each, written once, named by fingerprint.

Below ``.pipeline/models/<model>/<fingerprint>/``::

    training.json    what it was made of; written with all below
    predictor/       the model
    evaluation/      figures on the test years, charts and the card
"""

import hashlib
import shutil
from collections.abc import Collection, Generator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pipeline.errors import ModelError
from pipeline.files.checksum import read_sealed, seal
from pipeline.files.manifest import changes, manifest_changes
from pipeline.files.state import State
from pipeline.log import LOG
from pipeline.plan.code import imports_of, meaning_of, source_of

FORMAT = 2
"""Counts the changes to these records; those of another format are not read."""

LIBRARIES = ("lightgbm", "numpy", "polars", "scikit-learn")
"""Whose versions change what comes out."""


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A trained model.

    Attributes
    ----------
    fingerprint : str
        Of features, configuration, code and versions.
    features : str
        Fingerprint of the snapshot it learned from, which `run_id` published.
    config : dict
        The model's configuration; its ``params`` are those it was fitted with.
    study : str or None
        The study the parameters were found by; None: they are the YAML's.
    modeling : dict
        ``configs/modeling.yaml`` as it was resolved.
    n_rows : dict of str to int
        Of ``train`` and ``valid``.
    metrics : dict of str to float
        On the validation year, with which the intervals were calibrated.
    code : str
        Hash of all modules of the project.
    files : dict of str to str
        Hashes of the files of ``predictor``.
    mlflow_run : str
        Where it is tracked; written anew if MLflow's store was lost.
    """

    format: int
    model: str
    fingerprint: str
    created_at: datetime
    features: str
    run_id: str
    config: dict[str, Any]
    study: str | None
    modeling: dict[str, Any]
    n_rows: dict[str, int]
    metrics: dict[str, float]
    versions: dict[str, str]
    code: str
    files: dict[str, str]
    mlflow_run: str


class EvaluationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the test years said of a model; the figures are beside it, as Parquet.

    Attributes
    ----------
    files : dict of str to str
        Hashes of all that is beside it.
    """

    format: int
    fingerprint: str
    created_at: datetime
    n_rows: int
    metrics: dict[str, float]
    files: dict[str, str]


class GuardRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `pipeline.modeling.audit.guard` has found: a line per column that leaks."""

    format: int
    fingerprint: str
    leaks: list[str]


_Record = TypeVar("_Record", TrainingRecord, EvaluationRecord, GuardRecord)


def model_folder(root: Path, model: str, fingerprint: str) -> Path:
    """Name the folder of a trained model."""
    return State(root).models / model / fingerprint[:16]


def read_record(path: Path, type_: type[_Record]) -> _Record | None:
    """Read a record; None if there is none of this format, or it is damaged."""
    record = read_sealed(path, type_)
    return record if record and record.format == FORMAT else None


def read_training(folder: Path) -> TrainingRecord | None:
    """Read the record of a trained model that is whole; say so if it is not."""
    path = folder / "training.json"
    record = read_record(path, TrainingRecord)
    faults = record and changes(folder / "predictor", record.files)
    return _whole(path, record, faults, "the model is trained again")


def read_evaluation(folder: Path) -> EvaluationRecord | None:
    """Read the record of an evaluation that is whole; say so if it is not."""
    path = folder / "evaluation.json"
    record = read_record(path, EvaluationRecord)
    faults = record and changes(folder, record.files)
    return _whole(path, record, faults, "the model is evaluated again")


def damaged_models(root: Path) -> list[str]:
    """Say which files of models, evaluations and bundles are not as they were made."""
    state = State(root)
    models, artifacts = state.models, state.artifacts
    faults: list[tuple[Path, str]] = []
    for path in models.glob("*/*/training.json"):
        record = read_record(path, TrainingRecord)
        found = record and changes(path.parent / "predictor", record.files)
        faults += [(path, fault) for fault in _listed(found)]
    for path in (
        *models.glob("*/*/evaluation/evaluation.json"),
        *artifacts.glob("*/artifacts/evaluation/evaluation.json"),
    ):
        judged = read_record(path, EvaluationRecord)
        found = judged and changes(path.parent, judged.files)
        faults += [(path, fault) for fault in _listed(found)]
    for path in artifacts.glob("models/*/artifacts/MLmodel"):
        found = manifest_changes(path.parent)
        faults += [(path, fault) for fault in found]
    return [f"{path.parent}: {fault}" for path, fault in sorted(faults)]


def _listed(faults: list[str] | None) -> list[str]:
    """Take a record that cannot be read for a fault."""
    return ["its record cannot be read"] if faults is None else faults


def _whole(
    path: Path, record: _Record | None, faults: list[str] | None, remedy: str
) -> _Record | None:
    """Give the record if nothing is wrong with it."""
    if record is None and not path.is_file():
        return None
    fault = f"{path.name} cannot be read" if record is None else ""
    fault = "; ".join(faults or []) or fault
    if fault:
        LOG.warning("%s: %s: %s when it is asked for", path.parent, fault, remedy)
        return None
    return record


def write_record(path: Path, record: msgspec.Struct) -> None:
    """Write a record whole or not at all, with its checksum."""
    partial = path.with_name(f"{path.name}.next")
    partial.write_bytes(seal(msgspec.json.encode(record)))
    partial.replace(path)


def all_trainings(root: Path) -> list[tuple[Path, TrainingRecord]]:
    """List all trained models with their folders, the oldest first."""
    found = [
        (path.parent, record)
        for path in State(root).models.glob("*/*/training.json")
        if (record := read_training(path.parent))
    ]
    return sorted(found, key=lambda pair: (pair[1].created_at, pair[1].fingerprint))


@contextmanager
def new_folder(target: Path) -> Generator[Path]:
    """Yield an empty folder that becomes `target` if the block ends well.

    Raises
    ------
    ModelError
        If the folder cannot be written; `target` is as it was then.
    """
    partial = target.with_name(f".{target.name}.next")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)
    except OSError as error:
        raise ModelError(f"{target}: cannot be written\nfound: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def fingerprint(module: str, *parts: Any, kinds: Collection[str]) -> str:
    """Hash values with the code that makes something of them.

    Parameters
    ----------
    module : str
        The module that does, as ``pipeline/modeling/train.py``; what it imports of
        modelling counts, too, but for comments and docstrings. The rest of the project
        shows in the features.
    *parts : Any
        Plain values.
    kinds : collection of str
        The kinds of model that are used. They are imported by name, which no import
        statement shows; other kinds do not count.
    """
    code = _code_of(module, frozenset(kinds))
    encoded = msgspec.json.encode([parts, code, versions()], order="sorted")
    return hashlib.sha256(encoded).hexdigest()


@cache
def _code_of(module: str, kinds: frozenset[str]) -> dict[str, str]:
    """Hash modules and what they import of modelling; it takes a quarter second."""
    modules = [module, *(f"pipeline/modeling/models/{kind}.py" for kind in kinds)]
    used = {name for root in modules for name in imports_of(root)}
    return {
        name: hashlib.sha256(meaning_of(source_of(name)).encode()).hexdigest()[:16]
        for name in sorted(used)
        if "/modeling/" in name
    }


def versions() -> dict[str, str]:
    """Return the versions of the libraries that change what comes out."""
    return {name: version(name) for name in LIBRARIES}
