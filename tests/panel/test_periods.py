"""Periods are counted by hand-worked calendars, and against the standard library's."""

from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SchemaError
from pipeline.panel.periods import Every, Time, label, later, moved, number

DATES = st.dates(date(1600, 1, 1), date(2399, 12, 31))


def numbers(times: list[Time | None], every: Every) -> list[int | None]:
    """Count the periods of some times."""
    values = pl.Series("t", times)
    return values.to_frame().select(number("t", every, values.dtype))["t"].to_list()


def labels(times: list[Time], every: Every) -> list[Time]:
    """Label the periods of some times."""
    values = pl.Series("t", times)
    numbered = number("t", every, values.dtype)
    made = values.to_frame().select(label(numbered, every, values.dtype))
    assert made.schema == {"t": values.dtype}
    return made["t"].to_list()


@pytest.mark.parametrize(
    ("every", "before", "after", "label_"),
    [
        ("1mo", date(2020, 2, 29), date(2020, 3, 31), date(2020, 3, 1)),
        ("1mo", date(1999, 12, 31), date(2000, 1, 1), date(2000, 1, 1)),
        ("1q", date(2020, 3, 31), date(2020, 4, 1), date(2020, 4, 1)),
        ("1y", date(1899, 12, 31), date(1900, 2, 28), date(1900, 1, 1)),
        # 2020 had 53 ISO weeks; the last is from 28 December to 3 January.
        ("1w", date(2021, 1, 3), date(2021, 1, 4), date(2021, 1, 4)),
        ("1w", date(2020, 12, 27), date(2021, 1, 3), date(2020, 12, 28)),
        ("1d", date(2020, 2, 28), date(2020, 2, 29), date(2020, 2, 29)),
        ("4mo", date(2020, 4, 30), date(2020, 8, 31), date(2020, 5, 1)),
        ("5y", date(2019, 12, 31), date(2024, 12, 31), date(2020, 1, 1)),
        (
            "1h",
            datetime(1969, 12, 31, 23, 59, 59),
            datetime(1970, 1, 1, 0, 59),
            datetime(1970, 1, 1),
        ),
        (
            "6h",
            datetime(2021, 3, 28, 5, 59),
            datetime(2021, 3, 28, 6),
            datetime(2021, 3, 28, 6),
        ),
        (1, 2015, 2016, 2016),
        (5, 2014, 2019, 2015),
    ],
)
def test_the_next_period_counts_one_more_and_begins_at_its_label(
    every: Every, before: Time, after: Time, label_: Time
) -> None:
    first, second, none = numbers([before, after, None], every)
    assert (first, none) == ((second or 0) - 1, None)
    assert labels([after], every) == [label_]


@given(DATES)
def test_weeks_are_those_of_iso_and_months_those_of_the_calendar(day: date) -> None:
    monday = day - timedelta(days=day.isoweekday() - 1)
    assert labels([day], "1w") == [monday]
    assert labels([day], "1mo") == [day.replace(day=1)]
    first = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    assert labels([day], "1q") == [first]


@given(DATES, st.sampled_from(["1y", "1q", "1mo", "1w", "1d", "2mo", "3w", 1, 5]))
def test_a_label_moves_to_the_label_so_many_periods_later(
    day: date, every: Every
) -> None:
    time = day.year if isinstance(every, int) else day
    [start] = labels([time], every)
    for periods in (-3, 1, 7):
        there = later(start, periods, every)
        [here, moved_to] = numbers([start, there], every)
        assert (moved_to or 0) - (here or 0) == periods
        assert labels([there], every) == [there]


@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize("every", ["1h", "1d", "1w", "1mo", "1y"])
def test_datetimes_keep_their_unit_and_zone(zone: str | None, every: str) -> None:
    dtype = pl.Datetime("ms", zone)
    times = pl.Series("t", [datetime(2021, 3, 28, 1, 30)]).cast(pl.Datetime("ms"))
    df = times.dt.replace_time_zone(zone).to_frame()
    made = df.select(
        label(number("t", every, dtype), every, dtype),
        moved("t", 1, every, dtype).alias("next"),
    )
    assert made.schema == {"t": dtype, "next": dtype}


@pytest.mark.parametrize(
    ("every", "dtype", "counts"),
    [
        ("1mo", pl.Int32(), "dates or datetimes"),
        (1, pl.Date(), "whole numbers"),
        ("1h", pl.Date(), "datetimes"),
        (1, pl.String(), "whole numbers"),
    ],
)
def test_time_that_does_not_go_in_such_periods_is_refused(
    every: Every, dtype: pl.DataType, counts: str
) -> None:
    with pytest.raises(SchemaError, match=f"`every: {every}` counts {counts}, and"):
        number("t", every, dtype)
