"""Cluster bootstrap of statistics that are functions of sums.

A statistic of resampled clusters needs no rows, only each cluster's sums: a resample is
a weight per cluster, and all resamples of all sums are one matrix product.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
from threadpoolctl import (  # pyright: ignore[reportMissingTypeStubs]: it has none
    threadpool_limits,
)

from pipeline.panel.exact import from_fixed_point, to_fixed_point

FloatArray: TypeAlias = npt.NDArray[np.float64]

Statistic: TypeAlias = Callable[[FloatArray], FloatArray]
"""Turns sums of shape (n_sums, n) into values of shape (n_values, n), or NaN."""

LEVEL = 0.95
"""Nominal coverage of the intervals."""

# So many add up in fixed point for 480,000 rows.
_LARGEST_SUMMAND = 4e22


@dataclass(frozen=True)
class Resampling:
    """Which rows are drawn together, and what they are put into slices by."""

    cluster: str
    """Column of the unit that is resampled, such as the shop."""
    slices: Sequence[str]
    """Columns to slice by, each on its own; a null is a slice named null."""
    n_samples: int
    seed: int


def bootstrap(
    df: pl.DataFrame,
    how: Resampling,
    *,
    by: str,
    sums: Sequence[pl.Expr],
    names: Sequence[str],
    statistic: Statistic,
) -> pl.DataFrame:
    """Estimate statistics by slice, with 95 % cluster-bootstrap intervals.

    Rows of a cluster are not independent, so clusters are resampled, not rows: the
    pairs cluster bootstrap [1]_, also called the randomized cluster bootstrap [2]_,
    with percentile intervals. A slice resamples its own clusters, as many as it has,
    so its intervals are conditional on that number. Slices of equally many clusters
    get the same draws, in the order of the clusters: what has the same clusters is
    resampled alike. With few clusters (below about 20) percentile intervals are too
    narrow [1]_; `n_clusters` tells. The result depends neither on the order of the
    rows, nor on the number of threads, nor on what else is estimated.

    Parameters
    ----------
    df : pl.DataFrame
        At least one row.
    how : Resampling
        Clusters, slices and draws.
    by : str
        Column whose values are estimated apart, such as the model.
    sums : sequence of pl.Expr
        What the statistic needs the sums of: a number per row, finite or null; a null
        adds nothing. They may use `df`'s columns and `slice`; added in 2**-33 steps.
    names : sequence of str
        Of the values of `statistic`, which is given the sums in their order.

    Returns
    -------
    pl.DataFrame
        `by`, `slice_by` ('all', then the slices), `slice` (String), `metric` (of
        `names`), `value`, `lower`, `upper` (Float64), `n_rows`, `n_clusters` (UInt32),
        in this order. `value` is null where the statistic is NaN; `lower` and `upper`
        also where there is one cluster only, or a resample without a value.

    References
    ----------
    .. [1] Cameron, Gelbach & Miller, "Bootstrap-Based Improvements for Inference with
       Clustered Errors", Review of Economics and Statistics 90(3), 2008.
    .. [2] Field & Welsh, "Bootstrapping Clustered Data", J. R. Statist. Soc. B 69(3),
       2007.
    """
    columns = {f"sum_{i}": expr for i, expr in enumerate(sums)}

    def estimated(slice_by: str, value: pl.Expr) -> pl.DataFrame:
        summands = df.with_columns(
            value.alias("slice"), pl.col(how.cluster).alias("cluster")
        ).select(by, "slice", "cluster", **columns)
        clusters = (
            summands.group_by(by, "slice", "cluster")
            .agg(pl.len().alias("n_rows"), *(exact_sum(summands[c]) for c in columns))
            .sort(by, "slice", "cluster")
        )
        groups = clusters.group_by(by, "slice", maintain_order=True).agg(
            pl.col("n_rows").sum(), pl.len().alias("n_clusters")
        )
        estimates = _estimates(
            clusters.select(list(columns)).to_numpy().T,
            groups["n_clusters"].to_numpy(),
            how,
            statistic,
        )
        metrics = pl.DataFrame({"metric": names})
        return groups.join(metrics, how="cross", maintain_order="left_right").select(
            by,
            pl.lit(slice_by).alias("slice_by"),
            pl.col("slice").cast(pl.String),
            "metric",
            *(
                pl.Series(name, estimates[:, :, i].ravel()).fill_nan(None)
                for i, name in enumerate(("value", "lower", "upper"))
            ),
            "n_rows",
            "n_clusters",
        )

    # The products are small: more threads would mostly wait, and burn CPU meanwhile.
    with threadpool_limits(limits=1, user_api="blas"):
        parts = [estimated("all", pl.lit("all"))]
        parts += [estimated(name, pl.col(name)) for name in how.slices]
    return pl.concat(parts).sort(by, maintain_order=True)


def exact_sum(summands: pl.Series) -> pl.Expr:
    """Add up to the same bits in any order, and of any size."""
    largest = float(summands.abs().max() or 0)  # pyright: ignore[reportArgumentType]
    # A power of two, by which nothing is rounded.
    unit = 2.0 ** max(0, math.frexp(largest / _LARGEST_SUMMAND)[1])
    total = from_fixed_point(to_fixed_point(pl.col(summands.name) / unit).sum())
    return (total * unit).alias(summands.name)


def cluster_weights(n_clusters: int, *, n_samples: int, seed: int) -> FloatArray:
    """Draw clusters with replacement, and count how often each was drawn.

    A row of `n_clusters` counts, which add up to that, per sample; seed and number of
    clusters decide the draws.
    """
    generator = np.random.default_rng((seed, n_clusters))
    drawn = generator.integers(n_clusters, size=(n_samples, n_clusters))
    drawn += n_clusters * np.arange(n_samples)[:, np.newaxis]
    counts = np.bincount(drawn.ravel(), minlength=n_samples * n_clusters)
    return counts.reshape(n_samples, n_clusters).astype(np.float64)


def _estimates(
    sums: FloatArray,
    sizes: npt.NDArray[np.uint32],
    how: Resampling,
    statistic: Statistic,
) -> FloatArray:
    """Value, lower and upper limit of each group: shape (n_groups, n_values, 3).

    `sums`, of shape (n_sums, n_clusters), has the clusters of a group, as many as
    `sizes` says, side by side.
    """
    limits = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    groups = np.split(sums, np.cumsum(sizes, dtype=np.int64)[:-1], axis=1)
    estimates: dict[int, FloatArray] = {}
    for size in np.unique(sizes).tolist():
        draws = cluster_weights(size, n_samples=how.n_samples, seed=how.seed)
        # The first "draw" takes each cluster once: the estimate itself.
        weights = np.vstack([np.ones(size), draws]).T
        for i in np.flatnonzero(sizes == size).tolist():
            values = statistic(_exactly_summable(groups[i]) @ weights)
            drawn = values[:, 1:] if size > 1 else np.full_like(values, np.nan)
            ends = np.quantile(drawn, limits, axis=1)
            estimates[i] = np.vstack([values[:, :1].T, ends]).T
    return np.stack([estimates[i] for i in range(len(groups))])


def _exactly_summable(values: FloatArray) -> FloatArray:
    """Round values of the last axis so that drawn sums of them round nothing.

    The matrix product adds in an order that varies with threads and shapes. Multiples
    of a common power of two, of 52 bits in all, add up alike in any order (Demmel &
    Nguyen, "Fast Reproducible Floating-Point Summation", IEEE ARITH 2013).
    """
    largest = np.abs(values).max(axis=-1, keepdims=True)
    _, exponent = np.frexp(values.shape[-1] * largest)
    return np.ldexp(np.rint(np.ldexp(values, 52 - exponent)), exponent - 52)
