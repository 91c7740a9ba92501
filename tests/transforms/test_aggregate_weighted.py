import random
from typing import Literal, TypeAlias

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.errors import SchemaError
from pipeline.transforms.aggregate_weighted import N_SLOTS, Config, aggregate_weighted

Row: TypeAlias = tuple[int | None, float | None, int | None]  # grade, price, n_sold

# Another panel: prices of products per store and month, in grades.
CONFIG = Config(
    keys=["store", "month"],
    share_of="grade",
    codes=[1, 2],
    share="grade_{}_portion",
    weight="n_sold",
    means=["price"],
    medians=["cost"],
    prefix="w_",
)


def aggregate(
    groups: list[list[Row]], engine: Literal["streaming", "in-memory"] = "streaming"
) -> pl.DataFrame:
    """Aggregate groups of rows, whose cost is their price, in the groups' order."""
    lf = pl.LazyFrame(
        [("s", month, *row) for month, group in enumerate(groups) for row in group],
        schema={
            "store": pl.String,
            "month": pl.Int64,
            "grade": pl.Int64,
            "price": pl.Float64,
            "n_sold": pl.Int64,
        },
        orient="row",
    ).with_columns(cost="price")
    result = aggregate_weighted(lf, CONFIG).collect(engine=engine)
    return result.sort("month").drop("store", "month")


def aggregate_by_hand(group: list[Row]) -> tuple[float | None, ...]:
    """Do the same for one group, row by row."""
    total = sum(weight or 0 for _, _, weight in group)
    portions = [
        sum(weight or 0 for g, _, weight in group if g == grade) / total
        if total
        else float("nan")
        for grade in CONFIG.codes
    ]
    counted = sorted((price, w) for _, price, w in group if price is not None and w)
    of_counted = sum(weight for _, weight in counted)
    mean = sum(p * w for p, w in counted) / of_counted if of_counted else None
    median, reached = None, 0
    for price, weight in counted:
        if 2 * reached < of_counted:
            median = price
        reached += weight
    return (total, *portions, mean, median)


@pytest.mark.parametrize(
    ("group", "median"),
    [
        pytest.param([(30, 2), (10, 1), (20, 1)], 20, id="exactly-half-is-enough"),
        pytest.param([(30, 3), (10, 1), (20, 1)], 30, id="below-half-is-not"),
        pytest.param([(10, 2), (20, 2)], 10, id="lower-of-two"),
        pytest.param([(5, 1), (5, 1), (6, 3)], 6, id="ties-below-half"),
        pytest.param([(5, 2), (6, 3), (5, 2)], 5, id="ties-reach-half-together"),
        pytest.param([(None, 9), (80, 1), (90, 1)], 80, id="null-value"),
        pytest.param([(10, None), (20, 1), (30, 1)], 20, id="null-weight"),
        pytest.param([(10, 0), (20, 1), (30, 0)], 20, id="zero-weight"),
        pytest.param([(-7, 4)], -7, id="one-row"),
        pytest.param([(None, 3), (None, 4)], None, id="all-null"),
        pytest.param([(1, 0), (2, None)], None, id="no-weight-at-all"),
        pytest.param([(v, 1) for v in range(20)], 9, id="more-rows-than-slots"),
        pytest.param([(None, 1)] * 20, None, id="all-null-in-many-rows"),
    ],
)
def test_weighted_median_equals_the_one_worked_by_hand(
    group: list[tuple[float | None, int | None]], median: float | None
) -> None:
    # The same grade in every row: rows are weighed, not grades.
    result = aggregate([[(1, value, weight) for value, weight in group]])
    assert result["w_cost"].to_list() == [median]


def test_groups_of_as_many_rows_as_slots_and_one_more_agree() -> None:
    rows: list[Row] = [(1, float(v), 2) for v in range(N_SLOTS)]
    expected = [(N_SLOTS - 1) // 2] * 2
    result = aggregate([rows, [*rows, (1, None, 5)]])
    assert result["w_cost"].to_list() == expected


def test_portions_of_all_grades_count_in_the_total_only() -> None:
    result = aggregate([[(0, 1.0, 4), (1, 1.0, 2), (1, 1.0, 1), (None, 1.0, 1)]])
    expected = {"sum_n_sold": 8, "grade_1_portion": 3 / 8, "grade_2_portion": 0.0}
    assert result.select(expected.keys()).row(0, named=True) == expected


def test_mean_skips_nulls_together_with_their_weight() -> None:
    groups: list[list[Row]] = [
        [(1, 10.0, 1), (1, 20.0, 3), (1, None, 96), (1, 1e9, None), (1, 1e9, 0)],
        [(1, None, 4)],
        [(1, 5.0, 0)],
    ]
    assert aggregate(groups)["w_price"].to_list() == [17.5, None, None]


@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
@given(
    groups=st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 3),
                st.none() | st.integers(0, 4).map(float),
                st.none() | st.integers(0, 5),
            ),
            min_size=1,
            max_size=12,
        ),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=40, deadline=None)
def test_any_groups_equal_those_aggregated_by_hand(
    engine: Literal["streaming", "in-memory"], groups: list[list[Row]]
) -> None:
    expected = [aggregate_by_hand(group) for group in groups]
    result = aggregate(groups, engine)
    assert_frame_equal(
        result, pl.DataFrame(expected, schema=result.schema, orient="row")
    )


def test_results_are_the_same_bits_in_any_order_of_the_rows() -> None:
    rng = random.Random(1)
    rows: list[Row] = [
        (1, rng.uniform(-1e7, 1e7), rng.randint(1, 99)) for _ in range(1000)
    ]
    groups = [rows[:3], rows[3:10], rows[10:]]
    first = aggregate(groups)
    for _ in range(5):
        shuffled = [rng.sample(group, len(group)) for group in groups]
        assert_frame_equal(aggregate(shuffled), first, check_exact=True)


@pytest.mark.parametrize(
    ("dtype", "name"), [(pl.Float64, "Float64"), (pl.String, "String")], ids=str
)
def test_a_weight_that_is_no_integer_is_refused_without_data(
    dtype: pl.DataType, name: str
) -> None:
    columns = {"store": pl.Int64, "month": pl.Int64, "grade": pl.Int64}
    prices = {"price": pl.Float64, "cost": pl.Float64}
    lf = pl.LazyFrame(schema={**columns, **prices, "n_sold": dtype})
    with pytest.raises(SchemaError, match=f"'n_sold' is {name}, expected an integer"):
        aggregate_weighted(lf, CONFIG)


def test_small_and_unsigned_weights_do_not_overflow() -> None:
    df = pl.DataFrame(
        {"ward": [3] * 4, "kind": [1, 1, 1, 2], "hours": [1, 2, 3, 4], "n": [200] * 4},
        schema_overrides={"n": pl.UInt8},
    )
    config = Config(
        keys=["ward"],
        share_of="kind",
        codes=[2],
        share="kind{}",
        weight="n",
        means=["hours"],
        medians=["hours"],
        prefix="typical_",
    )
    medians = msgspec.structs.replace(config, means=[])
    means = msgspec.structs.replace(config, medians=[])
    lf = df.lazy()
    assert aggregate_weighted(lf, medians).collect().rows() == [(3, 800, 0.25, 2)]
    assert aggregate_weighted(lf, means).collect().rows() == [(3, 800, 0.25, 2.5)]


@pytest.mark.parametrize("dtype", [pl.Int32, pl.Int64, pl.String], ids=str)
@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
def test_groups_come_sorted_by_keys_that_are_null_or_negative_too(
    engine: Literal["streaming", "in-memory"], dtype: type[pl.DataType]
) -> None:
    stores = pl.Series([2, None, -1, 2, None, -1, 2], dtype=pl.Int32)
    lf = pl.LazyFrame(
        {
            "store": stores.cast(dtype),
            "month": pl.Series([None, 1, -3, 1, None, -3, 1], dtype=pl.Int32),
            "n_sold": [1, 2, 3, 4, 5, 6, 7],
        }
    ).with_columns(grade=1, price=1.0, cost=pl.col("n_sold"))
    config = msgspec.structs.replace(CONFIG, keys=["month", "store"])
    result = aggregate_weighted(lf, config).collect(engine=engine)
    assert result.columns[:3] == ["store", "month", "sum_n_sold"]
    rows = result.select(pl.col("store").cast(pl.String), "month", "sum_n_sold").rows()
    assert rows == [
        (None, None, 5),
        ("2", None, 1),
        ("-1", -3, 9),
        (None, 1, 2),
        ("2", 1, 11),
    ]
