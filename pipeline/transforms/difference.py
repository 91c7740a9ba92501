"""A column that is one column less another."""

import polars as pl

from pipeline.config import BaseConfig
from pipeline.panel.split import ROW_WISE, Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `difference`."""

    minuend: str
    subtrahend: str
    column: str


def difference(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Add ``column = minuend - subtrahend``, such as profit = charge - cost.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `minuend` and `subtrahend`, numeric, of the same unit.
    config : Config
        The two columns and the name of the new one.

    Returns
    -------
    pl.LazyFrame
        One column more, in the unit of the two; null where either is null.
    """
    value = pl.col(config.minuend) - pl.col(config.subtrahend)
    return lf.with_columns(value.alias(config.column))


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE
