"""Columns that SQL expressions make of the row's others."""

from collections.abc import Mapping
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
    for group in _apart(config.columns):
        made = {f"{_MADE} {i}": name for i, name in enumerate(group)}
        sqls = zip(made, group.values(), strict=True)
        selected = ", ".join(f'({sql}) AS "{column}"' for column, sql in sqls)
        lf = (
            lf.sql(f"SELECT *, {selected} FROM self")
            .with_columns(pl.col(column).alias(name) for column, name in made.items())
            .drop(made)
        )
    return lf


def _apart(columns: Mapping[str, str]) -> list[dict[str, str]]:
    """Group expressions that follow one another and use none of their group's names.

    NOTE: What Polars takes to plan hundreds of nodes of hundreds of columns grows with
    the third power of their number: for 200 a minute.
    """
    groups: list[dict[str, str]] = [{}]
    for name, sql in columns.items():
        used = pl.sql_expr(sql).meta.root_names()
        if "self" in used or not groups[-1].keys().isdisjoint(used):
            groups.append({})
        groups[-1][name] = sql
    return [group for group in groups if group]


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE
