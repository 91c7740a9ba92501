"""The period that a moment lies in."""

import polars as pl

from pipeline.config import BaseConfig
from pipeline.panel.periods import Every, label, number, time_dtype
from pipeline.panel.split import ROW_WISE, Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `to_period`."""

    time: str
    every: Every
    column: str
    """Name of the period; that of `time` if it takes its place."""


def to_period(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Say the period of each row by its first time.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `time`, a whole number, Date or Datetime.
    config : Config
        Time, length of a period, and name.

    Returns
    -------
    pl.LazyFrame
        With `column`, of the dtype of `time`: the first day of a month, the Monday of a
        week; null where time is.
    """
    dtype = time_dtype(lf, config.time)
    period = number(config.time, config.every, dtype)
    return lf.with_columns(label(period, config.every, dtype).alias(config.column))


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE
