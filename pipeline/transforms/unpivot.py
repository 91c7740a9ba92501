"""A wide table, with a column per period, made long."""

import re
from datetime import date, datetime
from typing import Annotated, Literal

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.errors import SchemaError
from pipeline.panel.split import ROW_WISE, Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `unpivot`."""

    columns: Annotated[
        str, Meta(pattern=r"\(", description="a regular expression with a group")
    ]
    """Regular expression of the columns' whole names; its first group is the time."""
    time: str
    kind: Literal["integer", "date"]
    """Of the time."""
    format: str
    """Of dates, as Python's strptime has it, such as %Y-%m."""
    value: str
    """Name of the values."""
    drop_nulls: bool
    """Leave out the rows without a value."""

    def __post_init__(self) -> None:
        """Refuse what is no regular expression."""
        try:
            re.compile(self.columns)
        except re.error as error:
            found = f"{self.columns!r}: {error}"
            raise ValueError(f"expected a regular expression, found {found}") from None


def unpivot(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Make a row of each cell of the columns that are named for a time.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds columns named for times, of dtypes with a common one; others stay.
    config : Config
        Which columns, and how their names are read.

    Returns
    -------
    pl.LazyFrame of shape (n_rows x n_times, n_others + 2)
        The other columns, then time (Int64 or Date) and value; in any order.

    Raises
    ------
    SchemaError
        If no column is named so, or a name tells no time, or two tell the same.
    """
    names = lf.collect_schema().names()
    found = {name: m[1] for name in names if (m := re.fullmatch(config.columns, name))}
    if not found:
        raise SchemaError(f"`columns: {config.columns}` is the name of no column")
    times = {name: _read(text, name, config) for name, text in found.items()}
    if len(set(times.values())) < len(times):
        raise SchemaError(f"`columns: {config.columns}` reads a time from two columns")
    dtype = pl.Int64() if config.kind == "integer" else pl.Date()
    made = lf.unpivot(
        [*times],
        index=[name for name in names if name not in times],
        variable_name=config.time,
        value_name=config.value,
    )
    time = pl.col(config.time).replace_strict(
        [*times], [*times.values()], return_dtype=dtype
    )
    made = made.with_columns(time)
    return made.drop_nulls(config.value) if config.drop_nulls else made


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE


def _read(text: str, name: str, config: Config) -> int | date:
    """Read the time of a column's name."""
    try:
        if config.kind == "integer":
            return int(text)
        return datetime.strptime(text, config.format).date()  # noqa: DTZ007
    except (TypeError, ValueError):
        like = f" like {config.format}" if config.kind == "date" else ""
        raise SchemaError(
            f"column '{name}': '{text}' is no {config.kind}{like}\n"
            "hint: see `columns`, `kind` and `format`"
        ) from None
