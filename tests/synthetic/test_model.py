"""The synthetic data: its form, and how real it looks."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.conftest import ROOT
from tests.synthetic.calibration import TARGETS, calibration, markdown

KEY = ["Year", "Facility Id", "APR DRG Code", "APR Severity of Illness Code"]
ROWS_PER_YEAR = {
    2009: 129_255,
    2010: 128_014,
    2011: 126_288,
    2012: 123_600,
    2013: 117_226,
    2014: 114_376,
    2015: 114_581,
    2016: 114_602,
    2017: 113_730,
}


@pytest.fixture(scope="module")
def table(raw: pl.DataFrame) -> pl.DataFrame:
    return calibration(raw)


@pytest.mark.parametrize("statistic", TARGETS)
def test_a_published_statistic_is_reached(table: pl.DataFrame, statistic: str) -> None:
    target, tolerance = TARGETS[statistic]
    [reached] = table.filter(statistic=statistic)["reached"]
    assert reached == pytest.approx(target, rel=tolerance)


def test_the_readme_shows_what_is_reached(table: pl.DataFrame) -> None:
    assert markdown(table) in (ROOT / "sources/README.md").read_text()


def test_every_year_has_its_published_rows(raw: pl.DataFrame) -> None:
    assert dict(raw["Year"].value_counts().iter_rows()) == ROWS_PER_YEAR


def test_columns_are_those_of_the_raw_file_in_its_order(raw: pl.DataFrame) -> None:
    assert raw.columns == [
        *("Year", "Facility Id", "Facility Name", "APR DRG Code"),
        *("APR Severity of Illness Code", "APR DRG Description"),
        *("APR Severity of Illness Description", "APR Medical Surgical Code"),
        *("APR Medical Surgical Description", "Discharges"),
        *("Mean Charge", "Median Charge", "Mean Cost", "Median Cost"),
    ]


def test_rows_are_unique_and_sorted_by_the_key(raw: pl.DataFrame) -> None:
    assert not raw.select(KEY).is_duplicated().any()
    assert_frame_equal(raw.select(KEY), raw.select(KEY).sort(KEY))


def test_values_are_in_range_and_never_null(raw: pl.DataFrame) -> None:
    money = ["Mean Charge", "Median Charge", "Mean Cost", "Median Cost"]
    assert raw.null_count().sum_horizontal().item() == 0
    assert (raw["Discharges"].min(), raw["Discharges"].max()) == (1, 6_938)
    assert (raw["APR DRG Code"].min(), raw["APR DRG Code"].max()) == (1, 956)
    assert (raw["Facility Id"].min(), raw["Facility Id"].max()) == (1, 9_431)
    for column in money:
        assert raw[column].is_between(0.01, 10_000_000).all()
        assert (raw[column] == raw[column].round(2)).all()


def test_severity_zero_is_ungroupable_and_written_as_text(raw: pl.DataFrame) -> None:
    kind = pl.col("APR Medical Surgical Code")
    zero = pl.col("APR Severity of Illness Code") == 0
    assert set(raw.filter(zero).select(kind).to_series()) == {"NA", "U"}
    assert set(raw.filter(~zero).select(kind).to_series()) == {"M", "P"}


def test_median_is_mean_in_cells_of_one_or_two_and_rarely_else(
    raw: pl.DataFrame,
) -> None:
    same = pl.col("Mean Charge") == pl.col("Median Charge")
    few = pl.col("Discharges") <= 2
    assert raw.filter(few).select(same.all()).item()
    assert raw.filter(~few).select(same.mean()).item() < 0.001


def test_a_drg_changes_its_letter_case_but_not_its_name(raw: pl.DataFrame) -> None:
    names = raw.group_by("APR DRG Code").agg(
        n=pl.col("APR DRG Description").n_unique(),
        n_upper=pl.col("APR DRG Description").str.to_uppercase().n_unique(),
    )
    assert (names["n_upper"] == 1).all()
    assert (names["n"] == 2).mean() == pytest.approx(1, abs=0.1)


def test_facilities_open_close_and_skip_a_year(raw: pl.DataFrame) -> None:
    years = raw.group_by("Facility Id").agg(
        first=pl.col("Year").min(),
        last=pl.col("Year").max(),
        n=pl.col("Year").n_unique(),
    )
    span = pl.col("last") - pl.col("first") + 1
    assert years.select((pl.col("first") > 2009).sum()).item() > 5
    assert years.select((pl.col("last") < 2017).sum()).item() > 5
    assert years.select((pl.col("n") < span).sum()).item() > 2
