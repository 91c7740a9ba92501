import msgspec
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.panel.past import By
from pipeline.transforms.lag_columns import Config, lag_columns, past


def config(**changes: object) -> Config:
    """Lag the sales of store x product by one month."""
    settings = Config(
        keys=["store", "product"],
        time="month",
        every=1,
        columns=["n_sold"],
        periods=1,
        by="calendar",
        suffix="_lag{}",
    )
    return msgspec.structs.replace(settings, **changes)


def panel(rows: list[tuple]) -> pl.DataFrame:
    """Name the columns of (store, product, month, n_sold) rows."""
    return pl.DataFrame(
        rows, schema=["store", "product", "month", "n_sold"], orient="row"
    )


@pytest.mark.parametrize(
    ("by", "periods", "expected"),
    [
        ("calendar", 1, [None, 10, None, 40, None]),
        ("calendar", 2, [None, None, 20, None, None]),
        ("calendar", 3, [None, None, 10, 20, None]),
        ("row", 1, [None, 10, 20, 40, 50]),
        ("row", 2, [None, None, 10, 20, 40]),
    ],
)
def test_a_gap_is_null_on_the_calendar_and_bridged_by_row(
    by: By, periods: int, expected: list[int | None]
) -> None:
    months = {1: 10, 2: 20, 4: 40, 5: 50, 9: 90}
    df = panel([("s", "a", month, n_sold) for month, n_sold in months.items()])
    lagged = lag_columns(df.lazy(), config(by=by, periods=periods)).collect()
    assert lagged[f"n_sold_lag{periods}"].to_list() == expected


@pytest.mark.parametrize("by", ["calendar", "row"])
def test_rows_of_another_entity_never_enter(by: By) -> None:
    # Each differs from the row above it in one key only, and follows it by a month.
    df = panel(
        [("s", "a", 1, 1), ("s", "b", 2, 2), ("t", "b", 3, 3), ("t", "ba", 4, 4)]
    )
    lagged = lag_columns(df.lazy(), config(by=by)).collect()
    assert lagged["n_sold_lag1"].to_list() == [None] * 4


def test_unsorted_rows_are_sorted_by_entity_and_time() -> None:
    df = panel([("t", "a", 1, 5), ("s", "a", 2, 2), ("t", "a", 2, 6), ("s", "a", 1, 1)])
    expected = panel(
        [("s", "a", 1, 1), ("s", "a", 2, 2), ("t", "a", 1, 5), ("t", "a", 2, 6)]
    )
    assert_frame_equal(
        lag_columns(df.lazy(), config()).collect(),
        expected.with_columns(n_sold_lag1=pl.Series([None, 1, None, 5])),
    )


def test_a_null_of_the_past_is_null_and_not_filled_from_before() -> None:
    df = panel([("s", "a", 1, 1), ("s", "a", 2, None), ("s", "a", 3, 3)])
    for by in ("calendar", "row"):
        lagged = lag_columns(df.lazy(), config(by=by)).collect()
        assert lagged["n_sold_lag1"].to_list() == [None, 1, None]


def test_every_column_keeps_its_dtype_and_other_columns_stay() -> None:
    df = pl.DataFrame(
        {
            "ward": [7, 7],
            "week": pl.Series([1, 2], dtype=pl.Int16),
            "beds": pl.Series([3, 4], dtype=pl.UInt8),
            "nurse": ["x", "y"],
            "note": ["p", "q"],
        }
    )
    settings = config(
        keys=["ward"], time="week", columns=["beds", "nurse"], suffix=".{}"
    )
    expected = df.with_columns(
        pl.Series("beds.1", [None, 3], dtype=pl.UInt8),
        pl.Series("nurse.1", [None, "x"]),
    )
    assert_frame_equal(lag_columns(df.lazy(), settings).collect(), expected)


@pytest.mark.parametrize(
    ("field", "value"), [("periods", 0), ("by", "colour"), ("keys", [])]
)
def test_values_without_a_meaning_are_refused(field: str, value: object) -> None:
    values = msgspec.to_builtins(config()) | {field: value}
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert(values, Config)


def test_several_periods_make_a_column_each() -> None:
    df = panel([("s", "a", month, 10 * month) for month in range(4)])
    lagged = lag_columns(df.lazy(), config(periods=[1, 3])).collect()
    assert lagged["n_sold_lag1"].to_list() == [None, 0, 10, 20]
    assert lagged["n_sold_lag3"].to_list() == [None, None, None, 0]
    assert past(config(periods=[1, 3])) == ["n_sold_lag1", "n_sold_lag3"]


def test_further_ahead_lags_are_the_newest_known_and_seasons_stay_seasons() -> None:
    df = panel([("s", "a", month, month) for month in range(20)])
    periods = [1, 2, 4, 8]
    values = config(periods=periods, season=4, ahead=5)
    lagged = lag_columns(df.lazy(), values).collect()
    # Of month 19 the newest known is 14; 8 before is a season before 15.
    assert lagged.select(past(values)).row(19) == (14, 13, 11, 11)
    without = lag_columns(df.lazy(), config(periods=periods, ahead=5)).collect()
    assert without.select(past(values)).row(19) == (14, 13, 11, 7)


def test_lags_of_one_period_ahead_are_the_same_with_a_season() -> None:
    df = panel([("s", "a", month, month) for month in range(20)]).lazy()
    values = config(periods=[1, 2, 4, 8, 9])
    seasonal = lag_columns(df, msgspec.structs.replace(values, season=4)).collect()
    assert_frame_equal(seasonal, lag_columns(df, values).collect())


def test_rows_are_counted_from_the_newest_that_is_known() -> None:
    months = {1: 10, 2: 20, 4: 40, 5: 50, 9: 90}
    df = panel([("s", "a", month, n_sold) for month, n_sold in months.items()])
    values = config(by="row", periods=[1, 2], season=2, ahead=2)
    lagged = lag_columns(df.lazy(), values).collect()
    # Of month 4 month 3 is not known, whether there was one or not.
    assert lagged["n_sold_lag1"].to_list() == [None, None, 20, 20, 50]
    assert lagged["n_sold_lag2"].to_list() == [None, None, 10, 10, 40]
