"""Sums of floats are exact, in any order."""

import math
import random
from collections.abc import Sequence
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.panel.exact import from_fixed_point, to_fixed_point

UNIT = 2.0**-33


PRICES = from_fixed_point(to_fixed_point(pl.col("price")).sum())


def summed(values: Sequence[float | None]) -> float:
    """Sum values exactly."""
    df = pl.DataFrame({"price": values}, schema={"price": pl.Float64})
    return df.select(PRICES).item()


@given(values=st.lists(st.floats(-1e12, 1e12), max_size=40))
@settings(max_examples=60, deadline=None)
def test_sum_is_right_to_half_a_unit_per_value(values: list[float]) -> None:
    true = sum(map(Fraction, values), Fraction(0))
    rounding = UNIT / 2 * len(values) + math.ulp(float(true))
    assert abs(Fraction(summed(values)) - true) <= rounding


def test_sum_is_the_same_bits_in_any_order_and_any_chunks() -> None:
    rng = random.Random(1)
    values = [rng.uniform(-1e9, 1e9) for _ in range(10_000)]
    lf = pl.LazyFrame({"price": values, "store": [i % 7 for i in range(10_000)]})
    sums = lf.group_by("store").agg(PRICES).collect().sort("store")
    for seed in range(3):
        shuffled = lf.collect().sample(fraction=1, shuffle=True, seed=seed).lazy()
        again = shuffled.group_by("store").agg(PRICES)
        assert again.collect().sort("store").equals(sums)


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([1e16, 1.0, -1e16], 1.0),
        ([UNIT / 4] * 100, 0.0),
        ([UNIT * 3 / 4] * 100, UNIT * 100),
        ([1.5, None, 2.25], 3.75),
        ([None, None], 0.0),
        ([], 0.0),
        ([1e28], 1e28),
    ],
    ids=[
        "cancelling",
        "below-half-a-unit",
        "above-half-a-unit",
        "null",
        "all-null",
        "empty",
        "large",
    ],
)
def test_sum_of_hard_values(values: list[float | None], total: float) -> None:
    assert summed(values) == total


@pytest.mark.parametrize("value", [math.nan, math.inf, 2e28])
def test_what_has_no_exact_sum_is_refused(value: float) -> None:
    with pytest.raises(pl.exceptions.InvalidOperationError):
        summed([1.0, value])
