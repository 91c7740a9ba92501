"""Dates and times as they are written: in ISO 8601, or by a format of `strftime`."""

from datetime import UTC, datetime
from functools import cache

import polars as pl
from polars.exceptions import PolarsError

OFFSET = "%+"
"""The format of ISO 8601 with an offset from UTC."""

_FIRST_YEAR = 1000
"""Of four digits: Polars takes 15 for a year, too."""

_ISO_TIME = (
    r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:[0-5]\d(?:[.,]\d{1,6})?)?0*)?"
    r"(Z|[+-]\d{2}(?::?\d{2})?)?$"
)

_QUARTERS = {"Q1": "Q01", "Q2": "Q04", "Q3": "Q07", "Q4": "Q10"}


def tells_offset(form: str) -> bool:
    """Tell whether a format says how far from UTC a time is."""
    return any(part in form for part in ("%z", "%:z", "%#z", OFFSET))


def read_date(cell: pl.Expr, form: str | None) -> pl.Expr:
    """Read dates, of which a time of midnight may follow in ISO 8601.

    A month, a week (``%G-W%V``) and a quarter (``%YQ%q``, behind a Q) are their first
    days. Null where a cell is none, or its year not of four digits.
    """
    if form is None:
        form = "%Y-%m-%d"
        # NOTE: Nearly all are days alone, and a pattern costs as much as to read one.
        longer = pl.when(cell.str.len_bytes() > len("2015-01-31")).then(cell)
        day = longer.str.replace(r"[T ]00:00(:00(\.0+)?)?$", "")
        cell = pl.coalesce(day, cell)
    if "Q%q" in form:
        cell = cell.str.replace_many(_QUARTERS)
        form = form.replace("%q", "%m")
    if "%V" in form and "%u" not in form:
        cell, form = cell + pl.lit(" 1"), f"{form} %u"
    return _of_four_digits(cell.str.to_date(form, strict=False))


def read_datetime(cell: pl.Expr, form: str | None) -> pl.Expr:
    """Read times to the microsecond, of which a date alone is its midnight.

    Where the format tells an offset they are in UTC, else without a zone. Null where a
    cell is none, has an offset and should not, or the other way round.
    """
    if form not in (None, OFFSET):
        value = cell.str.to_datetime(form, strict=False, time_unit="us")
        return _of_four_digits(value)
    parts = cell.str.extract_groups(_ISO_TIME).struct
    day, minute, second, offset = (parts.field(str(i)) for i in range(1, 5))
    text = pl.concat_str(
        day,
        pl.lit("T"),
        minute.fill_null("00:00"),
        second.fill_null(":00").str.replace(",", ".", literal=True),
    )
    if form is None:
        text = pl.when(offset.is_null()).then(text)
        form = "%Y-%m-%dT%H:%M:%S%.f"
    else:
        zone = (
            offset.str.replace("Z", "+00:00", literal=True)
            .str.replace(r"^([+-]\d\d)$", "$1:00")
            .str.replace(r"^([+-]\d\d)(\d\d)$", "$1:$2")
        )
        text = pl.concat_str(text, zone)
        form = "%Y-%m-%dT%H:%M:%S%.f%:z"
    return _of_four_digits(text.str.to_datetime(form, strict=False, time_unit="us"))


@cache
def reads_its_own(form: str, *, is_time: bool) -> bool:
    """Tell whether a moment that is written in a format is read back from it."""
    at = pl.Series([datetime(2014, 11, 23, 14, 5, 7, tzinfo=UTC)])
    if not (is_time and tells_offset(form)):
        at = at.dt.replace_time_zone(None)
    read = read_datetime if is_time else read_date
    try:
        written = (at if is_time else at.dt.date()).dt.strftime(form)
        value = pl.select(read(pl.lit(written), form)).to_series()
        is_same = value.dt.strftime(form).equals(written)
        return is_same and value.dt.year().item() == at.dt.year().item()
    except PolarsError:
        return False


def _of_four_digits(value: pl.Expr) -> pl.Expr:
    """Drop dates of years that are written with less than four digits, or more."""
    return pl.when(value.dt.year().is_between(_FIRST_YEAR, 9999)).then(value)
