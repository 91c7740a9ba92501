"""Fit a model to the training periods, and its intervals to the validation periods."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import msgspec

from pipeline.errors import some
from pipeline.files.checksum import write_sealed
from pipeline.files.commit import commit_of
from pipeline.files.manifest import hashes
from pipeline.log import LOG
from pipeline.modeling.audit.guard import learnable_features
from pipeline.modeling.candidates import candidates
from pipeline.modeling.data import Features, parts, spans_of
from pipeline.modeling.fit.loss import Metric, mean_error
from pipeline.modeling.occurrence import calibrated
from pipeline.modeling.predictor import (
    features_of,
    fit_occurrence_of,
    fit_predictor,
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
from pipeline.modeling.settings import (
    ModelConfig,
    Modeling,
    ModelingSettings,
    plain,
)
from pipeline.modeling.shared import fetch, model_key, push
from pipeline.modeling.tracking.tracking import (
    Figures,
    is_logged,
    log_evaluation,
    log_training,
)
from pipeline.modeling.training import Training
from pipeline.modeling.tune import best_params, has_other_study
from pipeline.plan.code import code_hashes
from pipeline.progress import doing

MODULE = "pipeline/modeling/train.py"


def train(settings: ModelingSettings, model: str) -> Training:
    """Train a model, unless the same one is there.

    Its parameters are the best of its study on these features, or else the YAML's; a
    warning says so if it has a study that is out of date. One whose run MLflow has lost
    is logged again. If the features do not suit the model, nothing is kept.
    """
    return train_on(settings, model, learnable_features(settings))


def train_on(settings: ModelingSettings, model: str, features: Features) -> Training:
    """Train a model on features that are up to date; see `train`."""
    config, study = best_params(settings, model, features)
    if study is None and has_other_study(settings, model, features):
        LOG.warning(
            f"{model}: parameters of the YAML, as its study is of other data, settings"
            f" or code; `just tune {model}` repeats it"
        )
    return train_as(settings, features, model, config, study)


def train_windows(
    settings: ModelingSettings, newest: Training, windows: Sequence[Modeling]
) -> list[Training]:
    """Train the recipe of a model for each window, the newest of which it is.

    Parameters are its own, whatever a study of the older window's periods would choose.
    See `pipeline.modeling.data.windows_of`, and `refit` of the settings.
    """
    record, older = newest.record, windows[1:]
    refit = settings.modeling.backtest.refit
    trained = [
        train_as(
            replace(settings, modeling=window),
            newest.features,
            record.model,
            newest.config,
            record.study,
        )
        for window in (older if refit else older[-1:])
    ]
    return [newest, *(trained if refit else trained * len(older))]


def train_as(
    settings: ModelingSettings,
    features: Features,
    model: str,
    config: ModelConfig,
    study: str | None,
) -> Training:
    """Fit a model with these parameters, unless the same one is there."""
    wanted = training_fingerprint(features, config, settings)
    folder = model_folder(settings.root, model, wanted)
    there = read_training(folder) or _fetched(settings, model, wanted)
    if there is None:
        LOG.info(f"training {model}, parameters of {study or 'the YAML'}")
        with doing(f"training {model}"):
            record = _fit(settings, features, model, config, study)
        push(settings, model_key(model, wanted), folder, without="evaluation")
    elif not is_logged(settings.root, there.mlflow_run):
        record = _log_again(settings, features, there)
    else:
        return Training(folder, there, features, is_new=False, is_logged=False)
    return Training(folder, record, features, is_new=there is None, is_logged=True)


def _fetched(
    settings: ModelingSettings, model: str, wanted: str
) -> TrainingRecord | None:
    """Take a model from there, if it is, as it was made."""

    def is_it(folder: Path) -> bool:
        record = read_training(folder)
        return record is not None and record.fingerprint == wanted

    folder = model_folder(settings.root, model, wanted)
    is_here = fetch(settings, model_key(model, wanted), folder, is_it)
    return read_training(folder) if is_here else None


def _fit(
    settings: ModelingSettings,
    features: Features,
    model: str,
    config: ModelConfig,
    study: str | None,
) -> TrainingRecord:
    """Fit a model, and put it into its folder."""
    modeling = settings.modeling
    wanted = training_fingerprint(features, config, settings)
    df = features.read(modeling)
    spans = spans_of(df, modeling)
    train_rows, valid_rows, _ = parts(df, modeling)
    started_at, started = datetime.now(UTC), time.perf_counter()
    predictor = fit_predictor(train_rows, valid_rows, config, modeling)
    taken = predictor.record.schema.dtypes
    if left := [name for name in features_of(df, modeling) if name not in taken]:
        LOG.info(f"{model}: takes no labels, and goes without {some(left)}")
    if config.occurrence is not None:
        seen, unseen = (
            candidates(settings, features, rows[modeling.time].unique().sort())
            for rows in (train_rows, valid_rows)
        )
        fitted = fit_occurrence_of(seen, config, modeling)
        predictor = replace(predictor, occurrence=calibrated(fitted, unseen))
    fit_s = time.perf_counter() - started
    y = target_of(valid_rows, modeling.target)
    error = y - predictor.point(valid_rows)
    with new_folder(model_folder(settings.root, model, wanted)) as partial:
        (partial / "predictor").mkdir()
        predictor.save(partial / "predictor")
        record = TrainingRecord(
            format=FORMAT,
            model=model,
            fingerprint=wanted,
            created_at=started_at,
            fit_s=fit_s,
            features=features.fingerprint,
            on_trust=features.on_trust,
            run_id=features.run_id,
            config=plain(config),
            study=study,
            modeling=plain(modeling),
            spans=spans.written(),
            unused=[str(time) for time in spans.unused],
            n_rows={"train": train_rows.height, "valid": valid_rows.height},
            metrics={metric: mean_error(error, metric) for metric in get_args(Metric)},
            versions=versions(config.kinds),
            code=_fingerprint_of_code(settings.root),
            commit=commit_of(settings.root),
            files=hashes(partial / "predictor"),
            mlflow_run="",
        )
        run = log_training(settings, record, features.path)
        record = msgspec.structs.replace(record, mlflow_run=run)
        write_sealed(partial / "training.json", record)
    return record


def training_fingerprint(
    features: Features, config: ModelConfig, settings: ModelingSettings
) -> str:
    """Hash all that decides what a trained model is."""
    modeling = settings.modeling
    what = (modeling.key, modeling.target, modeling.past)
    how = (modeling.coverage, modeling.seed)
    split = plain(modeling.split)
    if not modeling.split.is_counted:
        del split["test"]
    fitted = msgspec.structs.replace(config, space={})
    parts = (features.fingerprint, plain(fitted), what, how, split)
    return fingerprint(MODULE, *parts, kinds=config.kinds)


def _log_again(
    settings: ModelingSettings, features: Features, record: TrainingRecord
) -> TrainingRecord:
    """Tell MLflow of a training that it has lost, and how it was judged."""
    folder = model_folder(settings.root, record.model, record.fingerprint)
    run = log_training(settings, record, features.path)
    judged = read_evaluation(folder / "evaluation")
    if judged is not None:
        figures = Figures(judged.metrics, judged.windows)
        log_evaluation(settings, run, figures, folder / "evaluation")
    # Last, so that after a kill all of it is done again.
    again = msgspec.structs.replace(record, mlflow_run=run)
    write_sealed(folder / "training.json", again)
    return again


def _fingerprint_of_code(root: Path) -> str:
    """Hash all modules of package and project."""
    code = sorted(code_hashes(root).items())
    return hashlib.sha256(str(code).encode()).hexdigest()[:16]
