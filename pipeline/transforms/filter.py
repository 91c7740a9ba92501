"""The rows for which an SQL expression is true."""

import polars as pl

from pipeline.config import BaseConfig
from pipeline.panel.rowwise import refuse_other_rows
from pipeline.panel.split import ROW_WISE, Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `filter`."""

    where: str
    """An SQL expression of one row."""

    def __post_init__(self) -> None:
        """Refuse aggregates and windows."""
        refuse_other_rows(self.where)


def filter(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:  # noqa: A001
    """Keep the rows for which an expression is true.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds what the expression names.
    config : Config
        The expression, in Polars' SQL.

    Returns
    -------
    pl.LazyFrame
        Fewer rows; one for which the expression is null goes.
    """
    return lf.sql(f"SELECT * FROM self WHERE ({config.where})")


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE
