"""Trained models in the store: one folder each, written once, named by fingerprint.

Below ``.pipeline/models/<model>/<fingerprint>/``::

    training.json    what it was made of; written with all below
    predictor/       the model
    evaluation/      figures on the test periods, charts and the card
"""

import hashlib
import shutil
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pipeline.errors import ModelError
from pipeline.files.checksum import read_sealed
from pipeline.files.manifest import changes, manifest_changes
from pipeline.files.state import State
from pipeline.log import LOG
from pipeline.modeling.models import libraries_of
from pipeline.plan.code import hash_of_meaning, imports_of, source_of

FORMAT = 4
"""Counts the changes to these records; those of another format are not read."""

LIBRARIES = ("numpy", "polars")
"""Whose versions change what comes out, besides those of a kind of model."""


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A trained model."""

    format: int
    model: str
    fingerprint: str
    """Of features, configuration, code and versions."""
    created_at: datetime
    """When fitting began."""
    fit_s: float
    """Seconds of fitting it, its intervals included."""
    features: str
    """Fingerprint of the snapshot it learned from, which `run_id` published."""
    on_trust: tuple[str, ...] = ()
    """What of the features no audit proves, in words."""
    run_id: str
    config: dict[str, Any]
    """The model's configuration; its ``params`` are those it was fitted with."""
    study: str | None
    """The study the parameters were found by; None: they are the YAML's."""
    modeling: dict[str, Any]
    """``configs/modeling.yaml`` as it was resolved."""
    spans: dict[str, list[str]]
    """First and last period of ``train``, ``valid`` and ``test``."""
    unused: list[str]
    """Periods of the features that are in none of these."""
    n_rows: dict[str, int]
    """Of ``train`` and ``valid``."""
    metrics: dict[str, float]
    """On the validation periods, with which the intervals were calibrated."""
    versions: dict[str, str]
    code: str
    """Hash of all modules of the project."""
    commit: str | None
    """Of the project's git repository, with ``-dirty`` if files differ from it."""
    files: dict[str, str]
    """Hashes of the files of ``predictor``."""
    mlflow_run: str
    """Where it is tracked; written anew if MLflow's store was lost."""


def span(ends: Sequence[str]) -> str:
    """Write a span of periods."""
    first, last = ends
    return first if first == last else f"{first} to {last}"


class EvaluationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the test periods said of a model; the figures are beside it, as Parquet."""

    format: int
    fingerprint: str
    created_at: datetime
    n_rows: int
    predict_s: float
    """Seconds of predicting these rows, with intervals."""
    metrics: dict[str, float]
    windows: list[dict[str, float]] = []
    """Likewise by window of the backtest, the oldest first; none if it is one."""
    files: dict[str, str]
    """Hashes of all that is beside it."""


_ROOM = "pipeline/modeling/"

_Record = TypeVar("_Record", TrainingRecord, EvaluationRecord)


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
    return _read_whole(path, TrainingRecord, "predictor", "the model is trained again")


def read_evaluation(folder: Path) -> EvaluationRecord | None:
    """Read the record of an evaluation that is whole; say so if it is not."""
    path = folder / "evaluation.json"
    return _read_whole(path, EvaluationRecord, "", "the model is evaluated again")


def damaged_models(root: Path) -> list[str]:
    """Say what of models, evaluations, bundles and forecasts is not as it was made."""
    state = State(root)
    models, artifacts = state.models, state.artifacts
    evaluations = (
        *models.glob("*/*/evaluation/evaluation.json"),
        *artifacts.glob("*/artifacts/evaluation/evaluation.json"),
    )
    faults: list[tuple[Path, str]] = []
    for path in models.glob("*/*/training.json"):
        _, found = _read_with_faults(path, TrainingRecord, "predictor")
        faults += [(path, fault) for fault in found]
    for path in evaluations:
        _, found = _read_with_faults(path, EvaluationRecord, "")
        faults += [(path, fault) for fault in found]
    sealed = (
        *artifacts.glob("models/*/artifacts/MLmodel"),
        *state.forecasts.glob("*/[!.]*/forecast.json"),
    )
    for path in sealed:
        faults += [(path, fault) for fault in manifest_changes(path.parent)]
    return [f"{path.parent}: {fault}" for path, fault in sorted(faults)]


def _read_with_faults(
    path: Path, type_: type[_Record], below: str
) -> tuple[_Record | None, list[str]]:
    """Read a record that lists files, and say what of them is not as it was made."""
    record = read_record(path, type_)
    if record is None:
        return None, ["its record cannot be read"]
    return record, changes(path.parent / below, record.files)


def _read_whole(
    path: Path, type_: type[_Record], below: str, remedy: str
) -> _Record | None:
    """Read a record if it is there and nothing is wrong with it."""
    if not path.is_file():
        return None
    record, faults = _read_with_faults(path, type_, below)
    if not faults:
        return record
    fault = "; ".join(faults) if record else f"{path.name} cannot be read"
    LOG.warning("%s: %s: %s when it is asked for", path.parent, fault, remedy)
    return None


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
    """Yield an empty folder that becomes `target` if the block ends well."""
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
    """Hash plain values with the code that makes something of them.

    What `module` (``pipeline/modeling/train.py``) imports of modelling counts, too, but
    for comments and docstrings; the rest of the project shows in the features. The
    kinds of model that are used are imported by name, which no import statement shows;
    other kinds do not count.
    """
    code = _code_of(module, frozenset(kinds))
    encoded = msgspec.json.encode([parts, code, versions(kinds)], order="sorted")
    return hashlib.sha256(encoded).hexdigest()


@cache
def _code_of(module: str, kinds: frozenset[str]) -> dict[str, str]:
    """Hash modules and what they import of modelling."""
    modules = [module, *(f"pipeline/modeling/models/{kind}.py" for kind in kinds)]
    # Through other rooms only `pipeline/__init__` leads back, which names all of it.
    used = {name for root in modules for name in imports_of(root, in_=_ROOM)}
    return {name: hash_of_meaning(source_of(name)) for name in sorted(used)}


def versions(kinds: Collection[str]) -> dict[str, str]:
    """Return the versions of the libraries that change what comes out of some kinds."""
    libraries = {*LIBRARIES, *(name for kind in kinds for name in libraries_of(kind))}
    return {name: version(name) for name in sorted(libraries)}
