"""How good predictions are in sum: per period, and by columns of the entity."""

from collections.abc import Sequence

import polars as pl

from pipeline.modeling.judge.bootstrap import exact_sum
from pipeline.modeling.judge.metrics import measurable

TOTAL = "wape_total"
"""The metric of all rows' totals; that of a column's is ``wape_by_<column>``."""

_NORMAL = 1.959963984540054
"""Standard errors to either side that hold 95 %."""


def measure_totals(
    predictions: pl.DataFrame, cluster: str, *, time: str, by: Sequence[str]
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
    time : str
        Column of the period.
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
    levels = {TOTAL: [time]} | {f"wape_by_{name}": [name, time] for name in by}
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
