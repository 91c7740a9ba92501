"""Time counted in periods: one after the other, whatever the length of a month.

A panel's time is a whole number, a date or a datetime; a period is so many of the first
(``every: 5``), or so many units of the others (``every: 1mo``). Each period has a
number, one more than that of the period before. A column of time has one value for a
period, its label: of years, quarters and months the first day.
"""

import re
from datetime import date, datetime
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

import polars as pl
from msgspec import Meta

from pipeline.errors import ConfigError, SchemaError

Every: TypeAlias = Annotated[
    Annotated[int, Meta(ge=1)]
    | Annotated[str, Meta(pattern=r"^[1-9]\d*(y|q|mo|w|d|h)$")],
    Meta(description="a whole number, or 1y, 1q, 1mo, 1w, 1d, 1h or n of one of these"),
]
"""Length of a period: whole numbers of time, or years, quarters, months, ISO weeks,
which begin on Monday, days or hours, as in ``3mo``."""

Time: TypeAlias = int | date | datetime
"""Of a period."""

_HOUR_US = 3_600_000_000
_MONTHS = {"y": 12, "q": 3, "mo": 1}
_FIRST_MONDAY = -3
"""In days since 1970-01-01, a Thursday."""


def time_dtype(lf: pl.LazyFrame, time: str) -> pl.DataType:
    """Look up what time is in a frame; Polars says which column is not there."""
    return lf.select(time).collect_schema()[time]


def number(time: str | pl.Expr, every: Every, dtype: pl.DataType) -> pl.Expr:
    """Count the periods up to a time's own; the next period's number is one more.

    Parameters
    ----------
    time : str or pl.Expr
        Column of that `dtype`: an integer, Date or Datetime. A zone's clock is UTC's.
    every : Every
        Years, quarters and months are counted from January of the year 0, weeks from
        Monday, so that 4mo are January to April.

    Returns
    -------
    pl.Expr
        Int64, or the column as it is where each whole number is a period; null where
        time is.

    Raises
    ------
    SchemaError
        If such a column does not go in such periods.
    """
    n, unit = _parts(every, dtype)
    expr = pl.col(time) if isinstance(time, str) else time
    if not unit:
        return expr if n == 1 else expr.cast(pl.Int64) // n
    if unit in _MONTHS:
        months = expr.dt.year().cast(pl.Int64) * 12 + expr.dt.month() - 1
        return months // (_MONTHS[unit] * n)
    if unit == "h":
        return expr.cast(pl.Datetime("us")).cast(pl.Int64) // (_HOUR_US * n)
    days = expr.dt.date().cast(pl.Int32).cast(pl.Int64)
    return (days - _FIRST_MONDAY) // (7 * n) if unit == "w" else days // n


def label(number: pl.Expr, every: Every, dtype: pl.DataType) -> pl.Expr:
    """Return a period's first time, of that dtype: the way back from `number`."""
    n, unit = _parts(every, dtype)
    if not unit:
        return number if n == 1 else (number * n).cast(dtype)
    if unit in _MONTHS:
        months = number * (_MONTHS[unit] * n)
        first = pl.date(months // 12, months % 12 + 1, 1)
        return first.cast(dtype).alias(number.meta.output_name())
    if unit == "h":
        return _moment(number * (_HOUR_US * n), dtype)
    days = number * (7 * n) + _FIRST_MONDAY if unit == "w" else number * n
    first = days.cast(pl.Int32).cast(pl.Date)
    return first if dtype == pl.Date else _moment(first.cast(pl.Datetime("us")), dtype)


def moved(
    time: str | pl.Expr, periods: int, every: Every, dtype: pl.DataType
) -> pl.Expr:
    """Return the time so many periods later, or before if `periods` is below 0.

    Of the column's dtype. Of months it is the same day, which each of them must have:
    labels are the first.
    """
    n, unit = _parts(every, dtype)
    expr = pl.col(time) if isinstance(time, str) else time
    if not unit:
        return (expr + periods * n).cast(dtype)
    return expr.dt.offset_by(f"{periods * n}{unit}")


def later(time: Time, periods: int, every: Every) -> Time:
    """Return the time so many periods later than one; see `moved`."""
    values = pl.Series([time])
    return values.to_frame("t").select(moved("t", periods, every, values.dtype)).item()


def parsed(value: int | str, dtype: pl.DataType) -> Time:
    """Read a time as a configuration writes it: a number, or as ISO writes dates.

    Raises
    ------
    ConfigError
        If it is none of the dtype's.
    """
    try:
        if dtype == pl.Date:
            return date.fromisoformat(str(value))
        if isinstance(dtype, pl.Datetime):
            zone = ZoneInfo(dtype.time_zone) if dtype.time_zone else None
            return datetime.fromisoformat(str(value)).replace(tzinfo=zone)
        return int(value)
    except ValueError:
        raise ConfigError(
            f"'{value}' is no time of the panel, which has {dtype}\n"
            "hint: write numbers as they are, and dates as 2015-03-31"
        ) from None


def written(time: Time) -> int | str:
    """Write a time as `parsed` reads it."""
    return time if isinstance(time, int) else time.isoformat()


def _moment(us: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Make a Datetime of microseconds since 1970."""
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    moment = us.cast(pl.Datetime("us"))
    return (moment.dt.replace_time_zone(zone) if zone else moment).cast(dtype)


def _parts(every: Every, dtype: pl.DataType) -> tuple[int, str]:
    """Split a length into how many and of what; '' is whole numbers."""
    if isinstance(every, int):
        if dtype.is_integer() or dtype == pl.Null:
            return every, ""
        expected = "whole numbers"
    else:
        parts = re.fullmatch(r"(\d+)([a-z]+)", every)
        assert parts, "settings are checked by `Every`"
        is_moment = isinstance(dtype, pl.Datetime)
        if is_moment or (dtype == pl.Date and parts[2] != "h"):
            return int(parts[1]), parts[2]
        expected = "datetimes" if parts[2] == "h" else "dates or datetimes"
    raise SchemaError(
        f"`every: {every}` counts {expected}, and time is {dtype}\n"
        "hint: `panel.every` is a whole number of a time of whole numbers, such as 1"
        " of years, and 1y, 1q, 1mo, 1w, 1d or 1h of one of dates"
    )
