"""Where a period lies in the year, the week and the day."""

import math
from typing import Annotated, Literal, TypeAlias

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.errors import SchemaError
from pipeline.panel.periods import time_dtype
from pipeline.panel.split import ROW_WISE, Split

Part: TypeAlias = Literal["quarter", "month", "week", "weekday", "hour"]


_ROUND = {"quarter": 4, "month": 12, "week": 53, "weekday": 7, "hour": 24}


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `calendar_columns`."""

    time: str
    parts: Annotated[list[Part], Meta(min_length=1)]
    cyclic: bool
    """Give sine and cosine of each part, too, in which the last is near the first."""
    prefix: str


def calendar_columns(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Add parts of the calendar, which are known before the period is.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `time`, a Date or Datetime.
    config : Config
        Time, and which parts of it.

    Returns
    -------
    pl.LazyFrame
        Per part an Int64 ``{prefix}{part}``: quarter 1 to 4, month 1 to 12, ISO week 1
        to 53, weekday 1 (Monday) to 7, hour 0 to 23; if `cyclic`, Float64
        ``{prefix}{part}_sin`` and ``_cos`` of its place in the round of 4, 12, 53, 7
        and 24. Null where time is.

    Raises
    ------
    SchemaError
        If time is no date, or has no hours that are asked for.
    """
    dtype = time_dtype(lf, config.time)
    is_moment = isinstance(dtype, pl.Datetime)
    if not (is_moment or (dtype == pl.Date and "hour" not in config.parts)):
        expected = "datetimes" if "hour" in config.parts else "dates or datetimes"
        raise SchemaError(
            f"`parts` are of {expected}, and '{config.time}' is {dtype}\n"
            "hint: give the column the kind date or datetime under `columns`"
        )
    return lf.with_columns(
        expr
        for part in config.parts
        for expr in _columns(part, _value(part, config.time), config)
    )


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE


def _value(part: Part, time: str) -> pl.Expr:
    """Take a part of the calendar; Polars names them as we do."""
    return getattr(pl.col(time).dt, part)().cast(pl.Int64)


def _columns(part: Part, value: pl.Expr, config: Config) -> list[pl.Expr]:
    """Name a part, and its sine and cosine."""
    name = config.prefix + part
    angle = value * (2 * math.pi / _ROUND[part])
    cyclic = [angle.sin().alias(f"{name}_sin"), angle.cos().alias(f"{name}_cos")]
    return [value.alias(name), *(cyclic if config.cyclic else [])]
