"""Columns that SQL expressions make of the row's others."""

from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.panel.rowwise import refuse_other_rows
from pipeline.panel.split import ROW_WISE, Split

_MADE = "derived by an expression"


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `derive`."""

    columns: Annotated[dict[str, str], Meta(min_length=1)]
    """An SQL expression per name; one may use those above it."""

    def __post_init__(self) -> None:
        """Refuse aggregates and windows."""
        for sql in self.columns.values():
            refuse_other_rows(sql)


def derive(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Add columns, or replace them, each by an expression of its row.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds what the expressions name.
    config : Config
        The expressions, in Polars' SQL.

    Returns
    -------
    pl.LazyFrame
        The same rows, with the columns.
    """
    for name, sql in config.columns.items():
        made = lf.sql(f'SELECT *, ({sql}) AS "{_MADE}" FROM self')
        lf = made.with_columns(pl.col(_MADE).alias(name)).drop(_MADE)
    return lf


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE
