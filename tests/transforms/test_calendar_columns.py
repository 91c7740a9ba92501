from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from pipeline.errors import SchemaError
from pipeline.transforms.calendar_columns import Config, Part, calendar_columns

PARTS: list[Part] = ["quarter", "month", "week", "weekday", "hour"]


def made(times: list[Any], parts: list[Part], *, cyclic: bool = False) -> pl.DataFrame:
    config = Config(time="at", parts=parts, cyclic=cyclic, prefix="of_")
    return calendar_columns(pl.LazyFrame({"at": times}), config).collect()


def test_parts_equal_those_of_pandas() -> None:
    times = [datetime(2019, 12, 25, 5) + timedelta(hours=37 * i) for i in range(500)]
    dt = pd.Series(times).dt
    expected = {
        "quarter": dt.quarter,
        "month": dt.month,
        "week": dt.isocalendar().week,
        "weekday": dt.day_of_week + 1,
        "hour": dt.hour,
    }
    result = made(times, PARTS)
    for part in PARTS:
        assert result.schema[f"of_{part}"] == pl.Int64
        assert result[f"of_{part}"].to_list() == expected[part].to_list(), part


def test_the_week_53_and_a_leap_day_are_those_of_the_calendar() -> None:
    result = made([date(2021, 1, 3), date(2024, 2, 29), None], ["week", "weekday"])
    assert result.select("of_week", "of_weekday").rows() == [
        (53, 7),
        (9, 4),
        (None, None),
    ]


def test_december_is_near_january_in_the_round_of_the_year() -> None:
    result = made(
        [date(2023, 12, 1), date(2024, 1, 1), date(2024, 7, 1)], ["month"], cyclic=True
    )
    at = result.select("of_month_sin", "of_month_cos").to_numpy()
    assert np.hypot(*(at[0] - at[1])) < 0.6 < 1.9 < np.hypot(*(at[1] - at[2]))


@pytest.mark.parametrize(
    ("times", "part"), [([202401], "month"), ([date(2024, 1, 1)], "hour")]
)
def test_what_has_no_such_part_is_refused_before_data_are_read(
    times: list[Any], part: Part
) -> None:
    config = Config(time="at", parts=[part], cyclic=False, prefix="")
    with pytest.raises(SchemaError, match="`parts` are of date"):
        calendar_columns(pl.LazyFrame({"at": times}), config)
