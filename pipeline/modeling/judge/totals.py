"""How good predictions are in sum: per period, and by columns of the entity."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from pipeline.modeling.judge.bootstrap import (
    FloatArray,
    Resampling,
    cluster_weights,
    exact_sum,
    interval_of,
)
from pipeline.modeling.judge.metrics import measurable, ratio

TOTAL = "wape_total"
"""The metric of all rows' totals; that of a column's is ``wape_by_<column>``."""

_MOST_GROUPS = 4_000
"""That are drawn at once: a thousand draws of them take 64 MB."""


def measure_totals(
    predictions: pl.DataFrame, how: Resampling, *, time: str, by: Sequence[str]
) -> pl.DataFrame:
    """Measure how far the totals of a period are off, with 95 % intervals.

    Errors of rows cancel out in a total, and a bias does not: a model that is best row
    by row may be the worst of all in sum. The draws are those of `measure`.

    Parameters
    ----------
    predictions : pl.DataFrame
        As for `pipeline.modeling.judge.metrics.measure`; `lower` and `upper` are not
        needed.
    how : Resampling
        Clusters and draws; its slices are not looked at.
    time : str
        Column of the period.
    by : sequence of str
        Columns whose values have totals of their own, each on its own.

    Returns
    -------
    pl.DataFrame
        The columns of `measure`, `slice_by` and `slice` being 'all'; sorted by model,
        then `TOTAL` and a metric per column: the sum of the totals' absolute errors by
        the sum of their absolute values, null where that is 0.
    """
    rows = measurable(predictions, how.cluster, ("y", "prediction")).with_columns(
        error=pl.col("prediction") - pl.col("y")
    )
    levels = {TOTAL: [time]} | {f"wape_by_{name}": [name, time] for name in by}
    return pl.concat(
        _measured(of_model, how, levels)
        for of_model in rows.partition_by("model", maintain_order=False)
    ).sort("model", maintain_order=True)


def _measured(
    rows: pl.DataFrame, how: Resampling, levels: dict[str, list[str]]
) -> pl.DataFrame:
    """Measure the totals of one model."""
    clusters = rows.select(cluster=how.cluster).unique().sort("cluster")
    n = clusters.height
    weights = cluster_weights(n, n_samples=how.n_samples, seed=how.seed)
    estimates = np.stack(
        [
            interval_of(
                _wape(rows, how.cluster, clusters["cluster"], group, weights), n
            )
            for group in levels.values()
        ]
    )
    return pl.DataFrame(estimates, schema=["value", "lower", "upper"]).select(
        pl.lit(rows["model"][0]).alias("model"),
        pl.lit("all").alias("slice_by"),
        pl.lit("all").alias("slice"),
        pl.Series("metric", list(levels)),
        pl.all().fill_nan(None),
        pl.lit(rows.height, pl.UInt32).alias("n_rows"),
        pl.lit(n, pl.UInt32).alias("n_clusters"),
    )


def _wape(
    rows: pl.DataFrame,
    cluster: str,
    clusters: pl.Series,
    group: Sequence[str],
    weights: FloatArray,
) -> FloatArray:
    """Draw the clusters of each group's total: one value per draw, the real one first.

    Each total is added up cluster by cluster, in their order, so that it has the same
    bits in any order of the rows.
    """
    # Imported late: few commands need it.
    from scipy.sparse import csr_array  # pyright: ignore[reportMissingTypeStubs]

    cells = (
        rows.group_by({*group, cluster})
        .agg(exact_sum(rows["error"]), exact_sum(rows["y"]))
        .sort(*group, cluster)
        .select(
            "error",
            "y",
            group=pl.struct(group).rle_id(),
            place=pl.col(cluster).replace_strict(clusters, range(len(clusters))),
        )
    )
    n_groups = cells["group"][-1] + 1
    errors, values = np.zeros(len(weights)), np.zeros(len(weights))
    for start in range(0, n_groups, _MOST_GROUPS):
        some = cells.filter(pl.col("group").is_between(start, start + _MOST_GROUPS - 1))
        at = (some["group"].to_numpy() - start, some["place"].to_numpy())
        shape = (min(_MOST_GROUPS, n_groups - start), len(clusters))
        for sums, name in ((errors, "error"), (values, "y")):
            matrix: Any = csr_array((some[name].to_numpy(), at), shape=shape)
            sums += np.abs(matrix @ weights.T).sum(axis=0)
    return ratio(errors, values)
