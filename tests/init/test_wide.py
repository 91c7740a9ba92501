from datetime import date

import pytest

from pipeline.init.wide import Wide, find_wide


@pytest.mark.parametrize(
    ("names", "wide"),
    [
        (
            ["Country", "1990", "1991", "1992"],
            Wide("", "([0-9]{4})", "", {str(y): y for y in (1990, 1991, 1992)}),
        ),
        (
            ["1990 [YR1990]", "1991 [YR1991]", "1992 [YR1992]"],
            Wide(
                "yr",
                "([0-9]{4})_yr[0-9]+_",
                "",
                {f"{y} [YR{y}]": y for y in (1990, 1991, 1992)},
            ),
        ),
        (
            ["Sold 2015-01", "Sold 2015-02", "Sold 2015-12", "n_2015"],
            Wide(
                "sold",
                "sold_([0-9]{4}_[0-9]{2})",
                "%Y_%m",
                {f"Sold 2015-{m:02}": date(2015, m, 1) for m in (1, 2, 12)},
            ),
        ),
    ],
)
def test_columns_that_are_named_for_periods_are_found(
    names: list[str], wide: Wide
) -> None:
    assert find_wide(names) == [wide]


def test_values_are_told_apart() -> None:
    names = [
        f"{value}_{year}" for value in ("gdp", "pop") for year in (2001, 2002, 2003)
    ]
    assert [wide.value for wide in find_wide(names)] == ["gdp", "pop"]


@pytest.mark.parametrize(
    "names",
    [["x1", "x2", "x3"], ["2001", "2002"], ["a_12001", "a_12002", "a_12003"]],
    ids=["numbered", "two", "longer"],
)
def test_other_numbers_are_no_periods(names: list[str]) -> None:
    assert find_wide(names) == []
