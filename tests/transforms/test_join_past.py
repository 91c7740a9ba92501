from datetime import date
from typing import Any

import pandas as pd
import polars as pl
import pytest

from pipeline.panel.unique import repeated
from pipeline.transforms.join_past import Config, join_past, past


def config(lag: int) -> Config:
    return Config(
        keys=["item"],
        time="day",
        every="1mo",
        columns=["price"],
        lag=lag,
        suffix="_lag{}",
    )


SOLD = pl.LazyFrame(
    {
        "item": ["a"] * 4 + ["b"],
        "day": [date(2024, m, 1) for m in (1, 2, 3, 6)] + [date(2024, 6, 1)],
    }
)
PRICES = pl.LazyFrame(
    {
        "item": ["a", "a", "c"],
        "day": [date(2024, 2, 10), date(2024, 4, 1), date(2023, 1, 1)],
        "price": [2.0, 4.0, 9.0],
    }
)


@pytest.mark.parametrize(
    ("lag", "expected"),
    [
        (0, [None, 2.0, 2.0, 4.0, None]),
        (1, [None, None, 2.0, 4.0, None]),
        (2, [None, None, None, 4.0, None]),
        (3, [None, None, None, 2.0, None]),
    ],
)
def test_the_latest_row_is_of_so_many_periods_before_or_earlier(
    lag: int, expected: list[float | None]
) -> None:
    made = join_past(SOLD, PRICES, config(lag)).collect()
    name = f"price_lag{lag}" if lag else "price"
    assert made[name].to_list() == expected
    assert made.columns == ["item", "day", name]
    assert past(config(lag)) == ([name] if lag else [])


def test_two_rows_of_a_period_fail_the_pass_and_are_named() -> None:
    twice = PRICES.with_columns(day=pl.date(2024, 2, pl.int_range(1, 4)))
    with pytest.raises(pl.exceptions.InvalidOperationError) as caught:
        join_past(SOLD, twice, config(1)).collect()
    found = "found: more than one row of item=a, day=2024-02-01"
    assert found in str(repeated(caught.value))


def test_values_equal_those_of_pandas_merge_asof() -> None:
    sold: Any = SOLD.collect().to_pandas().sort_values("day")
    prices: Any = PRICES.collect().to_pandas().sort_values("day")
    prices["day"] = prices["day"].dt.to_period("M").dt.to_timestamp()
    frames = [df.astype({"day": "datetime64[us]"}) for df in (sold, prices)]
    merged = pd.merge_asof(*frames, on="day", by="item", allow_exact_matches=False)
    merged = merged.sort_values(["item", "day"])
    made = join_past(SOLD, PRICES, config(1)).collect()
    expected = [None if pd.isna(x) else x for x in merged["price"]]
    assert made["price_lag1"].to_list() == expected
