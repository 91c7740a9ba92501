from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd
import polars as pl
import pytest

from pipeline.errors import SchemaError
from pipeline.panel.periods import Every
from pipeline.transforms.holiday_columns import Config, holiday_columns, past

HOLIDAYS = pl.LazyFrame(
    {"day": [date(2024, 12, 25), date(2024, 12, 26), date(2025, 1, 1), None]}
)


def made(times: list[Any], every: Every, holidays: pl.LazyFrame) -> list[Any]:
    config = Config(time="at", every=every, day="day", n_holidays="n", days_to="to")
    assert past(config) == ["n", "to"]
    return (
        holiday_columns(pl.LazyFrame({"at": times}), holidays, config).collect().rows()
    )


def test_months_count_their_holidays_and_the_days_from_their_first() -> None:
    times = [date(2025, 2, 1), date(2024, 11, 1), date(2024, 12, 1), None]
    twice = pl.concat([HOLIDAYS, HOLIDAYS])
    assert made(times, "1mo", twice) == [
        (None, None, None),
        (date(2024, 11, 1), 0, 54),
        (date(2024, 12, 1), 2, 24),
        (date(2025, 2, 1), 0, None),
    ]


def test_days_equal_those_of_pandas() -> None:
    times = [datetime(2024, 12, 20, 5) + timedelta(hours=31 * i) for i in range(12)]
    days = [day for day in HOLIDAYS.collect()["day"] if day]
    normal = pd.Series(times).dt.normalize()
    following = [
        min(((day - at.date()).days for day in days if day >= at.date()), default=None)
        for at in normal
    ]
    counted = [int(at.date() in days) for at in normal]
    assert made(times, "1d", HOLIDAYS) == list(
        zip(times, counted, following, strict=True)
    )


def test_what_is_no_date_is_refused_before_data_are_read() -> None:
    texts = HOLIDAYS.cast(pl.String)
    with pytest.raises(SchemaError, match="'day' is String, expected dates"):
        made([date(2024, 1, 1)], "1d", texts)
    with pytest.raises(SchemaError, match="'at' is Int64"):
        made([2024], 1, HOLIDAYS)
    with pytest.raises(SchemaError, match="`every: 1h` counts datetimes"):
        made([datetime(2024, 1, 1)], "1h", HOLIDAYS)
