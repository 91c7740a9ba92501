"""Score forecasts of periods that have come, beside what baselines would have said."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import polars as pl

from pipeline.errors import ModelError
from pipeline.files.parquet import scan_parquet
from pipeline.log import LOG
from pipeline.modeling.data import published_features, published_panel
from pipeline.modeling.judge.comparison import compare
from pipeline.modeling.judge.metrics import NAIVE_ERROR, measure
from pipeline.modeling.judge.slices import add_slices, resampling_of
from pipeline.modeling.monitor.kept import (
    ForecastRecord,
    KeptForecast,
    all_forecasts,
    own_forecasts,
    write_forecast,
)
from pipeline.modeling.predictor import Predictor, fit_model
from pipeline.modeling.records import TrainingRecord, all_trainings
from pipeline.modeling.settings import STEP, ModelConfig, Modeling, ModelingSettings
from pipeline.panel.periods import parsed, written
from pipeline.snapshots.profile import row_hash
from pipeline.snapshots.publish import contribute
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import open_store, read_runs, verified_object

TABLE = "forecast_scores"
"""Of ``meta``."""

_METRICS = ("mae", "rmse", "r2", "wape", "bias", "pinball", "coverage")


def score_forecasts(settings: ModelingSettings) -> pl.DataFrame:
    """Score what has come of the kept forecasts, by the newest run.

    Returned are the scores of what was not there, or not the same, when it was last
    looked at. The catalog shows all scores then.
    """
    modeling = settings.modeling
    kept = own_forecasts(settings.root, modeling, settings.pipeline.profile)
    runs = read_runs(open_store(settings.root)) if kept else []
    if not runs or modeling.features not in runs[-1].fingerprints:
        return pl.DataFrame(schema=_SCHEMA)
    hashes = _outcome_hashes(settings, runs[-1])
    due = [(each, new) for each in kept if (new := _not_scored(each.record, hashes))]
    if not due:
        return pl.DataFrame(schema=_SCHEMA)
    LOG.info("scoring forecasts whose periods have come")
    scored = pl.concat(_scored(settings, runs[-1], due))
    contribute(open_store(settings.root), {TABLE: all_scores(settings.root)})
    return scored


def all_scores(root: Path) -> pl.DataFrame:
    """Read the scores of all forecasts, as `_SCHEMA` has them."""
    tables = [kept.table("scores") for kept in all_forecasts(root)]
    there = [table for table in tables if table is not None]
    return pl.concat(there) if there else pl.DataFrame(schema=_SCHEMA)


def _outcome_hashes(settings: ModelingSettings, of: RunRecord) -> dict[str, str]:
    """Hash what came in each period: entities and their target."""
    modeling, store = settings.modeling, open_store(settings.root)
    path = verified_object(store, modeling.features, of.fingerprints[modeling.features])
    rows = (
        scan_parquet([path])
        .select(*modeling.entity, modeling.time, y=_outcome(modeling))
        .drop_nulls("y")
    )
    hashed = row_hash(rows.collect_schema()).sum()
    sums = rows.group_by(modeling.time).agg(n=pl.len(), sum=hashed)
    return {
        str(written(period)): f"{n}-{total:x}"
        for period, n, total in sums.collect().iter_rows()
    }


def _outcome(modeling: Modeling) -> pl.Expr:
    """Take the target, where it is a number."""
    y = pl.col(modeling.target).cast(pl.Float64)
    return pl.when(y.is_finite()).then(y)


def _not_scored(record: ForecastRecord, hashes: Mapping[str, str]) -> dict[str, str]:
    """Find the periods of a forecast that have come, or came otherwise since."""
    there = {name: hashes[name] for name in map(str, record.periods) if name in hashes}
    return {k: v for k, v in there.items() if record.scored.get(k) != v}


def _scored(
    settings: ModelingSettings,
    of: RunRecord,
    due: Sequence[tuple[KeptForecast, dict[str, str]]],
) -> Iterator[pl.DataFrame]:
    """Score the periods of forecasts that are due, and keep what came of them."""
    modeling = settings.modeling
    df = published_features(settings, of).read(modeling)
    df = df.with_columns(_outcome(modeling).alias(modeling.target))
    df = df.drop_nulls(modeling.target)
    panel = published_panel(settings, of).select(*modeling.entity, modeling.time)
    fitted: dict[str, dict[str, Predictor]] = {}
    for kept, new in due:
        record = kept.record
        known = str(record.fitted_through)
        if known not in fitted:
            fitted[known] = dict(_baselines(settings, record, df))
        dtype = df.schema[modeling.time]
        periods = [parsed(t, dtype) for t in record.periods if str(t) in new]
        came = pl.col(modeling.time).is_in(periods)
        predictions = kept.predictions.filter(came)
        outcomes, scores = _score(
            predictions,
            df.filter(came),
            panel.filter(came).unique().collect(),
            record,
            {n: p for n, p in fitted[known].items() if n != record.model},
            modeling,
        )
        before = {
            "outcomes": (kept.table("outcomes"), ~came),
            "scores": (kept.table("scores"), ~pl.col("period").is_in([*new])),
        }
        tables = {"outcomes": outcomes, "scores": scores}
        for name, (table, stays) in before.items():
            if table is not None:
                tables[name] = pl.concat(
                    [table.filter(stays), tables[name]], how="diagonal_relaxed"
                )
        again = msgspec.structs.replace(record, scored=record.scored | new)
        write_forecast(kept.folder, again, {"predictions": kept.predictions, **tables})
        yield scores


def _baselines(
    settings: ModelingSettings, record: ForecastRecord, df: pl.DataFrame
) -> Iterator[tuple[str, Predictor]]:
    """Fit the baselines to what the forecasting version was fitted to.

    Their parameters are those that they were last trained with before the forecast, or
    else the YAML's. What cannot be fitted any more is left out, and named.
    """
    modeling = settings.modeling
    last = parsed(record.fitted_through, df.schema[modeling.time])
    learned = df.filter(pl.col(modeling.time) <= pl.lit(last, df.schema[modeling.time]))
    trained: dict[str, TrainingRecord] = {
        training.model: training
        for _, training in all_trainings(settings.root)
        if training.created_at <= record.kept_at
        and training.modeling["target"] == modeling.target
    }
    for name in modeling.baselines:
        config = settings.models[name]
        if name in trained:
            config = msgspec.convert(trained[name].config, ModelConfig)
        try:
            yield name, fit_model(learned, config, modeling)
        except ModelError as error:
            LOG.warning("%s: no baseline of the forecasts: %s", name, error)


def _score(
    predictions: pl.DataFrame,
    came: pl.DataFrame,
    panel: pl.DataFrame,
    record: ForecastRecord,
    baselines: Mapping[str, Predictor],
    modeling: Modeling,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lay predictions beside what came, and measure them, by period and step.

    Gives the rows of both, of the forecast and of each baseline, and the scores.
    """
    rows: list[pl.DataFrame] = []
    scores: list[pl.DataFrame] = []
    parts = predictions.partition_by(modeling.asked, as_dict=True, maintain_order=True)
    for (period, *step), predicted in parts.items():
        is_asked = pl.col(modeling.time) == period
        own = came.filter(is_asked, *(pl.col(STEP) == n for n in step))
        beside = _beside(predicted, own, record.model, baselines, modeling)
        entities = panel.filter(is_asked)
        both = beside.filter(model=record.model).height
        met = entities.join(predicted, on=modeling.entity, how="semi").height
        counts = {
            "period": pl.lit(str(written(period))),
            "step": pl.lit(step[0] if step else 1, pl.Int32),
            "n_forecast": pl.lit(predicted.height),
            "n_not_come": pl.lit(predicted.height - both),
            "n_not_forecast": pl.lit(entities.height - met),
        }
        rows.append(beside)
        table = _measured(beside, record, modeling).with_columns(**counts)
        scores.append(
            table.match_to_schema(
                _SCHEMA,
                missing_columns="insert",
                extra_columns="ignore",
                integer_cast="upcast",
            )
        )
    return pl.concat(rows), pl.concat(scores)


def _beside(
    predicted: pl.DataFrame,
    came: pl.DataFrame,
    model: str,
    baselines: Mapping[str, Predictor],
    modeling: Modeling,
) -> pl.DataFrame:
    """Lay what a forecast and baselines say of the rows that came beside these."""
    slices = dict.fromkeys([*modeling.key, *resampling_of(modeling).slices])
    truth = add_slices(came, modeling).select(
        *slices, y=pl.col(modeling.target), row=pl.int_range(pl.len())
    )
    own = truth.join(
        predicted.select(*modeling.key, "prediction", "lower", "upper"),
        on=modeling.key,
        maintain_order="left",
    )
    shared = came[own["row"].to_list()]
    made = {model: own}
    for name, predictor in baselines.items():
        if not shared.is_empty():
            said = pl.Series("prediction", predictor.point(shared))
            unknown = pl.lit(None, pl.Float64)
            made[name] = own.with_columns(said, lower=unknown, upper=unknown)
    return pl.concat(
        table.drop("row").select(pl.lit(name).alias("model"), pl.all())
        for name, table in made.items()
    )


def _measured(
    rows: pl.DataFrame, record: ForecastRecord, modeling: Modeling
) -> pl.DataFrame:
    """Measure the models over the rows of a period, overall and by slice."""
    of = {
        "name": record.name,
        "version": record.version,
        "fingerprint": record.fingerprint,
        "run_id": record.run_id,
        "target": record.target,
        "unit": record.unit,
        "nominal_coverage": record.coverage,
    }
    whose = [pl.lit(value).alias(name) for name, value in of.items()]
    is_baseline = pl.col("model") != record.model
    if rows.is_empty():
        nothing = pl.DataFrame({"model": [record.model], "n_rows": [0]})
        table = nothing.with_columns(
            slice_by=pl.lit("all"), slice=pl.lit("all"), n_clusters=pl.lit(0)
        )
        return table.with_columns(*whose, is_baseline=is_baseline)
    how = resampling_of(modeling)
    how = replace(how, slices=[s for s in how.slices if s not in modeling.asked])
    unknown = pl.lit(None, pl.Float64).alias(NAIVE_ERROR)
    found = measure(rows.with_columns(unknown), how, coverage=record.coverage)
    index = ["model", "slice_by", "slice"]
    table = found.pivot(
        "metric",
        index=[*index, "n_rows", "n_clusters"],
        values=["value", "lower", "upper"],
        maintain_order=True,
    ).rename(
        {f"value_{name}": name for name in _METRICS}
        | {f"{end}_coverage": f"coverage_{end}" for end in ("lower", "upper")}
    )
    if rows["model"].n_unique() > 1:
        compared = compare(
            rows, record.model, modeling.metric, how, key=modeling.key
        ).select(
            pl.col("reference").alias("model"),
            *index[1:],
            "difference",
            difference_lower="lower",
            difference_upper="upper",
        )
        table = table.join(
            compared, on=index, how="left", nulls_equal=True, maintain_order="left"
        )
    return table.with_columns(*whose, is_baseline=is_baseline)


_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("name", "fingerprint", "run_id", "target", "unit"), pl.String),
        "version": pl.Int32,
        "period": pl.String,
        "step": pl.Int32,
        "model": pl.String,
        "is_baseline": pl.Boolean,
        "slice_by": pl.String,
        "slice": pl.String,
        **dict.fromkeys(("n_rows", "n_clusters", "n_forecast"), pl.Int64),
        **dict.fromkeys(("n_not_come", "n_not_forecast"), pl.Int64),
        **dict.fromkeys(_METRICS, pl.Float64),
        **dict.fromkeys(("coverage_lower", "coverage_upper"), pl.Float64),
        "nominal_coverage": pl.Float64,
        **dict.fromkeys(
            ("difference", "difference_lower", "difference_upper"), pl.Float64
        ),
    }
)
