"""Several keys in one column sort, group and join as they do together."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.panel.keys import left_join, packed

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
