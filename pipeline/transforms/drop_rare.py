"""Leave out categories with too few cases to learn from."""

from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.panel.periods import Every, number, time_dtype
from pipeline.panel.split import Fact, Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `drop_rare`."""

    category: str
    weight: str
    time: str
    every: Every
    min_total: Annotated[int, Meta(ge=0)]
    """A category stays if its summed weight is greater; this total itself goes."""
    reference_periods: Annotated[int, Meta(ge=1)] | None
    """Sum over the first periods of the panel only; null sums over all (a leak)."""


def drop_rare(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Keep the categories whose weight in a reference window is above a threshold.

    With a reference window at the start of the panel, which rows are kept in a later
    year does not depend on that year or on any after it.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `category` (any dtype), `weight` (integers) and `time`.
    config : Config
        Columns, threshold and window.

    Returns
    -------
    pl.LazyFrame
        The rows of the kept categories, in any order; a null category goes.
    """
    return _keep(lf, _common(_totals(lf, config), config), config)


def split(config: Config) -> Split:
    """Any row may be apart; which categories are common, all rows tell."""
    return Split(fact=Fact(_totals, _common, _keep, groups=(config.category,)))


def _totals(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Sum the weight per category and period."""
    return lf.group_by(config.category, config.time).agg(pl.col(config.weight).sum())


def _common(totals: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Choose the categories by their weight in the reference window."""
    if config.reference_periods is not None:
        period = number(config.time, config.every, time_dtype(totals, config.time))
        totals = totals.filter(period < period.min() + config.reference_periods)
    total = totals.group_by(config.category).agg(pl.col(config.weight).sum())
    return total.filter(pl.col(config.weight) > config.min_total)


def _keep(lf: pl.LazyFrame, common: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Keep the rows of the chosen categories."""
    return lf.join(common, on=config.category, how="semi")
