"""Lags where the calendar is uneven, counted by hand."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import polars as pl
import pytest

from pipeline.panel.periods import Every, Time
from pipeline.transforms.lag_columns import Config, lag_columns


def days(*texts: str) -> list[Time]:
    return [date.fromisoformat(text) for text in texts]


def hours(first: str, n: int) -> list[Time]:
    start = datetime.fromisoformat(first).astimezone(UTC)
    return [start + timedelta(hours=i) for i in range(n)]


class Case(NamedTuple):
    """Rows of one unit, and the number of the row that each has its lag of."""

    every: Every
    lag: int
    times: Sequence[Time]
    expected: Sequence[int | None]


CASES = {
    "leap day": Case(
        "1d",
        1,
        days("2020-02-28", "2020-02-29", "2020-03-01"),
        [None, 0, 1],
    ),
    "no leap day": Case("1d", 1, days("2021-02-28", "2021-03-01"), [None, 0]),
    "a year of days over a leap day": Case(
        "1d",
        365,
        days("2020-02-28", "2021-02-27", "2021-02-28"),
        [None, 0, None],
    ),
    "week 53": Case(
        "1w",
        1,
        days("2020-12-21", "2020-12-28", "2021-01-04", "2021-01-11"),
        [None, 0, 1, 2],
    ),
    "52 weeks over a week 53": Case(
        "1w",
        52,
        days("2019-12-30", "2020-01-06", "2020-12-28", "2021-01-04"),
        [None, None, 0, 1],
    ),
    "two weeks": Case(
        "2w",
        1,
        days("2020-12-21", "2021-01-04", "2021-02-01"),
        [None, 0, None],
    ),
    "months of 28 to 31 days": Case(
        "1mo",
        1,
        days("2021-01-01", "2021-02-01", "2021-03-01", "2021-04-01"),
        [None, 0, 1, 2],
    ),
    "the season of months": Case(
        "1mo",
        12,
        days("2019-02-01", "2020-02-01", "2020-03-01", "2021-02-01"),
        [None, 0, None, 1],
    ),
    "quarters over New Year": Case(
        "1q",
        1,
        days("2020-07-01", "2020-10-01", "2021-01-01", "2021-07-01"),
        [None, 0, 1, None],
    ),
    "the season of quarters": Case(
        "1q", 4, days("2020-10-01", "2021-10-01"), [None, 0]
    ),
    "years": Case(
        "1y", 1, days("2019-01-01", "2020-01-01", "2022-01-01"), [None, 0, None]
    ),
    "five years": Case(
        "5y",
        1,
        days("2000-01-01", "2005-01-01", "2015-01-01", "2020-01-01"),
        [None, 0, None, 2],
    ),
    # In Berlin it was 2 o'clock twice on 25 October, and never on 29 March.
    "an hour that comes twice": Case(
        "1h",
        1,
        hours("2020-10-25T01:00+02:00", 4),
        [None, 0, 1, 2],
    ),
    "an hour that is left out": Case(
        "1h",
        1,
        [
            datetime.fromisoformat(text).astimezone(UTC)
            for text in ("2020-03-29T01:00+01:00", "2020-03-29T03:00+02:00")
        ],
        [None, 0],
    ),
    "a day of 25 hours": Case(
        "1h",
        24,
        [
            datetime.fromisoformat(text).astimezone(UTC)
            for text in ("2020-10-24T12:00+02:00", "2020-10-25T11:00+01:00")
        ],
        [None, 0],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_lag_is_that_of_the_calendar(name: str) -> None:
    every, n, times, expected = CASES[name]
    df = pl.DataFrame({"day": times}).with_columns(unit=1, n=pl.int_range(pl.len()))
    config = Config(
        keys=["unit"],
        time="day",
        every=every,
        columns=["n"],
        periods=n,
        by="calendar",
        suffix="_lag",
    )
    shuffled = df.sample(fraction=1, shuffle=True, seed=1)
    result = lag_columns(shuffled.lazy(), config).collect()
    assert result["day"].to_list() == [*times]
    assert result["n_lag"].to_list() == [*expected]
