"""A column that is the product of two others."""

import polars as pl

from pipeline.config import BaseConfig
from pipeline.panel.split import ROW_WISE, Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `product`."""

    factor: str
    by: str
    column: str


def product(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Add ``column = factor x by``, such as revenue = price x quantity.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `factor` and `by`, numeric.
    config : Config
        The two columns and the name of the new one.

    Returns
    -------
    pl.LazyFrame
        One column more; null where either factor is null.
    """
    return lf.with_columns(
        (pl.col(config.factor) * pl.col(config.by)).alias(config.column)
    )


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE
