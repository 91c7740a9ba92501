"""Columns of another input's row of the same key."""

from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.panel.keys import left_join
from pipeline.panel.split import Split
from pipeline.panel.unique import added_columns, unique_by


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `join`."""

    keys: Annotated[list[str], Meta(min_length=1)]
    """Columns of both inputs, which name one row of the second."""
    columns: list[str] | None
    """Of the second input; null is all."""


def join(lf: pl.LazyFrame, other: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Add columns of the other input's row of the same keys: a left join.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds the keys.
    other : pl.LazyFrame
        Holds the keys, of the same dtypes, and at most one row of each: else the run
        fails and names one.
    config : Config
        Keys and columns.

    Returns
    -------
    pl.LazyFrame
        The rows of `lf` in their order, with the columns; null where there is no row
        of the keys.

    Raises
    ------
    SchemaError
        If a column is in both inputs, or a key is of another dtype there.
    """
    columns = added_columns(lf, other, config.keys, config.columns)
    added = unique_by(other.select(*config.keys, *columns), config.keys)
    return left_join(lf, added, config.keys)


def split(config: Config) -> Split:
    """Keep what has the same keys whole, in both inputs."""
    return Split(keys=tuple(config.keys))
