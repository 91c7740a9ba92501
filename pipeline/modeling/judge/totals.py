"""How good predictions are in sum: per period, and by columns of the entity."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from pipeline.modeling.fit.intervals import (
    Calibration,
    TotalCalibrations,
    calibrate,
    n_needed,
)
from pipeline.modeling.judge.bootstrap import exact_sum
from pipeline.modeling.judge.metrics import measurable

TOTAL = "wape_total"
"""The metric of all rows' totals; that of a column's is ``wape_by_<column>``."""

_NORMAL = 1.959963984540054
"""Standard errors to either side that hold 95 %."""


def measure_totals(
    predictions: pl.DataFrame, cluster: str, *, asked: Sequence[str], by: Sequence[str]
) -> pl.DataFrame:
    """Measure how far the totals of a period are off, with 95 % intervals.

    Errors of rows cancel out in a total, and a bias does not: a model that is best row
    by row may be the worst of all in sum. The intervals are of the jackknife that
    leaves out one cluster at a time [1]_: to draw clusters, as `measure` does, adds to
    a total across clusters the very noise that is to be measured.

    Parameters
    ----------
    predictions : pl.DataFrame
        As for `pipeline.modeling.judge.metrics.measure`; `lower` and `upper` are not
        needed.
    cluster : str
        Column of the cluster.
    asked : sequence of str
        Columns of the period, and of how many ahead it is: a row has one forecast each.
    by : sequence of str
        Columns whose values have totals of their own, each on its own.

    Returns
    -------
    pl.DataFrame
        The columns of `measure`, `slice_by` and `slice` being 'all'; sorted by model,
        then `TOTAL` and a metric per column: the sum of the totals' absolute errors by
        the sum of their absolute values, null where that is 0. The limits, of which the
        lower is at least 0, are null of a single cluster.

    References
    ----------
    .. [1] Efron & Stein, "The Jackknife Estimate of Variance", Annals of Statistics
       9(3), 1981.
    """
    rows = measurable(predictions, cluster, ("y", "prediction")).with_columns(
        error=pl.col("prediction") - pl.col("y")
    )
    levels = {TOTAL: [*asked]} | {f"wape_by_{name}": [name, *asked] for name in by}
    return pl.concat(
        _measured(rows, cluster, group, metric) for metric, group in levels.items()
    ).sort("model", maintain_order=True)


def _measured(
    rows: pl.DataFrame, cluster: str, group: Sequence[str], metric: str
) -> pl.DataFrame:
    """Measure the totals of each group; sums of equal rows have equal bits."""
    names = ("error", "y")
    total = [pl.col(name).sum().over("model", *group) for name in names]
    without = [t - pl.col(name) for t, name in zip(total, names, strict=True)]
    cells = (
        rows.group_by({"model", cluster, *group})
        .agg(pl.len().alias("n_rows"), *(exact_sum(rows[name]) for name in names))
        .sort("model", *group, cluster)
        .select(
            "model",
            "n_rows",
            pl.col(cluster).alias("cluster"),
            is_first=pl.struct("model", *group).is_first_distinct(),
            **{f"all_{n}": t.abs() for n, t in zip(names, total, strict=True)},
            **{
                f"less_{n}": w.abs() - t.abs()
                for n, w, t in zip(names, without, total, strict=True)
            },
        )
    )
    whole = (
        cells.filter("is_first")
        .group_by("model")
        .agg(pl.col("all_error", "all_y").sum())
    )
    left_out = (
        cells.group_by("model", "cluster", maintain_order=True)
        .agg(pl.col("n_rows", "less_error", "less_y").sum())
        .join(whole, on="model", how="left", maintain_order="left")
    )
    value = pl.col("all_error") / pl.col("all_y")
    replica = (pl.col("all_error") + pl.col("less_error")) / (
        pl.col("all_y") + pl.col("less_y")
    )
    n = pl.len()
    error = (replica.var(ddof=0) * (n - 1)).sqrt() * _NORMAL
    has_limits = (n > 1) & error.is_finite()
    return (
        left_out.group_by("model", maintain_order=True)
        .agg(
            value=value.filter(pl.col("all_y") > 0).first(),
            error=pl.when(has_limits).then(error),
            n_rows=pl.col("n_rows").sum().cast(pl.UInt32),
            n_clusters=n.cast(pl.UInt32),
        )
        .select(
            "model",
            slice_by=pl.lit("all"),
            slice=pl.lit("all"),
            metric=pl.lit(metric),
            value="value",
            lower=(pl.col("value") - pl.col("error")).clip(0),
            upper=pl.col("value") + pl.col("error"),
            n_rows="n_rows",
            n_clusters="n_clusters",
        )
    )


def calibrate_totals(
    judged: pl.DataFrame, *, asked: Sequence[str], by: Sequence[str], coverage: float
) -> TotalCalibrations:
    """Learn from the test periods how far a column's totals are off, as a part of them.

    `judged` has `y` and `prediction` of each row. What has too few totals to tell from
    is left out.
    """
    found: TotalCalibrations = {}
    for step, rows in _by_step(judged, asked).items():
        for name in by:
            totals = _totals(rows, [name, *asked], pl.col("y"))
            size = totals["size"].to_numpy()
            if len(size) >= n_needed(coverage):
                off = (totals["y"] - totals["prediction"]).to_numpy() / size
                zero = np.zeros_like(off)
                calibration = calibrate(off, size, zero, zero, coverage=coverage)
                found.setdefault(name, {})[step] = calibration
    return found


def forecast_totals(
    predictions: pl.DataFrame,
    *,
    asked: Sequence[str],
    by: Sequence[str],
    calibrations: TotalCalibrations,
) -> pl.DataFrame:
    """Add predictions up: over all rows, and by each column's values.

    Where rows have a `probability`, a row counts as much as it is probable.

    Returns
    -------
    pl.DataFrame
        `total_by` ('all', or the column), `total_of` (its value as text, or 'all'),
        what was `asked`, `total`, `lower` and `upper` (null where the test periods have
        too few totals to tell from, as of all rows), `n_rows`; the largest total first.
    """
    sure = pl.col("probability").fill_null(1.0)
    expected = predictions.with_columns(pl.col("prediction") * sure)
    tables: list[pl.DataFrame] = []
    for step, rows in _by_step(expected, asked).items():
        for name in ("all", *by):
            group = [*asked] if name == "all" else [name, *asked]
            totals = _totals(rows, group).sort("prediction", descending=True)
            of = pl.lit("all") if name == "all" else pl.col(name).cast(pl.String)
            lower, upper = _ends(totals, calibrations.get(name, {}).get(step))
            tables.append(
                totals.select(
                    pl.lit(name).alias("total_by"),
                    of.alias("total_of"),
                    *asked,
                    pl.col("prediction").alias("total"),
                    lower.alias("lower"),
                    upper.alias("upper"),
                    "n_rows",
                )
            )
    return pl.concat(tables)


def _by_step(rows: pl.DataFrame, asked: Sequence[str]) -> dict[int, pl.DataFrame]:
    """Part the forecasts of one period ahead from those of two, and so on."""
    _, *step = asked
    if not step:
        return {1: rows}
    parts = rows.sort(step).partition_by(step, as_dict=True, maintain_order=True)
    return {n: part for (n,), part in parts.items()}


def _ends(
    totals: pl.DataFrame, calibration: Calibration | None
) -> tuple[pl.Series, pl.Series]:
    """Make the ends of the totals' intervals; null where nothing tells them."""
    if calibration is None:
        unknown = pl.Series([None] * totals.height, dtype=pl.Float64)
        return unknown, unknown
    size = totals["size"].to_numpy()
    zero = np.zeros_like(size)
    lower, upper = (
        totals["prediction"] + pl.Series(off * size)
        for off in calibration.widen(size, zero, zero)
    )
    return lower, upper


def _totals(rows: pl.DataFrame, group: Sequence[str], *more: pl.Expr) -> pl.DataFrame:
    """Add up by group; of predictions also the size, their absolute sum, above 0."""
    prediction = pl.col("prediction")
    return (
        rows.sort(*group, prediction, *more)
        .group_by(group, maintain_order=True)
        .agg(
            prediction.sum(),
            *(expr.sum() for expr in more),
            prediction.abs().sum().alias("size"),
            pl.len().alias("n_rows"),
        )
        .filter(pl.col("size") > 0)
    )
