import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.modeling.judge.slices import (
    add_size_decile,
    add_slices,
    resampling_of,
    third_of,
)
from pipeline.modeling.settings import load_modeling
from tests.conftest import PROJECT
from tests.modeling.conftest import Load


def deciles(df: pl.DataFrame) -> dict[int, int]:
    """The decile of each facility."""
    result = add_size_decile(df, cluster="facility", weight="discharges")
    assert_frame_equal(result.drop("size_decile"), df)
    return dict(result.select("facility", "size_decile").unique().iter_rows())


def test_size_decile_goes_by_the_facility_and_not_by_its_rows() -> None:
    # Facility 20 - i has i discharges; the largest has a hundred rows of little.
    df = pl.DataFrame(
        {
            "facility": [*range(20), *[0] * 100],
            "discharges": [*range(20, 0, -1), *[1] * 100],
        }
    )
    assert deciles(df) == {i: (19 - i) // 2 + 1 for i in range(20)}


def test_size_decile_of_few_facilities_leaves_deciles_empty() -> None:
    df = pl.DataFrame({"facility": [1, 2, 3], "discharges": [1.5, None, 9.0]})
    assert deciles(df) == {2: 1, 1: 4, 3: 7}


def test_equal_sizes_are_told_apart_by_name_in_any_row_order() -> None:
    df = pl.DataFrame({"facility": list(range(10)), "discharges": 7})
    expected = {i: i + 1 for i in range(10)}
    assert deciles(df) == expected
    assert deciles(df.reverse()) == expected


def test_a_row_without_facility_has_no_decile() -> None:
    df = pl.DataFrame({"facility": [None, 1], "discharges": [5, 5]})
    result = add_size_decile(df, cluster="facility", weight="discharges")
    assert result["size_decile"].to_list() == [None, 1]


def test_thirds_are_cut_at_terciles_that_keep_ties_together() -> None:
    df = pl.DataFrame({"share": [0.9, 0.1, None, 0.5, 0.1, 0.1, 0.5, 0.6]})
    result = df.select(third_of(pl.col("share")))
    # Sorted: .1 .1 .1 .5 .5 .6 .9; terciles are at ranks 2 and 4 of 0 to 6.
    expected = ["high", "low", None, "mid", "low", "low", "mid", "high"]
    assert result.to_series().to_list() == expected


def test_rows_are_sliced_by_size_and_severity(ml: Load) -> None:
    shares = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, None]
    df = pl.DataFrame(
        {
            "facility_id": range(7),
            "sum_discharges_lag1": [70, 60, 50, 40, 30, 20, 10],
            "severity_3_portion_lag1": shares,
            "severity_4_portion_lag1": [0.1] * 7,
        }
    )
    sliced = add_slices(df, ml().modeling)
    # Terciles of six known shares, 0.1 to 0.6, at the nearest value: 0.3 and 0.4.
    expected = ["low", "low", "low", "mid", "high", "high", "unknown"]
    assert sliced["severity"].to_list() == expected
    # 7 facilities, the smallest first: 1 + i * 10 // 7.
    assert sliced["size_decile"].to_list() == [9, 8, 6, 5, 3, 2, 1]


@pytest.mark.parametrize("off", ["null", "[]"])
def test_slices_can_be_switched_off_down_to_the_years(off: str) -> None:
    without = {"size": "null", "columns": "[]", "thirds.severity": off}
    words = tuple(f"modeling.slices.{name}={value}" for name, value in without.items())
    modeling = load_modeling(PROJECT, overrides=words).modeling
    assert resampling_of(modeling).slices == ["year"]
    df = pl.DataFrame({"facility_id": [1], "severity": [0.5], "size_decile": [7]})
    assert add_slices(df, modeling).equals(df)


def test_any_column_gives_slices() -> None:
    words = ("modeling.slices.columns=[sum_discharges_lag1, apr_drg_code, year]",)
    found = resampling_of(load_modeling(PROJECT, overrides=words).modeling).slices
    expected = ["year", "size_decile", "severity", "sum_discharges_lag1"]
    assert found == [*expected, "apr_drg_code"]


def test_a_feature_may_be_called_as_a_slice_is() -> None:
    modeling = load_modeling(PROJECT).modeling
    names = (
        "sum_discharges_lag1",
        "severity_3_portion_lag1",
        "severity_4_portion_lag1",
    )
    df = pl.DataFrame({"facility_id": [1, 2]})
    df = df.with_columns(pl.lit(pl.Series([0.1, 0.2])).alias(name) for name in names)
    taken = df.with_columns(severity=pl.lit(0.5), size_decile=pl.lit(7))
    sliced = add_slices(taken, modeling).select("size_decile", "severity")
    assert sliced.rows() == [(1, "low"), (6, "mid")]
