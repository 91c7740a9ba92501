"""The rows of two inputs, one below the other."""

import polars as pl

from pipeline.config import BaseConfig
from pipeline.errors import SchemaError
from pipeline.panel.split import ROW_WISE, Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `concat`: there are none."""


def concat(lf: pl.LazyFrame, other: pl.LazyFrame, _: Config) -> pl.LazyFrame:
    """Put the rows of another input below.

    Parameters
    ----------
    lf : pl.LazyFrame
        Any columns.
    other : pl.LazyFrame
        The same columns in any order, of the same dtypes.

    Returns
    -------
    pl.LazyFrame
        All rows, in the column order of `lf`.

    Raises
    ------
    SchemaError
        If the columns are not the same.
    """
    ours, theirs = lf.collect_schema(), other.collect_schema()
    for name in [*ours, *theirs]:
        pair = [str(schema.get(name, "absent")) for schema in (ours, theirs)]
        if pair[0] != pair[1]:
            raise SchemaError(
                f"column '{name}' is {pair[0]} in the first input and {pair[1]} in the"
                " second\nhint: make the two alike before, as with `drop_columns`"
            )
    return pl.concat([lf, other.select(ours.names())])


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE
