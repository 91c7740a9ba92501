import random

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.panel.figures import Function, figure, weighted_mean

ROWS = pl.DataFrame(
    {
        "k": [1, 1, 1, 1, 2],
        "t": [3, 2, 3, 1, 1],
        "x": [0.1, 0.2, 0.4, None, None],
        "w": [1, 2, 3, 4, 5],
    }
)


@pytest.mark.parametrize(
    ("function", "of_one", "of_none"),
    [
        ("sum", 0.7, None),
        ("mean", 0.7 / 3, None),
        ("min", 0.1, None),
        ("max", 0.4, None),
        ("count", 3, 0),
        ("median", 0.2, None),
        ("first", 0.2, None),
        ("last", 0.4, None),
        ("n_unique", 3, 0),
    ],
)
def test_nulls_do_not_count_and_ties_in_time_are_told_by_the_value(
    function: Function, of_one: float, of_none: float | None
) -> None:
    made = figure(function, "x", ROWS.schema, "t")
    one, none = ROWS.lazy().group_by("k").agg(made).sort("k").collect()["x"].to_list()
    assert (one, none) == (pytest.approx(of_one), of_none)


def test_a_weighted_mean_counts_each_value_as_often_as_it_says() -> None:
    made = ROWS.group_by("k").agg(weighted_mean("x", "w")).sort("k")["x"].to_list()
    assert made == [pytest.approx((0.1 + 0.4 + 1.2) / 6), None]


def test_sums_are_the_same_to_the_last_bit_in_any_order() -> None:
    rng = random.Random(0)
    x = [rng.uniform(-1, 1) * 10 ** rng.randint(-3, 6) for _ in range(1000)]
    df = pl.DataFrame({"k": np.arange(1000) % 7, "t": 1, "x": x, "w": 3})
    for made in (figure("sum", "x", df.schema, "t"), weighted_mean("x", "w")):
        one, two = (
            f.lazy().group_by("k").agg(made).sort("k").collect()
            for f in (df, df.reverse())
        )
        assert_frame_equal(one, two, check_exact=True)


def test_whole_numbers_stay_whole() -> None:
    made = ROWS.group_by("k").agg(figure("sum", "w", ROWS.schema, "t")).sort("k")
    assert made.schema["w"] == pl.Int64
    assert made["w"].to_list() == [10, 5]
