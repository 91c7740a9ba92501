"""Two worlds are compared where both have the entity, and what differs is said."""

from collections.abc import Sequence

import polars as pl

from pipeline.modeling.audit.worlds import (
    ROWS,
    Leak,
    World,
    describe_leaks,
    describe_span,
    differences,
)

NAN = float("nan")


def world(unit: list[int], x: Sequence[float | None], keys: list[int]) -> World:
    """Make features of the year 2010, and the units of its panel."""
    features = pl.DataFrame({"year": 2010, "unit": unit, "x": x})
    return World(features, pl.DataFrame({"year": 2010, "unit": keys}))


def test_worlds_are_compared_where_both_have_the_entity() -> None:
    before = world([1, 2, 3, 4], [1.0, 2.0, 3.0, None], [1, 2, 3, 4, 5])
    after = world([1, 2, 4, 5], [1.0, 2.5, 4.0, 5.0], [1, 2, 4, 5])
    leaks, n_values = differences(before, after, ["x"], time="year", check="test")
    at = "year=2010, unit="
    assert leaks == [
        Leak("x", "test", (2010,), 2, f"{at}2: 2.0 -> 2.5"),
        Leak(ROWS, "test", (2010,), 1, f"{at}5: absent -> there"),
    ]
    assert n_values == 3


def test_nulls_and_nans_equal_themselves_only() -> None:
    before = world([1, 2, 3], [None, NAN, None], [1, 2, 3])
    after = world([1, 2, 3], [None, NAN, NAN], [1, 2, 3])
    leaks, _ = differences(before, after, ["x"], time="year", check="test")
    assert [leak.example for leak in leaks] == ["year=2010, unit=3: None -> nan"]


def test_rounding_is_no_leak_and_little_is_one() -> None:
    past, y = [0.7, 1e9 / 9, 3e9], [0.1, 1e9 / 3, 1e9 / 7]
    keys = [1, 2, 3]

    def sums_without(y: list[float]) -> list[float]:
        return [p + v - v for p, v in zip(past, y, strict=True)]

    before = world(keys, sums_without(y), keys)
    after = world(keys, sums_without([7 * v + 1 for v in y]), keys)
    assert not before.features.equals(after.features)
    assert differences(before, after, ["x"], time="year", check="test")[0] == []
    told = world(keys, [value * (1 + 1e-9) for value in past], keys)
    assert differences(before, told, ["x"], time="year", check="test")[0]


def test_leaks_of_a_column_share_a_line() -> None:
    leaks = [
        Leak("x", "a", (2010,), 1_000, "unit=1: 1 -> 2"),
        Leak("y", "a", (2010,), 1, "unit=1: 1 -> 3"),
        Leak("x", "b", (2011, 2013), 2, "unit=2: 1 -> 2"),
    ]
    assert describe_leaks(leaks) == {
        "x": "x: 2010-2011, 2013: 1,002 values differ (a, b); unit=1: 1 -> 2",
        "y": "y: 2010: 1 values differ (a); unit=1: 1 -> 3",
    }


def test_a_span_joins_neighbours() -> None:
    assert describe_span([2012, 2010, 2011, 2011, 2014]) == "2010-2012, 2014"
    assert describe_span([]) == ""
