import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.errors import SchemaError
from pipeline.panel import past
from pipeline.panel.past import By, past_of, with_past, with_window

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
@pytest.mark.parametrize("max_shift", [60, 1])
@given(
    panel=PANELS,
    distances=st.lists(st.integers(1, 4), max_size=3, unique=True),
    rng=st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_past_equals_a_look_up_of_the_entity_and_its_period(
    by: By,
    max_shift: int,
    panel: dict[tuple[str, int, int], int | None],
    distances: list[int],
    rng: random.Random,
) -> None:
    rows = [(*key, value) for key, value in panel.items()]
    schema = {"store": str, "product": int, "month": int, "n_sold": int}
    lf = pl.LazyFrame(rng.sample(rows, len(rows)), schema, orient="row")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(past, "MAX_SHIFT", max_shift)
        result = with_past(
            lf,
            ["n_sold"],
            distances,
            keys=["store", "product"],
            time="month",
            every=1,
            by=by,
        )
    expected = {past_of("n_sold", n): [] for n in distances}
    for key in sorted(panel):
        for n in distances:
            expected[past_of("n_sold", n)].append(value_before(panel, key, n, by))
    added = pl.LazyFrame(expected, dict.fromkeys(expected, int))
    ordered = lf.sort("store", "product", "month")
    both = pl.concat([ordered, added], how="horizontal")
    assert_frame_equal(result, both, check_column_order=False)


@pytest.mark.parametrize("by", ["calendar", "row"])
@given(
    panel=PANELS,
    first=st.integers(1, 3),
    size=st.integers(1, 5),
    rng=st.randoms(use_true_random=False),
)
@settings(max_examples=40, deadline=None)
def test_a_window_holds_the_values_of_its_periods_the_newest_first(
    by: By,
    panel: dict[tuple[str, int, int], int | None],
    first: int,
    size: int,
    rng: random.Random,
) -> None:
    last = first + size - 1
    rows = [(*key, value) for key, value in panel.items()]
    schema = {"store": str, "product": int, "month": int, "n_sold": int}
    lf = pl.LazyFrame(rng.sample(rows, len(rows)), schema, orient="row")
    keys = ["store", "product"]
    made = with_window(
        lf, ["n_sold"], first, last, keys=keys, time="month", every=1, by=by
    ).collect()
    names = [
        past_of("n_sold", n) for n in range(1 if by == "calendar" else first, last + 1)
    ]
    for row in made.iter_rows(named=True):
        key = (row["store"], row["product"], row["month"])
        wanted = [value_before(panel, key, n, by) for n in range(first, last + 1)]
        found = [row[name] for name in names]
        assert [v for v in found if v is not None] == [
            v for v in wanted if v is not None
        ]


def test_a_null_entity_has_no_past() -> None:
    lf = pl.LazyFrame({"store": [None, None], "month": [1, 2], "n_sold": [3, 4]})
    result = with_past(
        lf, ["n_sold"], [1], keys=["store"], time="month", every=1, by="row"
    )
    assert result.collect()[past_of("n_sold", 1)].to_list() == [None, None]


def test_columns_with_digits_in_front_keep_apart() -> None:
    lf = pl.LazyFrame({"store": "s", "month": range(20), "a": range(20), "1a": 0})
    result = with_past(
        lf, ["a", "1a"], [1, 11], keys=["store"], time="month", every=1, by="row"
    )
    last = result.collect().row(-1, named=True)
    assert [last[past_of("a", 1)], last[past_of("a", 11)], last[past_of("1a", 1)]] == [
        18,
        8,
        0,
    ]


# By the number of bits, and whether there are negative ones.


def test_dates_are_counted_in_periods_across_month_ends_and_gaps() -> None:
    days = ["2023-11-30", "2023-12-01", "2024-01-01", "2024-02-29", "2024-04-01"]
    lf = pl.LazyFrame({"store": 1, "day": days, "n_sold": range(5)}).with_columns(
        pl.col("day").str.to_date()
    )
    result = with_past(
        lf, ["n_sold"], [1], keys=["store"], time="day", every="1mo", by="calendar"
    ).collect()
    assert result.columns == ["store", "day", "n_sold", past_of("n_sold", 1)]
    assert result[past_of("n_sold", 1)].to_list() == [None, 0, 1, 2, None]


def test_a_season_of_days_is_counted_as_far_back_as_it_is() -> None:
    days = pl.date_range(pl.date(2023, 1, 1), pl.date(2024, 1, 2), eager=True)
    lf = pl.LazyFrame({"day": days, "store": 1, "n_sold": range(len(days))})
    result = with_past(
        lf, ["n_sold"], [365], keys=["store"], time="day", every="1d", by="calendar"
    ).collect()
    assert result.columns == ["day", "store", "n_sold", past_of("n_sold", 365)]
    assert result[past_of("n_sold", 365)].to_list() == [None] * 365 + [0, 1]


def test_periods_that_do_not_fit_the_time_are_refused_before_data_are_read() -> None:
    lf = pl.LazyFrame(schema={"store": pl.Int64, "day": pl.Date, "n_sold": pl.Int64})
    with pytest.raises(SchemaError, match="`every: 1` counts whole numbers"):
        with_past(lf, ["n_sold"], [1], keys=["store"], time="day", every=1, by="row")
