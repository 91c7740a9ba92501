import polars as pl
from polars.testing import assert_frame_equal

from pipeline.modeling.judge.slices import add_size_decile, severity_mix


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


def test_severity_mix_cuts_terciles_and_keeps_ties_together() -> None:
    df = pl.DataFrame({"share": [0.9, 0.1, None, 0.5, 0.1, 0.1, 0.5, 0.6]})
    result = df.select(severity_mix("share"))
    # Sorted: .1 .1 .1 .5 .5 .6 .9; terciles are at ranks 2 and 4 of 0 to 6.
    expected = ["high", "low", None, "mid", "low", "low", "mid", "high"]
    dtype = pl.Enum(["low", "mid", "high"])
    assert_frame_equal(
        result, pl.DataFrame({"share_mix": expected}, {"share_mix": dtype})
    )


def test_severity_mix_takes_other_quantiles() -> None:
    df = pl.DataFrame({"share": [float(i) for i in range(11)]})
    mix = df.select(severity_mix("share", quantiles=(0.1, 0.9))).to_series()
    assert mix.value_counts(sort=True)["count"].to_list() == [8, 2, 1]
