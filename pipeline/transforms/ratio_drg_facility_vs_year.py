"""How much of a year's range of categories an entity covers."""

from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.panel import left_join


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `ratio_drg_facility_vs_year`."""

    time: str
    entity: str
    category: str
    entity_count: str
    time_count: str
    ratio: str
    lag: Annotated[int, Meta(ge=0)]
    """Take the figures of so many periods before; 0 leaks those of the row's own."""
    suffix: str
    """Appended to the three names if `lag` is not 0, with ``{}`` for the lag."""


def ratio_drg_facility_vs_year(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Count the distinct categories per entity and per period, and divide them.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `time` (integer), `entity` and `category` (any dtype).
    config : Config
        Columns, lag and names.

    Returns
    -------
    pl.LazyFrame
        Three columns more: the two counts (Int64) and their ratio (Float64, in 0..1),
        as of `lag` periods before; null where the entity (for the period's count: any)
        had no row then. In the order of `lf`.
    """
    lag = config.suffix.format(config.lag) if config.lag else ""
    entity_count, time_count = config.entity_count + lag, config.time_count + lag
    per_entity = _count([config.time, config.entity], lf, entity_count, config)
    per_period = _count([config.time], lf, time_count, config)
    counted = left_join(lf, per_entity, [config.time, config.entity])
    ratio = pl.col(entity_count) / pl.col(time_count)
    return left_join(counted, per_period, [config.time]).with_columns(
        ratio.alias(config.ratio + lag)
    )


def _count(
    keys: list[str], lf: pl.LazyFrame, name: str, config: Config
) -> pl.LazyFrame:
    """Count the distinct categories per group, dated when they are used."""
    seen = lf.select(*keys, config.category).unique()
    counts = seen.group_by(keys).agg(pl.len().cast(pl.Int64).alias(name))
    return counts.with_columns(pl.col(config.time) + config.lag)
