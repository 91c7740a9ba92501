"""What one cell leaves open, others decide; what none decides is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.sources.cells import Notation
from pipeline.sources.columns import Column, Declared, column_of
from pipeline.sources.dialect import Dialect
from pipeline.sources.notation import Found, find_notation

POINT, COMMA = Notation(".", ","), Notation(",", ".")


def _found(
    cells: Mapping[str, Sequence[str]],
    columns: dict[str, Declared],
    *,
    by_commas: bool = True,
    **settings: Any,
) -> Found:
    """Find out how some cells are written."""
    return find_notation(
        Dialect(columns=columns, **settings),
        cells,
        lambda name, text: f"{name}:{text}",
        by_commas=by_commas,
    )


@pytest.mark.parametrize(
    ("cells", "kind", "by_commas", "expected"),
    [
        (["12", "3456"], "number", True, Notation(".")),
        (["12", "3456"], "number", False, Notation(None)),
        (["1.5"], "number", False, POINT),
        (["1.234"], "number", True, Notation(".")),
        (["1.234", "0.5"], "number", False, POINT),
        (["1.234", "1234.567"], "number", False, POINT),
        (["1.234", "12,5"], "number", False, COMMA),
        (["665,5"], "number", True, COMMA),
        (["0,125"], "number", True, COMMA),
        (["1.234.567"], "number", False, COMMA),
        (["1,234", "8,375.41"], "money", True, POINT),
        (["$1,234", "$0.5"], "money", True, POINT),
        (["1,234"], "count", True, POINT),  # no count is 1.234
        (["1.234"], "count", False, COMMA),
        (["1.234"], "count", True, Notation(".")),
        (["12,5%", "3 %"], "percent", False, COMMA),
        (["1 234", "12"], "number", True, Notation(".", " ")),
        (["1 234,5"], "number", False, Notation(",", " ")),
        (["1\u202f234"], "number", False, Notation(None, " ")),
        (["1'234.50"], "number", False, Notation(".", "'")),
        (["1.5", "8,37"], "money", True, POINT),  # the other is bad
        (["x", "2015-01-31", ""], "number", False, Notation(None)),
    ],
    ids=str,
)
def test_decimal_sign_is_found(
    cells: list[str], kind: Any, by_commas: bool, expected: Notation
) -> None:
    found = _found({"A": cells}, {"A": kind}, by_commas=by_commas)
    assert found.notation == expected


@pytest.mark.parametrize(
    ("cells", "kind", "by_commas", "found"),
    [
        (["1,150", "12"], "money", True, "'1,150'"),
        (["1,000"], "count", True, "'1,000'"),
        (["1.234"], "number", False, "'1.234'"),
        (["1.000"], "count", False, "'1.000'"),
        (["1.5", "2,5"], "number", False, "'1.5' and '2,5'"),
    ],
    ids=str,
)
def test_two_readings_are_refused_with_place_and_remedy(
    cells: list[str], kind: Any, by_commas: bool, found: str
) -> None:
    with pytest.raises(SourceError) as caught:
        _found({"A": cells}, {"A": kind}, by_commas=by_commas)
    first, second, _, hint = str(caught.value).splitlines()
    assert first.startswith("A:")
    assert second == f"found: {found}"
    assert hint == "hint: say source.decimal='.' or source.decimal=','"


def test_one_column_decides_for_all() -> None:
    cells = {"A": ["1.234"], "B": ["0,5"]}
    columns: dict[str, Declared] = {"A": "number", "B": "percent"}
    assert _found(cells, columns, by_commas=False).notation == COMMA


def test_what_is_said_decides() -> None:
    cells, columns = {"A": ["1.234"]}, {"A": "number"}
    given: dict[str, Any] = {"cells": cells, "columns": columns, "by_commas": False}
    assert _found(**given, decimal=".").notation == POINT
    assert _found(**given, decimal=",").notation == COMMA
    assert _found(**given, grouping=".").notation == COMMA
    assert _found(**given, decimal=",", grouping=" ").notation == Notation(",", " ")


@pytest.mark.parametrize(
    ("cells", "kind", "expected"),
    [
        (["2015-01-02"], "date", None),
        (["2015-01-02", "31/12/2015"], "date", None),  # the other is bad
        (["01/02/2015", "25/12/2015"], "date", "%d/%m/%Y"),
        (["01/02/2015", "12/25/2015"], "date", "%m/%d/%Y"),
        (["02/02/2015"], "date", "%d/%m/%Y"),  # the same either way
        (["1.2.2015"], "date", "%d.%m.%Y"),
        (["20150201"], "date", "%Y%m%d"),
        (["1 Feb 2015", "31 Dec 2015"], "date", "%d %b %Y"),
        (["February 1, 2015"], "date", "%B %d, %Y"),
        (["2015-02"], "date", "%Y-%m"),
        (["Feb 2015"], "date", "%b %Y"),
        (["2015"], "date", None),
        (["x"], "date", None),
        ([], "date", None),
        (["2015-02-01 12:30"], "datetime", None),
        (["2015-02-01T12:30:00Z", "2015-02-01T12:30:00+02:00"], "datetime", "%+"),
        (["25/12/2015 12:30"], "datetime", "%d/%m/%Y %H:%M"),
        (["12/25/2015 1:30:05 PM"], "datetime", "%m/%d/%Y %I:%M:%S %p"),
        (["25.12.2015 12:30:05"], "datetime", "%d.%m.%Y %H:%M:%S%.f"),
        (["25.12.2015"], "datetime", "%d.%m.%Y"),
    ],
    ids=str,
)
def test_format_of_dates_is_found(
    cells: list[str], kind: Any, expected: str | None
) -> None:
    found = _found({"A": cells}, {"A": kind})
    assert column_of(found.columns["A"]).format == expected
    assert bool(found.said) == (expected is not None)


@pytest.mark.parametrize(
    ("cells", "kind", "first", "second"),
    [
        (["01/02/2015"], "date", "2015-02-01 as %d/%m/%Y", "2015-01-02 as %m/%d/%Y"),
        (["01-02-2015"], "date", "2015-02-01 as %d-%m-%Y", "2015-01-02 as %m-%d-%Y"),
        (
            ["25/12/2015", "12/25/2015"],
            "date",
            "2015-12-25 as %d/%m/%Y",
            "none as %m/%d/%Y",
        ),
        (
            ["01/02/2015 12:30"],
            "datetime",
            "2015-02-01T12:30:00 as %d/%m/%Y %H:%M",
            "2015-01-02T12:30:00 as %m/%d/%Y %H:%M",
        ),
    ],
    ids=str,
)
def test_dates_of_two_readings_are_refused_with_both(
    cells: list[str], kind: Any, first: str, second: str
) -> None:
    with pytest.raises(SourceError) as caught:
        _found({"A": cells}, {"A": kind})
    assert f"which is {first} and {second}\n" in str(caught.value)
    assert "say which in `columns`: A: {kind: " in str(caught.value)
    given = Column(kind=kind, format=first.partition(" as ")[2])
    assert _found({"A": cells}, {"A": given}).columns["A"] == given
