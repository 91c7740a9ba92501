from datetime import UTC, datetime

import pytest

from pipeline.pages import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, numbers.NONE),
        (0, "0"),
        (3.0, "3"),
        (1234567.8, "1,234,568"),
        (12.3456, "12.35"),
        (0.012345, "0.01235"),
        (-0.5, "-0.5"),
        (1e-7, "1.000e-07"),
        (float("nan"), "NaN"),
        (float("-inf"), "-∞"),
    ],
)
def test_a_number_has_four_digits_that_matter(value: float | None, text: str) -> None:
    assert numbers.number(value) == text


def test_figures_stand_in_units_that_fit() -> None:
    assert numbers.size(67_300_000) == "67.3 MB"
    assert numbers.seconds(0.25) == "250 ms"
    assert numbers.seconds(600) == "10 min"
    assert numbers.percent(0.0004) == "< 0.1 %"
    assert numbers.percent(0.9999) == "> 99.9 %"
    assert numbers.percent(1) == "100.0 %"
    assert numbers.signed(-1200) == "\N{MINUS SIGN}1,200"
    assert numbers.n_of(1, "row") == "1 row"
    assert (
        numbers.when(datetime(2026, 11, 30, 6, 5, tzinfo=UTC)) == "30 Nov 2026, 06:05"
    )


def test_years_and_codes_are_written_as_they_are() -> None:
    values = (2009.0, 2013.418, -7.0, 0.0, 9999.7, 12345.0, 0.5)
    found = [numbers.number(value) for value in values]
    assert found == ["2009", "2013", "-7", "0", "10,000", "12,345", "0.5"]


@pytest.mark.parametrize(
    ("n_distinct", "n_rows", "text"),
    [
        (250_535, 309_004, "about 250 k"),
        (1_081_672, 1_081_672, "about 1.1 M"),
        (996, 70_000, "about 1 k"),
        (13, 70_000, "about 13"),
        (1, 70_000, "1"),
        (60_123, 65_536, "60,123"),
        (None, 70_000, numbers.NONE),
    ],
)
def test_distinct_values_of_many_rows_are_said_to_be_estimated(
    n_distinct: int | None, n_rows: int, text: str
) -> None:
    assert numbers.distinct(n_distinct, n_rows) == text
