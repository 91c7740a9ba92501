"""Judge a trained model on the test years, once, against the baselines."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from pipeline.files.checksum import write_sealed
from pipeline.files.manifest import hashes
from pipeline.files.parquet import read_parquet
from pipeline.modeling.data import between, train_and_valid
from pipeline.modeling.judge.comparison import compare
from pipeline.modeling.judge.metrics import measure
from pipeline.modeling.judge.slices import add_slices, resampling_of
from pipeline.modeling.predictor import fit_predictor, target_of
from pipeline.modeling.records import (
    FORMAT,
    EvaluationRecord,
    fingerprint,
    new_folder,
    read_evaluation,
)
from pipeline.modeling.registry.registry import version_in
from pipeline.modeling.settings import ModelingSettings, plain
from pipeline.modeling.tracking.tracking import log_evaluation, tracking
from pipeline.modeling.train import Training, train
from pipeline.modeling.tune import model_config, trials_of

MODULE = "pipeline/modeling/evaluate.py"


@dataclass(frozen=True)
class Evaluation:
    """What the test years say of a model."""

    training: Training
    folder: Path
    """Where the tables, the charts and the card are."""
    record: EvaluationRecord
    """The figures over all test rows."""
    is_new: bool

    def table(self, name: str) -> pl.DataFrame:
        """Read ``predictions``, ``evaluation`` or ``comparison``."""
        return read_parquet(self.folder / f"{name}.parquet")


def evaluate(settings: ModelingSettings, model: str) -> Evaluation:
    """Judge a model on the test years, unless it has been; trains it if need be."""
    training = train(settings, model)
    modeling = settings.modeling
    folder = training.folder / "evaluation"
    wanted = _fingerprint(training, settings)
    there = read_evaluation(folder)
    if there is not None and there.fingerprint == wanted:
        return Evaluation(training, folder, there, is_new=False)

    from pipeline.modeling.card.card import Card, write_card
    from pipeline.modeling.card.explain import explain

    df = training.features.read(modeling)
    test = between(df, modeling, *modeling.split.test)
    predictions = _predictions(settings, training, df, test)
    how = resampling_of(modeling)
    tables = {
        "predictions": predictions,
        "evaluation": measure(predictions, how, coverage=modeling.coverage),
        "comparison": compare(
            predictions, model, modeling.metric, how, key=modeling.key
        ),
        **explain(
            training.load(),
            test,
            target_of(test, modeling.target),
            settings.bases,
            metric=modeling.metric,
            seed=modeling.seed,
        ),
    }
    overall = tables["evaluation"].filter(model=model, slice_by="all")
    metrics = dict(overall.select("metric", "value").drop_nulls().iter_rows())
    with tracking(settings) as store:
        version = version_in(store, settings, training.record.fingerprint)
    card = Card(
        modeling=modeling,
        record=training.record,
        source=str(settings.pipeline.tree["source"]["kind"]),
        registered=version and version.number,
        trials=trials_of(settings, training.record.study),
        **{**tables, "predictions": predictions.filter(model=model)},
    )
    with new_folder(folder) as partial:
        for name, table in tables.items():
            table.write_parquet(partial / f"{name}.parquet")
        write_card(card, partial)
        record = EvaluationRecord(
            format=FORMAT,
            fingerprint=wanted,
            created_at=datetime.now(UTC),
            n_rows=test.height,
            metrics=metrics,
            files=hashes(partial),
        )
        write_sealed(partial / "evaluation.json", record)
        log_evaluation(settings, training.record.mlflow_run, metrics, partial)
    return Evaluation(training, folder, record, is_new=True)


def _predictions(
    settings: ModelingSettings,
    training: Training,
    df: pl.DataFrame,
    test: pl.DataFrame,
) -> pl.DataFrame:
    """Lay what all models predict beside keys, slices and outcomes."""
    modeling = settings.modeling
    years = train_and_valid(df, modeling)
    predictors = {training.record.model: training.load()}
    for name in modeling.baselines:
        if name not in predictors:
            config = model_config(settings, name)
            predictors[name] = fit_predictor(*years, config, modeling)
    columns = dict.fromkeys([*modeling.key, *resampling_of(modeling).slices])
    y = pl.Series("y", target_of(test, modeling.target))
    rows = add_slices(test, modeling).select(*columns, y)
    return pl.concat(
        rows.select(pl.lit(name).alias("model"), pl.all()).hstack(
            predictor.predict(test)
        )
        for name, predictor in predictors.items()
    )


def _fingerprint(training: Training, settings: ModelingSettings) -> str:
    """Hash all that decides what an evaluation says."""
    modeling = settings.modeling
    baselines = [model_config(settings, name) for name in modeling.baselines]
    what = [modeling.name, modeling.split.test, modeling.cluster, modeling.metric]
    how = [modeling.coverage, modeling.seed]
    slices = [plain(modeling.slices), plain(modeling.bootstrap)]
    of_card = [training.record.study, settings.bases]
    parts = ([plain(config) for config in baselines], what, how, slices, of_card)
    kinds = [config.kind for config in baselines]
    return fingerprint(MODULE, training.record.fingerprint, *parts, kinds=kinds)
