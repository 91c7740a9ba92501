"""The size class of an entity among all entities of a period."""

from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.panel.keys import left_join
from pipeline.panel.past import dated
from pipeline.panel.periods import moved, time_dtype
from pipeline.panel.split import Fact, Split
from pipeline.transforms import LaggedConfig


class Config(LaggedConfig, frozen=True, kw_only=True):
    """Settings of `size_bin`."""

    entity: str
    weight: str
    n_bins: Annotated[int, Meta(ge=2, le=100)]
    column: str


def size_bin(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Cut the entities of each period into quantile bins of their total weight.

    Bins are closed on the right, the lowest edge is included, edges are linearly
    interpolated quantiles (Hyndman and Fan's type 7 [1]_) and equal edges are merged.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `time`, `weight` (integers) and `entity` (any dtype).
    config : Config
        Columns, number of bins, lag and names.

    Returns
    -------
    pl.LazyFrame
        One column more, Int64 in 0..n_bins-1, as of `lag` periods before; null where
        the entity had no row then. In the order of `lf`.

    References
    ----------
    .. [1] Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American
       Statistician 50(4), 1996.
    """
    return _with_bin(lf, _bins(_totals(lf, config), config), config)


def lookback(config: Config) -> dict[str, range]:
    """Say that the bin is of one period."""
    n = config.back(config.lag)
    return {dated(config.column, config.suffix, config.lag): range(n, n + 1)}


def split(_: Config) -> Split:
    """Any row may be apart; the entities' bins, all rows tell."""
    return Split(fact=Fact(_totals, _bins, _with_bin))


def past(config: Config) -> list[str]:
    """Name the bin, unless it is of the row's own period."""
    return [dated(config.column, config.suffix, config.lag)] if config.lag else []


def _totals(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Sum the weight per period and entity."""
    return lf.group_by(config.time, config.entity).agg(pl.col(config.weight).sum())


def _bins(totals: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Cut the entities of each period, dated when their bin is used."""
    total, dtype = pl.col(config.weight), time_dtype(totals, config.time)
    edges = [
        total.quantile(i / config.n_bins, interpolation="linear").over(config.time)
        for i in range(config.n_bins + 1)
    ]
    below = [edge < total for edge in edges]
    distinct = [
        below[0],
        *(
            is_below & (edge != previous)
            for is_below, edge, previous in zip(
                below[1:], edges[1:], edges, strict=False
            )
        ),
    ]
    # The lowest edge is below every other value, so it opens no bin of its own.
    bin_ = pl.sum_horizontal(edge.cast(pl.Int64) for edge in distinct) - 1
    return (
        totals.group_by(config.time, config.entity)
        .agg(total.sum())
        .select(
            moved(config.time, config.back(config.lag), config.every, dtype),
            config.entity,
            bin_.clip(lower_bound=0).alias(
                dated(config.column, config.suffix, config.lag)
            ),
        )
    )


def _with_bin(lf: pl.LazyFrame, bins: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Add each entity's bin."""
    return left_join(lf, bins, [config.time, config.entity])
