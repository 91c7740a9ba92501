"""Cluster bootstrap of statistics that are functions of sums.

A statistic of resampled clusters needs no rows, only each cluster's sums: a resample is
a weight per cluster, and all resamples of all sums are one matrix product.
"""

import math
from collections.abc import Callable, Sequence
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
"""Turns sums of shape (n_sums, ...) into values of shape (n_values, ...), or NaN."""

LEVEL = 0.95
"""Nominal coverage of the intervals."""

# So many add up in fixed point for 480,000 rows.
_LARGEST_SUMMAND = 4e22

_ESTIMATES = ("value", "lower", "upper")

# Slices of equally many clusters are drawn together, so many at a time that the draws
# stay in the processor's cache.
_CHUNK = 32


def bootstrap(
    df: pl.DataFrame,
    *,
    by: str,
    cluster: str,
    slices: Sequence[str],
    sums: Sequence[pl.Expr],
    names: Sequence[str],
    statistic: Statistic,
    n_samples: int,
    seed: int,
) -> pl.DataFrame:
    """Estimate statistics by slice, with 95 % cluster-bootstrap intervals.

    Rows of a cluster are not independent, so clusters are resampled, not rows: the
    pairs cluster bootstrap [1]_, also called the randomized cluster bootstrap [2]_,
    with percentile intervals. A slice resamples its own clusters, as many as it has,
    so its intervals are conditional on that number. Slices of equally many clusters
    get the same draws, in the order of the clusters: what has the same clusters is
    resampled alike. With few clusters (below about 20) percentile intervals are too
    narrow [1]_; `n_clusters` tells.

    The result depends neither on the order of the rows, nor on the number of threads,
    nor on what else is estimated.

    Parameters
    ----------
    df : pl.DataFrame
        At least one row.
    by : str
        Column whose values are estimated apart, such as the model.
    cluster : str
        Column of the unit that is resampled.
    slices : sequence of str
        Columns to slice by, each on its own; a null is a slice named null.
    sums : sequence of pl.Expr
        What the statistic needs the sums of: a number per row, finite or null; a null
        adds nothing. They may use the columns of `df`, `slice` and `by`, and are added
        as multiples of 2**-33.
    names : sequence of str
        Of the values of `statistic`, in order.
    statistic : Statistic
        The statistic, given the sums in the order of `sums`.
    n_samples : int
        Resamples per slice, at least 1.
    seed : int
        Of the draws, 0 or more.

    Returns
    -------
    pl.DataFrame
        `by`, `slice_by` ('all', then `slices`), `slice` (String), `metric` (of
        `names`), `value`, `lower`, `upper` (Float64), `n_rows`, `n_clusters` (UInt32).
        Sorted by `by`, then slices in the order given and of their values, then as
        `names`. `value` is null where the statistic is NaN; `lower` and `upper` also
        where there is one cluster only, or a resample without a value.

    References
    ----------
    .. [1] Cameron, Gelbach & Miller, "Bootstrap-Based Improvements for Inference with
       Clustered Errors", Review of Economics and Statistics 90(3), 2008.
    .. [2] Field & Welsh, "Bootstrapping Clustered Data", J. R. Statist. Soc. B 69(3),
       2007.
    """
    columns = {f"sum_{i}": expr for i, expr in enumerate(sums)}

    def estimated(slice_by: str, value: pl.Expr) -> pl.DataFrame:
        named = df.with_columns(value.alias("slice"), pl.col(cluster).alias("cluster"))
        summands = named.select(by, "slice", "cluster", **columns)
        exact = [_exact_sum(summands[name]) for name in columns]
        clusters = (
            summands.group_by(by, "slice", "cluster")
            .agg(pl.len().alias("n_rows"), *exact)
            .sort(by, "slice", "cluster")
        )
        groups = clusters.group_by(by, "slice", maintain_order=True).agg(
            pl.col("n_rows").sum(), pl.len().alias("n_clusters")
        )
        estimates = _estimates(
            np.stack([clusters[name].to_numpy() for name in columns]),
            groups["n_clusters"].to_numpy(),
            len(names),
            statistic,
            n_samples,
            seed,
        )
        metrics = pl.DataFrame({"metric": names})
        return groups.join(metrics, how="cross", maintain_order="left_right").select(
            by,
            pl.lit(slice_by).alias("slice_by"),
            pl.col("slice").cast(pl.String),
            "metric",
            *(
                pl.Series(name, values.ravel()).fill_nan(None)
                for name, values in zip(_ESTIMATES, estimates, strict=True)
            ),
            "n_rows",
            "n_clusters",
        )

    # The products are small: more threads would mostly wait, and burn CPU meanwhile.
    with threadpool_limits(limits=1, user_api="blas"):
        parts = [estimated("all", pl.lit("all"))]
        parts += [estimated(name, pl.col(name)) for name in slices]
    return pl.concat(parts).sort(by, maintain_order=True)


def _exact_sum(summands: pl.Series) -> pl.Expr:
    """Add up to the same bits in any order, and of any size."""
    largest = float(summands.abs().max() or 0)  # pyright: ignore[reportArgumentType]
    # A power of two, by which nothing is rounded.
    unit = 2.0 ** max(0, math.frexp(largest / _LARGEST_SUMMAND)[1])
    total = from_fixed_point(to_fixed_point(pl.col(summands.name) / unit).sum())
    return (total * unit).alias(summands.name)


def cluster_weights(n_clusters: int, *, n_samples: int, seed: int) -> FloatArray:
    """Draw clusters with replacement, and count how often each was drawn.

    Parameters
    ----------
    n_clusters : int
        How many there are, and how many are drawn each time.
    n_samples : int
        How many times.
    seed : int
        With `n_clusters` it decides the draws.

    Returns
    -------
    array of shape (n_samples, n_clusters)
        Float64 whole numbers; each row is multinomial and adds up to `n_clusters`.
    """
    generator = np.random.default_rng((seed, n_clusters))
    drawn = generator.integers(n_clusters, size=(n_samples, n_clusters))
    drawn += n_clusters * np.arange(n_samples)[:, np.newaxis]
    counts = np.bincount(drawn.ravel(), minlength=n_samples * n_clusters)
    return counts.reshape(n_samples, n_clusters).astype(np.float64)


def _estimates(
    sums: FloatArray,
    sizes: npt.NDArray[np.uint32],
    n_values: int,
    statistic: Statistic,
    n_samples: int,
    seed: int,
) -> FloatArray:
    """Value, lower and upper limit: shape (3, n_groups, n_values)."""
    starts = np.cumsum(sizes, dtype=np.int64) - sizes
    limits = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    estimates = np.full((3, len(sizes), n_values), np.nan)
    for size in np.unique(sizes):
        n_clusters = int(size)
        draws = cluster_weights(n_clusters, n_samples=n_samples, seed=seed)
        # The first "draw" takes each cluster once: the estimate itself.
        weights = np.vstack([np.ones(n_clusters), draws]).T
        groups = np.flatnonzero(sizes == size)
        for chunk in np.split(groups, range(_CHUNK, len(groups), _CHUNK)):
            cells = starts[chunk][:, np.newaxis] + np.arange(n_clusters)
            summands = _exactly_summable(sums[:, cells])
            drawn = summands.reshape(-1, n_clusters) @ weights
            values = statistic(drawn.reshape(len(sums), len(chunk), -1))
            estimates[0, chunk] = values[..., 0].T
            if n_clusters > 1:
                interval = np.quantile(values[..., 1:], limits, axis=-1)
                estimates[1:, chunk] = interval.swapaxes(1, 2)
    return estimates


def _exactly_summable(values: FloatArray) -> FloatArray:
    """Round values of the last axis so that drawn sums of them round nothing.

    The matrix product adds in an order that varies with threads and shapes. Multiples
    of a common power of two, of 52 bits in all, add up alike in any order (Demmel &
    Nguyen, "Fast Reproducible Floating-Point Summation", IEEE ARITH 2013).
    """
    largest = np.abs(values).max(axis=-1, keepdims=True)
    _, exponent = np.frexp(values.shape[-1] * largest)
    return np.ldexp(np.rint(np.ldexp(values, 52 - exponent)), exponent - 52)
