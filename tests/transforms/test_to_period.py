from datetime import date, datetime

import polars as pl
import pytest

from pipeline.panel.periods import Every
from pipeline.transforms.to_period import Config, to_period


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        ("1y", date(2020, 1, 1)),
        ("1q", date(2020, 10, 1)),
        ("1mo", date(2020, 12, 1)),
        ("1w", date(2020, 12, 28)),  # the week 53 of 2020
        ("1d", date(2020, 12, 31)),
    ],
)
def test_a_day_lies_in_the_period_that_begins_before(
    every: Every, expected: date
) -> None:
    lf = pl.LazyFrame({"sold_on": [date(2020, 12, 31), None], "n": [1, 2]})
    config = Config(time="sold_on", every=every, column="period")
    made = to_period(lf, config).collect()
    assert made["period"].to_list() == [expected, None]
    assert made.columns == ["sold_on", "n", "period"]
    assert made.schema["period"] == pl.Date


def test_a_period_may_take_the_place_of_its_moment() -> None:
    moments = [datetime(2024, 2, 29, 23, 59), datetime(2024, 3, 1, 0, 0)]
    config = Config(time="at", every="1h", column="at")
    made = to_period(pl.LazyFrame({"at": moments}), config).collect()
    assert made["at"].to_list() == [m.replace(minute=0) for m in moments]


def test_whole_numbers_in_periods_of_several_begin_at_a_multiple() -> None:
    config = Config(time="year", every=5, column="period")
    made = to_period(pl.LazyFrame({"year": [1999, 2000, 2004, 2005]}), config)
    assert made.collect()["period"].to_list() == [1995, 2000, 2000, 2005]
