from bisect import bisect_left
from fractions import Fraction
from statistics import quantiles

import msgspec
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.transforms.size_bin import Config, size_bin

# Few distinct ones give equal edges, many give edges between them.
TOTALS = st.one_of(
    st.lists(st.integers(0, 4), min_size=2, max_size=12),
    st.lists(st.integers(1, 10**6), min_size=2, max_size=40),
)


def config(n_bins: int = 5, lag: int = 0) -> Config:
    """Cut the stores of each month by what they sold."""
    return Config(
        time="month",
        every=1,
        entity="store",
        weight="n_sold",
        n_bins=n_bins,
        column="size",
        lag=lag,
        suffix="_lag{}",
    )


def sizes(totals: list[int], n_bins: int) -> list[int]:
    """Cut one month's stores."""
    lf = pl.LazyFrame({"store": range(len(totals)), "month": 1, "n_sold": totals})
    return size_bin(lf, config(n_bins)).collect().sort("store")["size"].to_list()


@given(totals=TOTALS, n_bins=st.integers(2, 10))
@settings(max_examples=60, deadline=None)
def test_bins_equal_those_of_exact_quantiles(totals: list[int], n_bins: int) -> None:
    inner = quantiles(map(Fraction, totals), n=n_bins, method="inclusive")
    edges = sorted({min(totals), *inner, max(totals)})
    expected = [max(bisect_left(edges, total) - 1, 0) for total in totals]
    assert sizes(totals, n_bins) == expected


# Only of powers of two: 3 / 5 is no float, and pandas' edge then misses a total on it.
@given(totals=TOTALS, n_bins=st.sampled_from([2, 4, 8]))
@settings(max_examples=40, deadline=None)
def test_bins_equal_those_of_pandas(totals: list[int], n_bins: int) -> None:
    bins = pd.Series(pd.qcut(totals, n_bins, labels=False, duplicates="drop"))
    # Where all totals are equal pandas has one edge and no bin; we have the lowest.
    assert sizes(totals, n_bins) == bins.fillna(0).to_list()


def test_an_edge_belongs_to_the_bin_below_and_equal_edges_merge() -> None:
    assert sizes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 5) == [
        0,
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        4,
    ]
    assert sizes([1, 1, 1, 1, 1, 1, 2, 3, 4, 4], 5) == [0, 0, 0, 0, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("totals", [[7], [7, 7, 7]], ids=["one-store", "all-equal"])
def test_stores_that_do_not_differ_are_in_the_lowest_bin(totals: list[int]) -> None:
    assert sizes(totals, 5) == [0] * len(totals)


def test_the_rows_of_a_store_are_summed_and_each_period_is_cut_by_itself() -> None:
    df = pl.DataFrame(
        [
            *[("s", 1, 3), ("s", 1, 4), ("t", 1, 6), ("u", 1, 1)],
            *[("s", 2, 100), ("t", 2, 900)],
        ],
        schema=["store", "month", "n_sold"],
        orient="row",
    )
    result = size_bin(df.lazy(), config(3)).collect()
    assert result.sort("month", "store", "n_sold").drop("n_sold").rows() == [
        *[("s", 1, 2), ("s", 1, 2), ("t", 1, 1), ("u", 1, 0)],
        *[("s", 2, 0), ("t", 2, 2)],
    ]


def test_the_lag_gives_the_bin_of_the_calendar_period_before() -> None:
    df = pl.DataFrame(
        [("s", 1, 10), ("t", 1, 5), ("s", 2, 1), ("t", 2, 9), ("u", 2, 2), ("s", 4, 3)],
        schema=["store", "month", "n_sold"],
        orient="row",
    )
    result = size_bin(df.lazy(), config(2, lag=1)).collect()
    assert result.columns == ["store", "month", "n_sold", "size_lag1"]
    assert result.sort("month", "store")["size_lag1"].to_list() == [
        *[None, None],
        *[1, 0, None],
        None,
    ]


def test_bins_are_whole_numbers_and_stores_may_be_named_by_text() -> None:
    lf = pl.LazyFrame({"store": ["s", "ß"], "month": [1, 1], "n_sold": [1, 2]})
    assert size_bin(lf, config()).collect_schema()["size"] == pl.Int64


@pytest.mark.parametrize(("field", "value"), [("n_bins", 1), ("lag", -1)])
def test_values_without_a_meaning_are_refused(field: str, value: int) -> None:
    values = msgspec.to_builtins(config()) | {field: value}
    with pytest.raises(msgspec.ValidationError, match=rf">= .*{field}"):
        msgspec.convert(values, Config)
