import math
import random
from collections.abc import Sequence
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.panel.exact import from_fixed_point, to_fixed_point
from pipeline.panel.keys import left_join, packed
from pipeline.panel.past import By, past_of, with_past

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


PANELS = st.dictionaries(
    st.tuples(
        st.sampled_from(["s", "st", "t"]), st.sampled_from([1, 2]), st.integers(-2, 6)
    ),
    st.none() | st.integers(0, 9),
    min_size=1,
)


def value_before(panel: dict, key: tuple[str, int, int], n: int, by: By) -> int | None:
    """Look up an entity's value `n` periods or rows before."""
    *entity, month = key
    if by == "calendar":
        return panel.get((*entity, month - n))
    months = sorted(m for *other, m in panel if other == entity and m < month)
    return panel[*entity, months[-n]] if len(months) >= n else None


@pytest.mark.parametrize("by", ["calendar", "row"])
@given(
    panel=PANELS,
    distances=st.lists(st.integers(1, 4), max_size=3, unique=True),
    rng=st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_past_equals_a_look_up_of_the_entity_and_its_period(
    by: By,
    panel: dict[tuple[str, int, int], int | None],
    distances: list[int],
    rng: random.Random,
) -> None:
    rows = [(*key, value) for key, value in panel.items()]
    schema = {"store": str, "product": int, "month": int, "n_sold": int}
    lf = pl.LazyFrame(rng.sample(rows, len(rows)), schema, orient="row")
    result = with_past(
        lf, ["n_sold"], distances, keys=["store", "product"], time="month", by=by
    )
    expected = {past_of("n_sold", n): [] for n in distances}
    for key in sorted(panel):
        for n in distances:
            expected[past_of("n_sold", n)].append(value_before(panel, key, n, by))
    added = pl.LazyFrame(expected, dict.fromkeys(expected, int))
    ordered = lf.sort("store", "product", "month")
    assert_frame_equal(result, pl.concat([ordered, added], how="horizontal"))


def test_a_null_entity_has_no_past() -> None:
    lf = pl.LazyFrame({"store": [None, None], "month": [1, 2], "n_sold": [3, 4]})
    result = with_past(lf, ["n_sold"], [1], keys=["store"], time="month", by="row")
    assert result.collect()[past_of("n_sold", 1)].to_list() == [None, None]


def test_columns_with_digits_in_front_keep_apart() -> None:
    lf = pl.LazyFrame({"store": "s", "month": range(20), "a": range(20), "1a": 0})
    result = with_past(lf, ["a", "1a"], [1, 11], keys=["store"], time="month", by="row")
    last = result.collect().row(-1, named=True)
    assert [last[past_of("a", 1)], last[past_of("a", 11)], last[past_of("1a", 1)]] == [
        18,
        8,
        0,
    ]


# By the number of bits, and whether there are negative ones.
INTEGERS: dict[tuple[int, bool], type[pl.DataType]] = {
    (8, True): pl.Int8,
    (16, True): pl.Int16,
    (32, True): pl.Int32,
    (64, True): pl.Int64,
    (8, False): pl.UInt8,
    (16, False): pl.UInt16,
    (32, False): pl.UInt32,
    (64, False): pl.UInt64,
}


@st.composite
def keys_of_any_dtype(draw: st.DrawFn) -> pl.DataFrame:
    """Draw key columns of integer dtypes or text, nulls and extremes among them."""
    columns = {}
    n_rows = draw(st.integers(1, 12))
    for name in ["store", "product", "month"][: draw(st.integers(1, 3))]:
        n_bits, signed = draw(st.sampled_from(sorted(INTEGERS)))
        lowest = -(2 ** (n_bits - 1)) if signed else 0
        highest = lowest + 2**n_bits - 1
        dtype = INTEGERS[n_bits, signed]
        values = st.sampled_from([lowest, lowest + 1, 0, 1, highest - 1, highest])
        if draw(st.integers(0, 9)) == 0:
            dtype, values = pl.String, st.sampled_from(["", "a", "b"])
        cells = st.lists(st.none() | values, min_size=n_rows, max_size=n_rows)
        columns[name] = pl.Series(draw(cells), dtype=dtype)
    return pl.DataFrame(columns)


@given(df=keys_of_any_dtype())
@settings(max_examples=200, deadline=None)
def test_packed_keys_sort_and_group_as_the_keys_do(df: pl.DataFrame) -> None:
    keys = df.columns
    lf = df.lazy().with_columns(packed(keys, df.schema).alias("packed"))
    in_order = lf.sort("packed").select(keys).collect()
    assert_frame_equal(in_order, df.sort(keys))
    groups = lf.group_by("packed").agg(pl.col(keys).first()).select(keys)
    assert_frame_equal(
        groups.sort(keys).collect(), df.unique().sort(keys), check_row_order=True
    )


@pytest.mark.parametrize(
    ("dtypes", "dtype"),
    [
        pytest.param([pl.String], pl.String, id="one-key-as-it-is"),
        pytest.param([pl.Int64], pl.Int64, id="one-integer"),
        pytest.param([pl.Int32, pl.Int32, pl.Int32], pl.Int128, id="three-codes"),
        pytest.param([pl.Int32, pl.Int64], pl.Int128, id="a-wide-one"),
    ],
)
def test_keys_that_fit_are_packed_in_a_number(
    dtypes: list[type[pl.DataType]], dtype: type[pl.DataType]
) -> None:
    schema = pl.Schema({f"key{i}": dtype for i, dtype in enumerate(dtypes)})
    lf = pl.LazyFrame(schema=schema)
    key = lf.select(packed(list(schema), schema).alias("key"))
    assert key.collect_schema() == {"key": dtype}


@pytest.mark.parametrize(
    "dtypes", [[pl.Int32, pl.String], [pl.Int64, pl.Int64]], ids=["text", "too-wide"]
)
def test_keys_that_do_not_fit_are_packed_in_a_struct(
    dtypes: list[type[pl.DataType]],
) -> None:
    schema = pl.Schema({f"key{i}": dtype for i, dtype in enumerate(dtypes)})
    lf = pl.LazyFrame(schema=schema)
    key = lf.select(packed(list(schema), schema).alias("key"))
    assert key.collect_schema()["key"] == pl.Struct(schema)


@pytest.mark.parametrize("dtype", [pl.Int32, pl.Int64, pl.String], ids=str)
def test_left_join_keeps_the_order_and_matches_no_null(
    dtype: type[pl.DataType],
) -> None:
    keys = {"store": pl.Series([2, None, 1, 2, 3], dtype=pl.Int64).cast(dtype)}
    keys["month"] = pl.Series([1, 1, None, 1, 1], dtype=pl.Int32)
    lf = pl.LazyFrame(keys)
    other = lf.head(3).with_columns(n_sold=7)
    result = left_join(lf, other, ["store", "month"]).collect()
    expected = lf.with_columns(n_sold=pl.Series([7, None, None, 7, None]))
    assert_frame_equal(result, expected.collect(), check_dtypes=False)
