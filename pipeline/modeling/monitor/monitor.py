"""Whether the champion still earns its place, and which of its inputs have drifted."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec
import polars as pl

from pipeline.files.parquet import read_parquet
from pipeline.modeling.card.explain import feature_groups
from pipeline.modeling.data import current_features, published_panel, read_others
from pipeline.modeling.fit.amount import amount
from pipeline.modeling.fit.design import FeatureSchema
from pipeline.modeling.fit.drift import SCHEMA, Learned, drift, is_plain
from pipeline.modeling.horizon import horizon_of
from pipeline.modeling.judge.comparison import compare
from pipeline.modeling.judge.metrics import NAIVE_ERROR, measure
from pipeline.modeling.judge.slices import resampling_of
from pipeline.modeling.monitor.kept import KeptForecast, own_forecasts
from pipeline.modeling.monitor.scores import TABLE, all_scores, score_forecasts
from pipeline.modeling.records import model_folder, read_evaluation
from pipeline.modeling.registry.registry import (
    Version,
    bundle_of,
    champion,
    packed,
)
from pipeline.modeling.settings import Modeling, ModelingSettings
from pipeline.panel.periods import parsed, written
from pipeline.snapshots.publish import contribute
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import open_store, read_runs


@dataclass(frozen=True)
class Monitoring:
    """What is known of the champion by now."""

    version: Version | None
    model: str
    """What the version is, and that it is a baseline if so; empty without one."""
    kept: list[KeptForecast]
    scores: pl.DataFrame
    """Of all forecasts of the name, over all rows of a period and step, in order."""
    faults: list[str] | None
    """Why it does not earn its place; None if nothing of it has been scored."""
    never_forecast: list[str]
    """Periods that came, after the first forecast, and were in none."""
    drift: pl.DataFrame
    """A row per feature, with its importance, and what `drift` says: first those with
    more nulls or categories never seen; of each kind, the most important first."""


class Inputs(msgspec.Struct, frozen=True):
    """What of a version's predictor is asked from outside; of no kinds."""

    schema: FeatureSchema
    learned: Learned | None = None


def monitor(settings: ModelingSettings) -> Monitoring:
    """Score what has come of the forecasts, judge the champion by it, look for drift.

    Brings the snapshots up to date. ``meta.forecast_scores`` and ``meta.drift`` show
    all of it.
    """
    modeling = settings.modeling
    current_features(settings)
    score_forecasts(settings)
    version = champion(settings)
    [*_, run] = read_runs(open_store(settings.root))
    kept = own_forecasts(settings.root, modeling, settings.pipeline.profile)
    scores = all_scores(settings.root)
    drifted = pl.DataFrame() if version is None else _drift(settings, version, run)
    contribute(open_store(settings.root), {TABLE: scores, "drift": drifted})
    return Monitoring(
        version=version,
        model="" if version is None else modeling.described(packed(version).model),
        kept=kept,
        scores=scores.filter(name=modeling.name, slice_by="all"),
        faults=version and _faults_of(version, kept, modeling),
        never_forecast=_never_forecast(settings, run, kept),
        drift=drifted,
    )


def _faults_of(
    version: Version, kept: list[KeptForecast], modeling: Modeling
) -> list[str] | None:
    """Judge a version by all that came of its forecasts."""
    own = [each for each in kept if each.record.fingerprint == version.fingerprint]
    tables = [table for each in own if (table := each.table("outcomes")) is not None]
    rows = pl.concat(tables, how="diagonal_relaxed") if tables else pl.DataFrame()
    if rows.is_empty():
        return None
    record = own[-1].record
    return list(faults(rows, record.model, modeling, coverage=record.coverage))


def faults(
    rows: pl.DataFrame, model: str, modeling: Modeling, *, coverage: float
) -> Iterator[str]:
    """Say why a model does not earn its place.

    `rows` are those that came, as they were predicted by it and by baselines. Its error
    may not be above that of the best baseline, nor its intervals hold less than they
    should by more than `promotion.max_coverage_gap`, both beyond chance.
    """
    how = replace(resampling_of(modeling), slices=())
    metric, unit = modeling.metric, modeling.unit
    if rows["model"].n_unique() > 1:
        compared = compare(rows, model, metric, how, key=modeling.key)
        best = compared.sort("reference_value", "reference").row(0, named=True)
        if best["difference"] > 0 and (best["lower"] is None or best["lower"] > 0):
            yield (
                f"{metric.upper()} {amount(best['value'], unit)} is above that of"
                f" {best['reference']}, {amount(best['reference_value'], unit)}, beyond"
                f" chance: the difference is {amount(best['difference'], unit, '+')},"
                f" with a lower bound of {amount(best['lower'], unit, '+')}"
            )
    own = rows.filter(model=model)
    unknown = pl.lit(None, pl.Float64).alias(NAIVE_ERROR)
    figures = measure(own.with_columns(unknown), how, coverage=coverage)
    held = figures.filter(metric="coverage").row(0, named=True)
    gap = modeling.promotion.max_coverage_gap
    is_unlikely = held["upper"] is None or held["upper"] < coverage
    if held["value"] is not None and held["value"] < coverage - gap and is_unlikely:
        bound = "" if held["upper"] is None else f" (at most {held['upper']:.1%})"
        yield (
            f"intervals hold {held['value']:.1%}{bound} of the outcomes, expected"
            f" {coverage:.1%} within {gap:.2%}"
        )


def _never_forecast(
    settings: ModelingSettings, run: RunRecord, kept: list[KeptForecast]
) -> list[str]:
    """Name the periods after the first forecast that came without one."""
    time = settings.modeling.time
    if not kept:
        return []
    times = published_panel(settings, run).select(time).unique().collect()[time]
    known = {parsed(t, times.dtype) for each in kept for t in each.record.periods}
    first = pl.Series([*known], dtype=times.dtype).min()
    later = times.filter(times > first).sort().to_list()
    return [str(written(t)) for t in later if t not in known]


def _drift(
    settings: ModelingSettings, version: Version, run: RunRecord
) -> pl.DataFrame:
    """Hold what the next forecast is made of against what a version has learned from.

    That is the features of the next period, made of the newest, of the entities that
    have a row in that one.
    """
    modeling = settings.modeling
    known = packed(version)
    path = bundle_of(version) / "predictor" / "predictor.json"
    inputs = msgspec.json.decode(path.read_bytes(), type=Inputs)
    if inputs.learned is None:
        return pl.DataFrame()
    panel = published_panel(settings, run)
    horizon = horizon_of(modeling, panel.collect_schema().names())
    others = read_others(settings.pipeline)
    rest = horizon.rest(panel, settings.pipeline.stages, others)
    features = horizon.next_features(panel, rest)
    time = pl.col(modeling.time)
    last = panel.filter(time == time.max()).select(modeling.entity).unique().collect()
    rows = features.join(last, on=modeling.entity, how="semi")
    table = drift(inputs.learned, rows, inputs.schema)
    ends = features[modeling.time].min(), features[modeling.time].max()
    period = " to ".join(dict.fromkeys(str(written(t)) for t in ends))  # pyright: ignore[reportArgumentType]
    return (
        table.join(_importance(settings, known.model, version, inputs), on="feature")
        .sort(
            is_plain(pl.col("why")),
            "importance",
            "psi",
            descending=True,
            nulls_last=True,
        )
        .select(
            pl.lit(version.name).alias("name"),
            pl.lit(version.number).alias("version"),
            pl.lit(period).alias("period"),
            "feature",
            "importance",
            pl.col("why").is_not_null().alias("is_drifted"),
            *[name for name in SCHEMA if name != "feature"],
        )
    )


def _importance(
    settings: ModelingSettings, model: str, version: Version, inputs: Inputs
) -> pl.DataFrame:
    """Give each feature the importance of its group, null where it was not judged."""
    groups = feature_groups(list(inputs.schema.dtypes), settings.bases)
    features = pl.DataFrame(
        [(group, name) for group, names in groups.items() for name in names],
        schema={"group": pl.String, "feature": pl.String},
        orient="row",
    )
    folder = model_folder(settings.root, model, version.fingerprint) / "evaluation"
    if read_evaluation(folder) is None:
        return features.with_columns(importance=pl.lit(None, pl.Float64))
    found = read_parquet(folder / "importance.parquet")
    shares = found.select("group", importance="share")
    return features.join(shares, on="group", how="left")
