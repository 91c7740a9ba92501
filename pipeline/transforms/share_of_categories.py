"""How much of a period's range of categories an entity covers."""

import polars as pl

from pipeline.panel.keys import left_join
from pipeline.panel.past import dated
from pipeline.panel.periods import moved, time_dtype
from pipeline.panel.split import Fact, Split
from pipeline.transforms import LaggedConfig


class Config(LaggedConfig, frozen=True, kw_only=True):
    """Settings of `share_of_categories`."""

    entity: str
    category: str
    entity_count: str
    time_count: str
    ratio: str


def share_of_categories(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Count the distinct categories per entity and per period, and divide them.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `time`, `entity` and `category` (any dtype).
    config : Config
        Columns, lag and names.

    Returns
    -------
    pl.LazyFrame
        Three columns more: the two counts (Int64) and their ratio (Float64, in 0..1),
        as of `lag` periods before; null where the entity (for the period's count: any)
        had no row then. In the order of `lf`.
    """
    return _with_ratio(lf, _per_period(_seen(lf, config), config), config)


def lookback(config: Config) -> dict[str, range]:
    """Say that the figures are of one period."""
    n = config.back(config.lag)
    return dict.fromkeys(_names(config), range(n, n + 1))


def split(config: Config) -> Split:
    """Keep an entity whole, or its period; a period's categories, all rows tell."""
    # Figures of periods before are found where these are.
    keys = (config.entity,) if config.lag else (config.entity, config.time)
    return Split(keys, Fact(_seen, _per_period, _with_ratio))


def past(config: Config) -> list[str]:
    """Name the figures, unless they are of the row's own period."""
    return _names(config) if config.lag else []


def _names(config: Config) -> list[str]:
    """Name the two counts and the ratio by the periods they lie back."""
    names = (config.entity_count, config.time_count, config.ratio)
    return [dated(name, config.suffix, config.lag) for name in names]


def _seen(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """List the categories of each period."""
    return lf.select(config.time, config.category).unique()


def _per_period(seen: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Count the categories of each period."""
    return _count([config.time], seen, _names(config)[1], config)


def _with_ratio(
    lf: pl.LazyFrame, per_period: pl.LazyFrame, config: Config
) -> pl.LazyFrame:
    """Add both counts and their ratio."""
    keys = [config.time, config.entity]
    entity_count, time_count, ratio = _names(config)
    per_entity = _count(keys, lf, entity_count, config)
    counted = left_join(left_join(lf, per_entity, keys), per_period, [config.time])
    share = pl.col(entity_count) / pl.col(time_count)
    return counted.with_columns(share.alias(ratio))


def _count(
    keys: list[str], lf: pl.LazyFrame, name: str, config: Config
) -> pl.LazyFrame:
    """Count the distinct categories per group, dated when they are used."""
    seen = lf.select(*keys, config.category).unique()
    counts = seen.group_by(keys).agg(pl.len().cast(pl.Int64).alias(name))
    dtype = time_dtype(counts, config.time)
    return counts.with_columns(
        moved(config.time, config.back(config.lag), config.every, dtype)
    )
