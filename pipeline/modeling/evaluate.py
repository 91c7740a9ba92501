"""Judge a trained model on the test years, once, against the baselines."""

from dataclasses import dataclass
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path

import polars as pl

from pipeline.files.manifest import hashes
from pipeline.files.parquet import read_parquet
from pipeline.modeling.data import between
from pipeline.modeling.judge.comparison import compare
from pipeline.modeling.judge.metrics import evaluate as measure
from pipeline.modeling.judge.slices import SIZE_DECILE, add_size_decile, severity_mix
from pipeline.modeling.predictor import fit_predictor, target_of
from pipeline.modeling.records import (
    FORMAT,
    EvaluationRecord,
    fingerprint,
    new_folder,
    read_evaluation,
    write_record,
)
from pipeline.modeling.settings import Modeling, ModelingSettings, plain
from pipeline.modeling.tracking.tracking import log_evaluation
from pipeline.modeling.train import Training, train
from pipeline.modeling.tune import model_config

MODULE = "pipeline/modeling/evaluate.py"

SEVERITY = "severity"
"""The slices by the share of severe cases: low, mid and high."""


@dataclass(frozen=True)
class Evaluation:
    """What the test years say.

    Attributes
    ----------
    training : Training
        The model that was judged.
    folder : Path
        Where the tables, the charts and the card are.
    record : EvaluationRecord
        The figures over all test rows.
    is_new : bool
        False if it was there.
    """

    training: Training
    folder: Path
    record: EvaluationRecord
    is_new: bool

    def table(self, name: str) -> pl.DataFrame:
        """Read ``predictions``, ``evaluation`` or ``comparison``."""
        return read_parquet(self.folder / f"{name}.parquet")


def evaluate(settings: ModelingSettings, model: str) -> Evaluation:
    """Judge a model on the test years, unless it has been; trains it if need be.

    Raises
    ------
    PipelineError
        If it cannot be trained, or there are no rows in the test years.
    """
    training = train(settings, model)
    modeling = settings.modeling
    folder = training.folder / "evaluation"
    wanted = _fingerprint(training, settings)
    there = read_evaluation(folder)
    if there is not None and there.fingerprint == wanted:
        return Evaluation(training, folder, there, is_new=False)

    from pipeline.modeling.card.describe import describe_model

    df = training.features.read(modeling)
    test = between(df, modeling, *modeling.split.test)
    predictions = _all_predictions(settings, training, df, test)
    slices = slice_columns(modeling)
    samples = modeling.bootstrap.samples
    evaluation = measure(
        predictions,
        cluster=modeling.cluster,
        slices=slices,
        coverage=modeling.coverage,
        n_samples=samples,
        seed=modeling.seed,
    )
    comparison = compare(
        predictions,
        model,
        modeling.metric,
        cluster=modeling.cluster,
        key=modeling.key,
        slices=slices,
        n_samples=samples,
        seed=modeling.seed,
    )
    overall = evaluation.filter(model=model, slice_by="all")
    metrics = dict(overall.select("metric", "value").drop_nulls().iter_rows())
    with new_folder(folder) as partial:
        predictions.write_parquet(partial / "predictions.parquet")
        evaluation.write_parquet(partial / "evaluation.parquet")
        comparison.write_parquet(partial / "comparison.parquet")
        own = predictions.filter(model=model)
        describe_model(settings, training, test, own, evaluation, comparison, partial)
        record = EvaluationRecord(
            format=FORMAT,
            fingerprint=wanted,
            created_at=datetime.now(UTC),
            n_rows=test.height,
            metrics=metrics,
            files=hashes(partial),
        )
        write_record(partial / "evaluation.json", record)
        log_evaluation(settings, training.record.mlflow_run, metrics, partial)
    return Evaluation(training, folder, record, is_new=True)


def add_slices(test: pl.DataFrame, modeling: Modeling) -> pl.DataFrame:
    """Add the columns that the figures are given by; features of their names go."""
    slices = modeling.slices
    sliced = test
    if slices.severe:
        severe = pl.sum_horizontal(slices.severe, ignore_nulls=False)
        sliced = sliced.with_columns(severe.alias(SEVERITY)).with_columns(
            severity_mix(SEVERITY).cast(pl.String).fill_null("unknown").alias(SEVERITY)
        )
    if slices.size:
        given = test.select({modeling.cluster, slices.size})
        sized = add_size_decile(given, cluster=modeling.cluster, weight=slices.size)
        sliced = sliced.with_columns(sized[SIZE_DECILE])
    return sliced


def slice_columns(modeling: Modeling) -> list[str]:
    """Name those columns."""
    slices = modeling.slices
    of_clusters = [SIZE_DECILE] if slices.size else []
    of_rows = [SEVERITY] if slices.severe else []
    of_entities = [slices.category] if slices.category else []
    return [modeling.time, *of_clusters, *of_rows, *of_entities]


def predictions_of(
    name: str, test: pl.DataFrame, predicted: pl.DataFrame, modeling: Modeling
) -> pl.DataFrame:
    """Lay the predictions of a model beside keys, slices and outcomes."""
    columns = dict.fromkeys([*modeling.key, *slice_columns(modeling)])
    return (
        add_slices(test, modeling)
        .select(
            pl.lit(name).alias("model"),
            *columns,
            pl.Series("y", target_of(test, modeling.target)),
        )
        .hstack(predicted)
    )


def _all_predictions(
    settings: ModelingSettings,
    training: Training,
    df: pl.DataFrame,
    test: pl.DataFrame,
) -> pl.DataFrame:
    """Predict the test rows with the model and with every baseline."""
    modeling, split = settings.modeling, settings.modeling.split
    name = training.record.model
    made = [predictions_of(name, test, training.load().predict(test), modeling)]
    train_rows = between(df, modeling, *split.train)
    valid_rows = between(df, modeling, split.valid, split.valid)
    for baseline in modeling.baselines:
        if baseline == name:
            continue
        predictor = fit_predictor(
            train_rows,
            valid_rows,
            model_config(settings, baseline),
            modeling,
            n_threads=cpu_count() or 1,
        )
        made.append(predictions_of(baseline, test, predictor.predict(test), modeling))
    return pl.concat(made)


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
