import polars as pl
import pytest

from pipeline.config import Tree
from pipeline.errors import SourceError
from pipeline.init.kinds import Kinds, kinds_of, says_time
from pipeline.sources.csv import CsvSource


def kinds(cells: dict[str, list[str | None]], *, by_commas: bool = True) -> Kinds:
    source = CsvSource(path="a.csv", columns={})
    head = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    return kinds_of(head, {}, source, "a.csv", by_commas=by_commas)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2", None], "integer"),
        (["1.5", "2"], "number"),
        (["1e5", ".5"], "number"),
        (["12.5%", "3 %"], "percent"),
        (["$1.50", "$2"], "money"),
        (["yes", "No"], "flag"),
        (["2015-01-31", "2015-02-28"], "date"),
        (["2015-01-31 12:00", "2015-02-28 00:00"], "datetime"),
        (["25/12/2015", "01/02/2015"], "date"),
        (["2015Q1", "2015Q2"], "date"),
        (["2015-W53", "2016-W01"], "date"),
        (["007", "010"], "label"),
        (["12345678901234567890"], "label"),
        (["north", "south"], "label"),
        (["1", "2", "many"], "label"),
    ],
)
def test_cells_tell_the_kind(cells: list[str | None], kind: str) -> None:
    assert kinds({"x": cells}).columns["x"].kind == kind


@pytest.mark.parametrize(
    ("name", "cells", "form"),
    [
        ("month", ["201501", "201512"], "%Y%m"),
        ("x", [f"2015{m:02}15" for m in range(1, 13)], "%Y%m%d"),
        ("Zeit", ["31.12.2015", "01.02.2015"], "%d.%m.%Y"),
    ],
)
def test_a_format_of_dates_is_found(name: str, cells: list[str], form: str) -> None:
    assert kinds({name: [*cells]}).columns[name].format == form


def test_six_digits_may_be_a_code() -> None:
    assert kinds({"item": ["201501", "201502"]}).columns["item"].kind == "integer"


@pytest.mark.parametrize(
    ("cells", "by_commas", "settings"),
    [
        (["1,5", "2,25"], False, {"decimal": ","}),
        (["1.234,5", "2"], False, {"decimal": ","}),
        (["1 234,5", "2"], False, {"decimal": ",", "grouping": " "}),
        (["1.5", "2"], True, {}),
        (["1,234", "950"], True, {}),
        (["1", "NA", "n/a"], True, {"nulls": ["NA", "n/a"]}),
    ],
)
def test_what_a_run_might_not_find_out_is_said(
    cells: list[str | None], by_commas: bool, settings: Tree
) -> None:
    found = kinds({"x": cells}, by_commas=by_commas)
    assert found.settings == settings
    assert found.columns["x"].kind in ("integer", "number")


def test_grouped_whole_numbers_are_whole() -> None:
    assert kinds({"x": ["1,234", "950"]}).columns["x"].kind == "integer"


def test_two_readings_of_numbers_are_refused() -> None:
    with pytest.raises(
        SourceError, match=r"decimal points and with decimal.*\n.*1,234"
    ):
        kinds({"x": ["1,234", "2,345"]}, by_commas=False)


def test_two_readings_of_dates_are_refused_with_what_to_say() -> None:
    cells: list[str | None] = ["01/02/2015", "03/04/2015"]
    with pytest.raises(
        SourceError, match=r"columns\.x=\{kind: date, format: '%d/%m/%Y'"
    ):
        kinds({"x": cells})


def test_a_typed_column_is_what_it_is() -> None:
    head = pl.DataFrame(
        {"a": [1], "b": [1.5], "c": [True], "d": [[1]]},
        schema={"a": pl.Int16, "b": pl.Float32, "c": pl.Boolean, "d": pl.List(pl.Int8)},
    )
    found = kinds_of(head, {}, None, "a.parquet", by_commas=False)
    assert [column.kind for column in found.columns.values()] == [
        "integer",
        "number",
        "flag",
    ]
    assert list(found.left_out) == ["d"]


def test_floats_may_be_years() -> None:
    head = pl.DataFrame({"a": [2015.0, None, 2016.0], "b": [1.0, 2.0, 3.0]})
    found = kinds_of(head, {}, None, "a.parquet", by_commas=False)
    assert [column.kind for column in found.columns.values()] == ["integer", "number"]


def test_names_of_time_are_words() -> None:
    assert all(map(says_time, ("Order Date", "fiscalYear", "months")))
    assert not any(map(says_time, ("amount", "holiday")))


def test_the_numbers_of_pandas_rows_are_no_column() -> None:
    found = kinds(
        {
            "Unnamed: 0": ["0", "1"],
            "__index_level_0__": ["2015-01-31", "2015-02-28"],
            "x": ["1", "2"],
        }
    )
    assert found.left_out == {"Unnamed: 0": "the numbers of pandas' rows"}
    assert list(found.columns) == ["__index_level_0__", "x"]
