"""Holidays of a table: how many lie in a period, and how far the next one is."""

import polars as pl
import polars.selectors as cs

from pipeline.config import BaseConfig
from pipeline.errors import SchemaError
from pipeline.panel.keys import WORKING, left_join
from pipeline.panel.periods import Every, label, number, time_dtype

_PERIOD = f"{WORKING}period"
_FIRST = f"{WORKING}first"
_NEXT = f"{WORKING}next"


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `holiday_columns`."""

    time: str
    every: Every
    day: str
    """Column of dates of the second input."""
    n_holidays: str
    """Name of the number of holidays in the period."""
    days_to: str
    """Name of the days from the period's first to the next holiday."""


def holiday_columns(
    lf: pl.LazyFrame, holidays: pl.LazyFrame, config: Config
) -> pl.LazyFrame:
    """Count the holidays of each row's period, and the days to the next one.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `time`, a Date or Datetime.
    holidays : pl.LazyFrame
        Holds `day`, a Date; one that is there twice counts once.
    config : Config
        Columns and names; a period is a day or more.

    Returns
    -------
    pl.LazyFrame
        Two Int64 columns more: holidays in the period, and days from its first to the
        first holiday that is not before, 0 on one; null after the last, and without a
        time. Sorted by `time`.

    Raises
    ------
    SchemaError
        If `day` is no date.
    """
    dtype = time_dtype(holidays, config.day)
    if dtype != pl.Date:
        raise SchemaError(
            f"holidays: '{config.day}' is {dtype}, expected dates\n"
            "hint: give the column the kind date"
        )
    time = _date(lf, config.time)
    days = holidays.select(pl.col(config.day).alias(_NEXT)).drop_nulls().unique()

    def numbered(rows: pl.LazyFrame, time: pl.Expr) -> pl.LazyFrame:
        period = number(time, config.every, pl.Date())
        return rows.with_columns(period.cast(pl.Int64).alias(_PERIOD))

    counts = (
        numbered(days, pl.col(_NEXT))
        .group_by(_PERIOD)
        .agg(pl.len().cast(pl.Int64).alias(config.n_holidays))
    )
    first = label(pl.col(_PERIOD), config.every, pl.Date()).alias(_FIRST)
    n_holidays = pl.when(pl.col(_PERIOD).is_not_null()).then(
        pl.col(config.n_holidays).fill_null(0)
    )
    rows = numbered(lf.sort(config.time), time).with_columns(first)
    return (
        left_join(rows, counts, [_PERIOD])
        .join_asof(
            days.sort(_NEXT),
            left_on=_FIRST,
            right_on=_NEXT,
            strategy="forward",
            coalesce=False,
            check_sortedness=False,
        )
        .with_columns(
            n_holidays.alias(config.n_holidays),
            (pl.col(_NEXT) - pl.col(_FIRST)).dt.total_days().alias(config.days_to),
        )
        .drop(cs.starts_with(WORKING))
    )


def past(config: Config) -> list[str]:
    """Name the columns that are added: a calendar is known before its periods."""
    return [config.n_holidays, config.days_to]


def _date(lf: pl.LazyFrame, time: str) -> pl.Expr:
    """Take the day of a time.

    Raises
    ------
    SchemaError
        If it has none.
    """
    dtype = time_dtype(lf, time)
    if not dtype.is_temporal():
        raise SchemaError(
            f"holidays are of dates, and '{time}' is {dtype}\n"
            "hint: give the column the kind date or datetime"
        )
    return pl.col(time).dt.date()
