"""Pack a trained model as a bundle: see `pipeline.modeling.bundle.bundle`."""

import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import polars as pl
import polars.selectors as cs

from pipeline.errors import ModelError
from pipeline.lineage.graph import origins
from pipeline.modeling.bundle.bundle import Bundle, BundleRecord, load_bundle
from pipeline.modeling.data import read_others
from pipeline.modeling.fit.intervals import TotalCalibrations
from pipeline.modeling.horizon import horizon_of
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.training import Training, refit
from pipeline.panel.periods import Time, written
from pipeline.plan.settings import SOURCE
from pipeline.progress import doing
from pipeline.run.contracts import compile_checks
from pipeline.run.run import check
from pipeline.sources import columns_of

if TYPE_CHECKING:
    from pipeline.sources.columns import Declared


_N_EXAMPLE = 5
"""Rows of an example, at least, if there is one."""


def pack(
    settings: ModelingSettings,
    training: Training,
    totals: TotalCalibrations,
    folder: Path,
) -> Bundle:
    """Write a bundle of a trained model into a new folder, and load it from there.

    The settings are those that the model was trained with; `totals` say how far off
    its totals were.
    """
    modeling, record = settings.modeling, training.record
    plan = check(settings.pipeline)
    features = plan.snapshots[modeling.features].stage.name
    panel = plan.snapshots[modeling.panel].stage
    checks = compile_checks(settings.pipeline, plan, modeling.panel)
    checked = {*panel.key, *(column for c in checks for column in c.columns)}
    made_of = origins(plan.lineage())
    names = {
        name
        for (stage, column), sources in made_of.items()
        if stage == features or (stage == panel.name and column in checked)
        for (source, name), _ in sources
        if source == SOURCE
    }
    kinds = columns_of(settings.pipeline.source, settings.root)
    columns: dict[str, Declared] = {
        name: kind for name, kind in kinds.items() if name in names
    }
    rows = training.features.source(settings.pipeline).select(list(columns))
    if rows.is_empty():
        raise ModelError("bundle: the source has no rows to forecast from")
    stages = list(plan.upstream([features]))
    others = read_others(settings.pipeline)
    (folder / "others").mkdir(parents=True)
    for name in plan.reads(stages):
        others[name].collect().write_parquet(folder / "others" / f"{name}.parquet")
    shutil.copytree(training.folder / "predictor", folder / "judged")
    (folder / "predictor").mkdir()
    with doing("training on all periods"):
        refit(settings, training).save(folder / "predictor")
    learned = training.features.periods(modeling)[modeling.time]
    bundled = BundleRecord(
        model=record.model,
        fingerprint=record.fingerprint,
        features_fingerprint=record.features,
        columns=columns,
        others={
            name: dict(columns_of(settings.pipeline.others[name], settings.root))
            for name in plan.reads(stages)
        },
        tree=without_places(settings),
        stages=stages,
        horizon=horizon_of(modeling, plan.schema(panel.name).names()),
        cluster=modeling.cluster,
        n_clusters=0,
        largest=_largest(rows),
        fitted_through=written(learned.sort().to_list()[-1]),
        totals=totals,
    )
    (folder / "bundle.json").write_bytes(msgspec.json.encode(bundled))
    bundle = load_bundle(folder, settings.root)
    whole = bundle.panel_of(rows)
    with doing("finding the periods it needs"):
        context = _needed_periods(bundle, whole)
    context.write_parquet(folder / "context.parquet", compression_level=9)
    cluster = pl.col(modeling.cluster)
    is_last = pl.col(modeling.time) == pl.col(modeling.time).max()
    times = [name for (_, name), _ in made_of[panel.name, modeling.time]]
    in_time = rows.sort([name for name in times if name in columns])
    example = _example(rows, in_time, whole, is_last, cluster)
    example.write_parquet(folder / "example.parquet")
    n_clusters = context.filter(is_last).select(cluster.n_unique()).item()
    bundled = msgspec.structs.replace(bundled, n_clusters=n_clusters)
    (folder / "bundle.json").write_bytes(msgspec.json.encode(bundled))
    return load_bundle(folder, settings.root)


def _example(
    rows: pl.DataFrame,
    in_time: pl.DataFrame,
    panel: pl.DataFrame,
    is_last: pl.Expr,
    cluster: pl.Expr,
) -> pl.DataFrame:
    """Take a cluster's last period, which is whole: the smallest that is no odd case.

    Where the panel has not a row per raw row, these are the last ones.
    """
    if panel.height != rows.height:
        return in_time.tail(_N_EXAMPLE)
    sizes = panel.filter(is_last).group_by(cluster).len()
    sizes = sizes.sort(pl.col("len") < _N_EXAMPLE, "len", cluster)
    chosen = panel.select(is_last & (cluster == sizes[0, 0])).to_series()
    return rows.filter(chosen)


def _largest(rows: pl.DataFrame) -> dict[str, float]:
    """Find the largest amount of each column that has amounts; codes are none."""
    amounts = rows.select((cs.float() | cs.by_dtype(pl.Int64)).abs().max())
    return amounts.with_columns(pl.all().fill_null(0)).row(0, named=True)


def _needed_periods(bundle: Bundle, panel: pl.DataFrame) -> pl.DataFrame:
    """Leave out the periods that the next one's features do not need.

    Most panels need the newest few, and the very first: one, two, four and so on are
    tried with it, which takes few rows. Of what is left, half of the periods at a time,
    then a quarter, while that is more than an eighth; the newest first, so that of a
    first period no later one takes the place. The very newest is needed always: it
    says which is next.
    """
    time = bundle.record.horizon.time
    wanted = bundle.next_features(panel.lazy())

    def of(periods: tuple[Time, ...]) -> pl.DataFrame:
        named = pl.Series(periods, dtype=panel.schema[time])
        return panel.filter(pl.col(time).is_in(named.implode()))

    @cache
    def is_enough(periods: tuple[Time, ...]) -> bool:
        return bundle.next_features(of(periods).lazy()).equals(wanted)

    kept, size = (*panel[time].unique().sort(descending=True),), 1
    while size < len(kept) // 2:
        if is_enough(fewer := (*kept[:size], kept[-1])):
            kept = fewer
            break
        size *= 2
    size = len(kept) // 2
    while size > len(kept) // 8:
        periods = kept
        for start in range(1, len(periods), size):
            out = periods[start : start + size]
            if is_enough(fewer := tuple(t for t in kept if t not in out)):
                kept = fewer
        size //= 2
    return of(kept)


def without_places(settings: ModelingSettings) -> dict[str, object]:
    """Return the configuration of the stages, without where the rows came from.

    What a profile has taken out is left out: a bundle has no layers to tell by.
    """
    tree = settings.pipeline.tree
    others = (
        *("source", "sources", "engine", "store", "history", "docs", "orchestrate"),
        *("models", "stages", "checks"),
    )
    return {
        **{key: tree[key] for key in tree if key not in others},
        "sources": {name: {} for name in settings.pipeline.others},
        "stages": {s.name: tree["stages"][s.name] for s in settings.pipeline.stages},
        "checks": {name: tree["checks"][name] for name in settings.pipeline.contracts},
    }
