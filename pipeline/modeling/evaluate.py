"""Judge a trained model on the test years, once, against the baselines."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl

from pipeline.files.checksum import write_sealed
from pipeline.files.manifest import hashes
from pipeline.files.parquet import read_parquet
from pipeline.log import LOG
from pipeline.modeling.data import between, train_and_valid
from pipeline.modeling.judge.comparison import compare
from pipeline.modeling.judge.metrics import measure
from pipeline.modeling.judge.slices import add_slices, resampling_of
from pipeline.modeling.judge.totals import measure_totals
from pipeline.modeling.predictor import fit_predictor, target_of
from pipeline.modeling.records import (
    FORMAT,
    EvaluationRecord,
    fingerprint,
    new_folder,
    read_evaluation,
)
from pipeline.modeling.registry.registry import version_in
from pipeline.modeling.settings import ModelConfig, Modeling, ModelingSettings, plain
from pipeline.modeling.tracking.tracking import log_evaluation, tracking
from pipeline.modeling.train import Training, train
from pipeline.modeling.tune import best_params, trials_of

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
    baselines = _baselines(settings, training)
    wanted = _fingerprint(training, baselines, settings)
    there = read_evaluation(folder)
    if there is not None and there.fingerprint == wanted:
        return Evaluation(training, folder, there, is_new=False)

    from pipeline.modeling.card.card import Card, write_card
    from pipeline.modeling.card.explain import explain

    df = training.features.read(modeling)
    test = between(df, modeling, *modeling.split.test)
    predictions = _predictions(training, baselines, df, test, modeling)
    how = resampling_of(modeling)
    tables = {
        "predictions": predictions,
        "evaluation": _figures(predictions, modeling),
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


def _figures(predictions: pl.DataFrame, modeling: Modeling) -> pl.DataFrame:
    """Measure rows and totals of each model; those of all rows come first."""
    how = resampling_of(modeling)
    of_rows = measure(predictions, how, coverage=modeling.coverage)
    of_totals = measure_totals(
        predictions, modeling.cluster, time=modeling.time, by=modeling.totals
    )
    is_all = pl.col("slice_by") == "all"
    return pl.concat([of_rows.filter(is_all), of_totals, of_rows.filter(~is_all)]).sort(
        "model", maintain_order=True
    )


def _baselines(
    settings: ModelingSettings, training: Training
) -> dict[str, ModelConfig]:
    """Take each baseline with the parameters of its study, as the model was taken."""
    found: dict[str, ModelConfig] = {}
    for name in settings.modeling.baselines:
        if name == training.record.model:
            continue
        config, study = best_params(settings, name, training.features)
        found[name] = config
        if training.record.study and config.space and not study:
            LOG.warning(
                f"{name}: a baseline with parameters of the YAML, beside a tuned"
                f" {training.record.model}; `just tune {name}` tunes it, too"
            )
    return found


def _predictions(
    training: Training,
    baselines: dict[str, ModelConfig],
    df: pl.DataFrame,
    test: pl.DataFrame,
    modeling: Modeling,
) -> pl.DataFrame:
    """Lay what all models predict beside keys, slices and outcomes."""
    years = train_and_valid(df, modeling)
    predictors = {training.record.model: training.load()}
    for name, config in baselines.items():
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


def _fingerprint(
    training: Training, baselines: dict[str, ModelConfig], settings: ModelingSettings
) -> str:
    """Hash all that decides what an evaluation says."""
    modeling = settings.modeling
    what = [modeling.name, modeling.split.test, modeling.cluster, modeling.metric]
    how = [modeling.coverage, modeling.seed]
    slices = [plain(modeling.slices), modeling.totals, plain(modeling.bootstrap)]
    of_card = [training.record.study, settings.bases, modeling.unit]
    fitted = {
        name: plain(msgspec.structs.replace(config, space={}))
        for name, config in baselines.items()
    }
    parts = (fitted, what, how, slices, of_card)
    kinds = [config.kind for config in baselines.values()]
    return fingerprint(MODULE, training.record.fingerprint, *parts, kinds=kinds)
