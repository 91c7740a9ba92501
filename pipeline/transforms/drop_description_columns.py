"""Leave out the columns that describe codes in words."""

import polars as pl
import polars.selectors as cs

from pipeline.config import BaseConfig
from pipeline.panel.split import ROW_WISE, Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `drop_description_columns`."""

    suffix: str


def drop_description_columns(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Drop the columns whose name ends in a suffix.

    Parameters
    ----------
    lf : pl.LazyFrame
        Any columns.
    config : Config
        The suffix.

    Returns
    -------
    pl.LazyFrame
        The same rows; none of the dropped columns is read from the source.
    """
    return lf.select(~cs.ends_with(config.suffix))


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE
