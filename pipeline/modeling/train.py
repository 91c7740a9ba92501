"""Fit a model to the training years, and its intervals to the validation year."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path
from typing import Any, cast, get_args

import msgspec

from pipeline.files.checksum import write_sealed
from pipeline.files.manifest import hashes
from pipeline.log import LOG
from pipeline.modeling.audit.guard import learnable_features
from pipeline.modeling.data import Features, train_and_valid
from pipeline.modeling.fit.loss import Metric, mean_error
from pipeline.modeling.predictor import (
    Predictor,
    fit_predictor,
    load_predictor,
    target_of,
)
from pipeline.modeling.records import (
    FORMAT,
    TrainingRecord,
    fingerprint,
    model_folder,
    new_folder,
    read_evaluation,
    read_training,
    versions,
)
from pipeline.modeling.settings import ModelConfig, ModelingSettings, plain
from pipeline.modeling.tracking.tracking import is_logged, log_evaluation, log_training
from pipeline.modeling.tune import best_params, has_other_study
from pipeline.plan.code import code_hashes

MODULE = "pipeline/modeling/train.py"


@dataclass(frozen=True)
class Training:
    """A trained model, and what it learned from."""

    folder: Path
    record: TrainingRecord
    features: Features
    is_new: bool
    is_logged: bool
    """MLflow was told of it just now: it is new, or its run was lost."""

    def load(self) -> Predictor:
        """Read the model."""
        return load_predictor(self.folder / "predictor")


def train(settings: ModelingSettings, model: str) -> Training:
    """Train a model, unless the same one is there.

    Its parameters are the best of its study on these features, or else the YAML's; a
    warning says so if it has a study that is out of date. One whose run MLflow has lost
    is logged again.

    Raises
    ------
    PipelineError
        If the features cannot be made, or do not suit the model; nothing is kept then.
    """
    started_at = datetime.now(UTC)
    features = learnable_features(settings)
    config, study = best_params(settings, model, features)
    if study is None and has_other_study(settings, model, features):
        LOG.warning(
            f"{model}: parameters of the YAML, as its study is of other data, settings"
            f" or code; `just tune {model}` repeats it"
        )
    modeling = settings.modeling
    wanted = training_fingerprint(features, config, settings)
    folder = model_folder(settings.root, model, wanted)
    there = read_training(folder)
    if there is not None:
        if is_logged(settings.root, there.mlflow_run):
            return Training(folder, there, features, is_new=False, is_logged=False)
        again = _log_again(settings, folder, there, features)
        return Training(folder, again, features, is_new=False, is_logged=True)

    LOG.info(f"training {model}, parameters of {study or 'the YAML'}")
    df = features.read(modeling)
    train_rows, valid_rows = train_and_valid(df, modeling)
    predictor = fit_predictor(
        train_rows, valid_rows, config, modeling, n_threads=cpu_count() or 1
    )
    y = target_of(valid_rows, modeling.target)
    error = y - predictor.predict(valid_rows)["prediction"].to_numpy()
    metrics = {metric: mean_error(error, metric) for metric in get_args(Metric)}
    with new_folder(folder) as partial:
        (partial / "predictor").mkdir()
        predictor.save(partial / "predictor")
        record = TrainingRecord(
            format=FORMAT,
            model=model,
            fingerprint=wanted,
            created_at=started_at,
            features=features.fingerprint,
            run_id=features.run_id,
            config=plain(config),
            study=study,
            modeling=plain(modeling),
            n_rows={"train": train_rows.height, "valid": valid_rows.height},
            metrics=metrics,
            versions=versions(),
            code=_fingerprint_of_code(),
            files=hashes(partial / "predictor"),
            mlflow_run="",
        )
        record = _logged(settings, record, features)
        write_sealed(partial / "training.json", record)
    return Training(folder, record, features, is_new=True, is_logged=True)


def training_fingerprint(
    features: Features, config: ModelConfig, settings: ModelingSettings
) -> str:
    """Hash all that decides what a trained model is."""
    modeling = settings.modeling
    what = (modeling.key, modeling.target, modeling.past)
    how = (modeling.coverage, modeling.seed)
    years = (modeling.split.train, modeling.split.valid)
    fitted = msgspec.structs.replace(config, space={})
    parts = (features.fingerprint, plain(fitted), what, how, years)
    return fingerprint(MODULE, *parts, kinds=[config.kind])


def _logged(
    settings: ModelingSettings, record: TrainingRecord, features: Features
) -> TrainingRecord:
    """Tell MLflow of a training, and note the run in its record."""
    tags = {
        "snapshot_fingerprint": record.features,
        "pipeline_run": record.run_id,
        "code": record.code,
        **{f"version.{name}": value for name, value in record.versions.items()},
        **({"study": record.study} if record.study else {}),
    }
    mlflow_run = log_training(
        settings,
        model=record.model,
        fingerprint=record.fingerprint,
        dataset={
            "name": settings.modeling.features,
            "digest": record.features,
            "source": str(features.path),
        },
        params=_flat({"model": record.config, "split": record.modeling["split"]}),
        tags=tags,
        metrics={f"valid_{key}": value for key, value in record.metrics.items()},
        started_at=record.created_at,
    )
    return msgspec.structs.replace(record, mlflow_run=mlflow_run)


def _log_again(
    settings: ModelingSettings,
    folder: Path,
    record: TrainingRecord,
    features: Features,
) -> TrainingRecord:
    """Tell MLflow of a training that it has lost, and how it was judged."""
    again = _logged(settings, record, features)
    evaluation = folder / "evaluation"
    judged = read_evaluation(evaluation)
    if judged is not None:
        log_evaluation(settings, again.mlflow_run, judged.metrics, evaluation)
    # Last, so that after a kill all of it is done again.
    write_sealed(folder / "training.json", again)
    return again


def _fingerprint_of_code() -> str:
    """Hash all modules of the project."""
    return hashlib.sha256(str(sorted(code_hashes().items())).encode()).hexdigest()[:16]


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name the leaves of nested mappings by their dotted paths."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(cast("dict[str, Any]", value), f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
