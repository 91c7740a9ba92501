import random
from collections.abc import Mapping

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.panel.past import By
from pipeline.transforms.rolling_columns import (
    Config,
    Function,
    past,
    rolling_columns,
)


def config(**changes: object) -> Config:
    """Average the sales of a store over the two months before."""
    values = Config(
        keys=["store"],
        time="month",
        every=1,
        columns=["n_sold"],
        window=2,
        min_samples=1,
        by="calendar",
        functions=["mean"],
        drop_nulls=False,
        suffix="_rolling{}",
    )
    return msgspec.structs.replace(values, **changes)


def rolled(months: Mapping[int, float | None], values: Config) -> list[float | None]:
    """Take the means of one store's months."""
    lf = pl.LazyFrame({"store": "s", "month": list(months), "n_sold": months.values()})
    return (
        rolling_columns(lf, values)
        .collect()[f"n_sold_rolling{values.window}"]
        .to_list()
    )


@pytest.mark.parametrize(
    ("by", "window", "min_samples", "expected"),
    [
        ("calendar", 1, 1, [None, 10, None, 40, None]),
        ("calendar", 2, 1, [None, 10, 20, 40, None]),
        ("calendar", 2, 2, [None, None, None, None, None]),
        ("calendar", 3, 1, [None, 10, 15, 30, None]),
        ("calendar", 3, 2, [None, None, 15, 30, None]),
        ("row", 2, 1, [None, 10, 15, 30, 45]),
        ("row", 2, 2, [None, None, 15, 30, 45]),
        ("row", 3, 3, [None, None, None, 70 / 3, 110 / 3]),
    ],
)
def test_the_mean_is_of_the_periods_before_that_are_there(
    by: By, window: int, min_samples: int, expected: list[float | None]
) -> None:
    months = {1: 10, 2: 20, 4: 40, 5: 50, 9: 90}
    values = config(by=by, window=window, min_samples=min_samples)
    assert rolled(months, values) == pytest.approx(expected)


def test_a_null_counts_neither_in_the_mean_nor_as_a_sample() -> None:
    months = {1: 10, 2: None, 3: 30, 4: 40}
    assert rolled(months, config()) == [None, 10, 10, 30]
    assert rolled(months, config(min_samples=2)) == [None, None, None, None]
    assert rolled(months, config(window=3, min_samples=2)) == [None, None, None, 20]


def test_rows_where_any_mean_is_null_are_dropped_and_other_nulls_stay() -> None:
    df = pl.DataFrame(
        {
            "store": ["s", "s", "s", "s", "t"],
            "month": [1, 2, 3, 4, 5],
            "n_sold": [1, 3, 5, None, 9],
            "price": [2.0, None, None, None, 8.0],
        }
    )
    values = config(columns=["n_sold", "price"], drop_nulls=True)
    expected = df[1:3].with_columns(
        n_sold_rolling2=pl.Series([1.0, 2.0]), price_rolling2=pl.Series([2.0, 2.0])
    )
    assert_frame_equal(rolling_columns(df.lazy(), values).collect(), expected)


@given(
    panel=st.dictionaries(
        st.tuples(
            st.sampled_from(["s", "st", "t"]),
            st.sampled_from(["", "a"]),
            st.integers(0, 6),
        ),
        st.none() | st.integers(-3, 3),
        min_size=1,
    ),
    window=st.integers(1, 4),
    min_samples=st.integers(1, 4),
)
@settings(max_examples=40, deadline=None)
def test_means_equal_those_taken_by_hand_from_the_periods_before(
    panel: dict[tuple[str, str, int], int | None], window: int, min_samples: int
) -> None:
    min_samples = min(min_samples, window)
    lf = pl.LazyFrame(
        [(*key, value) for key, value in panel.items()],
        schema={"store": str, "product": str, "month": int, "n_sold": int},
        orient="row",
    )
    values = config(keys=["store", "product"], window=window, min_samples=min_samples)
    result = rolling_columns(lf, values).collect()

    expected: list[float | None] = []
    for store, product, month in sorted(panel):
        past = [panel.get((store, product, month - n)) for n in range(1, window + 1)]
        known = [value for value in past if value is not None]
        is_mean = len(known) >= min_samples
        expected.append(sum(known) / len(known) if is_mean else None)
    assert list(result.select("store", "product", "month").iter_rows()) == sorted(panel)
    assert result[f"n_sold_rolling{window}"].to_list() == pytest.approx(expected)


def test_more_samples_than_the_window_holds_are_refused() -> None:
    values = msgspec.to_builtins(config()) | {"min_samples": 3}
    with pytest.raises(
        msgspec.ValidationError, match="min_samples <= window, found 3 > 2"
    ):
        msgspec.convert(values, Config)


def test_every_function_equals_that_of_pandas_over_the_rows_before() -> None:
    rng = random.Random(0)
    sold = [rng.choice([None, rng.uniform(-9, 9)]) for _ in range(60)]
    functions: list[Function] = ["mean", "std", "min", "max"]
    values = config(window=4, min_samples=2, functions=functions)
    lf = pl.LazyFrame({"store": "s", "month": range(60), "n_sold": sold})
    result = rolling_columns(lf, values).collect()
    before = pd.Series(sold, dtype=float).shift(1).rolling(4, min_periods=2)
    assert past(values) == [
        f"n_sold_rolling4{suffix}" for suffix in ("", "_std", "_min", "_max")
    ]
    for function, name in zip(functions, past(values), strict=True):
        expected = before.agg(function).to_numpy()
        found = result[name].fill_null(float("nan")).to_numpy()
        np.testing.assert_allclose(found, expected, err_msg=function)


def test_a_single_value_has_no_deviation() -> None:
    lf = pl.LazyFrame({"store": "s", "month": [1, 2, 3], "n_sold": [5, 7, 9]})
    values = config(functions=["std"])
    assert rolling_columns(lf, values).collect()["n_sold_rolling2_std"].to_list() == [
        None,
        None,
        pytest.approx(2**0.5),
    ]


def test_further_ahead_the_window_ends_with_the_newest_known() -> None:
    months = {month: float(month) for month in range(8)}
    known = [None, None, None, 0, 0.5, 1.5, 2.5, 3.5]
    assert rolled(months, config(ahead=3)) == known


def test_further_ahead_a_window_of_rows_ends_with_the_newest_known() -> None:
    months = {1: 10.0, 2: 20.0, 4: 40.0, 5: 50.0, 9: 90.0}
    known = [None, None, 15, 15, 45]
    assert rolled(months, config(by="row", ahead=2)) == known
    kept = config(by="row", ahead=2, drop_nulls=True)
    assert rolled(months, kept) == known[2:]
