"""Figures of columns are those of plain Python, and say no more than is true."""

import statistics

import polars as pl
import pytest

from pipeline.snapshots.profile import (
    QUANTILES,
    SAMPLE_EVERY,
    collect_profile,
    is_large,
)

SMALL = pl.DataFrame(
    {
        "key": [1, 2, 3, 4],
        "amount": [2.5, None, -1.0, 2.5],
        "name": ["b", None, "a", None],
        "tags": [["x"], [], None, ["y"]],
        "gone": pl.Series([None] * 4, dtype=pl.Int64),
    }
)


def hash_of(df: pl.DataFrame) -> str:
    """Hash the rows of a frame."""
    return collect_profile(df).content_hash


def test_figures_of_a_small_snapshot_are_exact() -> None:
    profile = collect_profile(SMALL)
    assert profile.n_rows == 4
    key, amount, name, tags, gone = profile.columns
    assert (key.dtype, key.n_nulls, key.n_distinct) == ("Int64", 0, 4)
    assert (amount.min, amount.max) == ("-1.0", "2.5")
    assert (amount.n_nulls, amount.n_distinct) == (1, 2)
    assert amount.mean == pytest.approx(statistics.mean([2.5, -1.0, 2.5]))
    assert (name.min, name.max, name.n_nulls, name.n_distinct) == ("a", "b", 2, 2)
    assert (gone.n_nulls, gone.n_distinct, gone.min, gone.mean) == (4, 0, None, None)
    assert gone.quantiles == [None] * len(QUANTILES)
    # Of text there are no quantiles, of lists no order either.
    assert (name.mean, name.quantiles) == (None, None)
    assert (tags.n_nulls, tags.n_distinct, tags.min) == (1, None, None)


def test_quantiles_are_values_of_the_column_nulls_left_out() -> None:
    values = pl.Series("x", [*range(101), None, None]).shuffle(seed=1)
    [column] = collect_profile(values.to_frame()).columns
    assert column.quantiles == [100 * q for q in QUANTILES]


def test_a_snapshot_without_rows_or_without_numbers_has_figures() -> None:
    for column in collect_profile(SMALL.clear()).columns:
        assert column.n_nulls == 0
        assert column.min is None
    [column] = collect_profile(SMALL.select("name")).columns
    assert (column.n_distinct, column.quantiles) == (2, None)


def test_large_snapshots_are_counted_and_sampled_within_what_is_said() -> None:
    n_rows = 100_000
    assert is_large(n_rows)
    assert not is_large(65_536)
    numbers = pl.int_range(n_rows, eager=True)
    profile = collect_profile(pl.DataFrame({"n": numbers, "few": numbers % 7}))
    n, few = profile.columns
    assert n.n_distinct == pytest.approx(n_rows, rel=0.05)
    assert few.n_distinct == 7
    sampled = numbers.gather_every(SAMPLE_EVERY)
    assert n.quantiles == [sampled.quantile(q) for q in QUANTILES]


def test_a_mean_does_not_depend_on_the_order_of_rows() -> None:
    values = pl.Series("x", [0.1, 0.2, 0.3, 1e9] * 9)
    orders = [values.shuffle(seed=seed) for seed in range(50)]
    assert len({str(order.mean()) for order in orders}) > 1
    profiles = [collect_profile(order.to_frame()) for order in orders]
    assert len({profile.columns[0].mean for profile in profiles}) == 1


def test_the_content_hash_is_of_rows_columns_and_dtypes_in_any_order_of_rows() -> None:
    df = SMALL.drop("gone")
    expected = hash_of(df)
    assert hash_of(df.reverse()) == expected
    swapped = df.with_columns(name=pl.Series(["a", None, "b", None]))
    others = [
        swapped,
        df.head(3),
        pl.concat([df, df.head(1)]),
        df.rename({"name": "other"}),
        df.select("amount", "key", "name", "tags"),
        df.with_columns(pl.col("key").cast(pl.Int32)),
        df.with_columns(amount=pl.Series([2.5, 0.0, -1.0, 2.5])),
    ]
    hashes = [hash_of(other) for other in others]
    assert len({expected, *hashes}) == 1 + len(others)


def test_values_that_change_places_between_columns_are_other_content() -> None:
    a, b = pl.DataFrame({"x": [1], "y": [2]}), pl.DataFrame({"x": [2], "y": [1]})
    assert hash_of(a) != hash_of(b)
