"""Sheets of workbooks are read as people see them, and exactly."""

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from xlsxwriter import Workbook

from pipeline.errors import SourceError
from pipeline.sources import read
from pipeline.sources.excel import ExcelSource

COLUMNS = {"Year": "code", "Sales": "number"}


def make(**given: Any) -> ExcelSource:
    """Declare a source of two columns."""
    raw = {"kind": "excel", "path": "*.xlsx", "columns": COLUMNS}
    return msgspec.convert(raw | given, ExcelSource)


def write(root: Path, **sheets: list[list[object]]) -> Path:
    """Write a workbook of some sheets, of which a text that begins with = computes."""
    file = root / "a [1].xlsx"
    book = Workbook(file, {"default_date_format": "yyyy-mm-dd hh:mm:ss"})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for at, row in enumerate(rows):
            for column, cell in enumerate(row, start=1):
                if isinstance(cell, str) and cell.startswith("="):
                    sheet.write_formula(at, column, cell, None, "#DIV/0!")  # pyright: ignore[reportArgumentType] # takes errors, too
                elif isinstance(cell, str):
                    sheet.write_string(at, column, cell)
                elif cell is not None:
                    sheet.write(at, column, cell)
    book.close()
    return file


def test_cells_are_read_by_their_kind(tmp_path: Path) -> None:
    columns = {
        "Shop": "label",
        "Day": "date",
        "At": "datetime",
        "Sold": "flag",
        "Price": "money",
        "Share": "number",
        "Code": "code",
    }
    day, at = dt.datetime(2015, 1, 31), dt.datetime(2015, 1, 31, 5, 6, 7)
    price = 123456.1234567891
    write(
        tmp_path,
        one=[
            [*columns],
            ["007", day, at, True, price, 1e-12, 5],
            [12, "2015-02-01", at, False, "$1.50", 1 / 3, "05"],
        ],
    )
    rows, bad = read(make(columns=columns), tmp_path)
    assert bad.is_empty()
    assert rows.rows() == [
        ("007", day.date(), at, True, price, 1e-12, 5),
        ("12", dt.date(2015, 2, 1), at, False, 1.5, 1 / 3, 5),
    ]


@pytest.mark.parametrize("form", [None, "%d.%m.%Y"])
def test_dates_are_those_of_cells_and_of_text_in_its_format(
    form: str | None, tmp_path: Path
) -> None:
    days = ["25.12.2015", dt.datetime(2015, 12, 26), "01.02.2016"]
    write(tmp_path, one=[["Day"], *([day] for day in days)])
    rows, bad = read(make(columns={"Day": {"kind": "date", "format": form}}), tmp_path)
    assert bad.is_empty()
    assert rows["Day"].to_list() == [
        dt.date(2015, 12, 25),
        dt.date(2015, 12, 26),
        dt.date(2016, 2, 1),
    ]


def test_header_is_the_first_row_that_names_the_columns(tmp_path: Path) -> None:
    title: list[list[object]] = [[], ["Sales by year"], [], ["Other", "Sales", "Year "]]
    write(tmp_path, one=[*title, ["x", 1.5, 2015], [], [None, None, 2016]])
    rows, bad = read(make(), tmp_path)
    assert bad.is_empty()
    assert rows.rows() == [(2015, 1.5), (2016, None)]


def test_bad_cells_are_named_with_the_rows_of_the_sheet(tmp_path: Path) -> None:
    head: list[list[object]] = [[], ["Year", "Sales"]]
    write(tmp_path, one=[*head, [2015, 1.5], [], [2015, "=1/0"], ["Total", "n/a"]])
    rows, bad = read(make(), tmp_path)
    assert rows.rows() == [(2015, 1.5)]
    assert bad.rows() == [
        ("a [1].xlsx", 5, "Sales", "#Div0", "unreadable number"),
        ("a [1].xlsx", 6, "Year", "Total", "unreadable code"),
        ("a [1].xlsx", 6, "Sales", "n/a", "unreadable number"),
    ]


@pytest.mark.parametrize(("sheet", "sales"), [(1, 1), (2, 2), ("other", 2)])
def test_sheet_is_chosen_by_number_or_name(
    sheet: int | str, sales: int, tmp_path: Path
) -> None:
    head: list[object] = ["Year", "Sales"]
    write(tmp_path, one=[head, [2015, 1]], other=[head, [2015, 2]])
    for _ in range(2):  # each sheet has a copy of its own
        assert read(make(sheet=sheet), tmp_path)[0].rows() == [(2015, sales)]


@pytest.mark.parametrize(
    ("sheet", "expected"),
    [
        ("othe", "there is no sheet 'othe'; did you mean 'other'?"),
        (3, "there is no sheet 3"),
        ("empty", "sheet 'empty' is empty"),
    ],
)
def test_sheet_that_is_not_there_is_named_with_those_that_are(
    sheet: int | str, expected: str, tmp_path: Path
) -> None:
    file = write(tmp_path, other=[["Year", "Sales"], [2015, 1]], empty=[])
    with pytest.raises(SourceError) as error:
        read(make(sheet=sheet), tmp_path)
    assert str(error.value).startswith(f"{file}: {expected}\n")
    assert "'other'" in str(error.value)


def test_sheet_of_a_header_alone_holds_no_rows(tmp_path: Path) -> None:
    write(tmp_path, one=[["Year", "Sales"]])
    with pytest.raises(SourceError, match="holds no rows"):
        read(make(), tmp_path)


def test_column_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, one=[["Year", "Sale"], [2015, 1]])
    with pytest.raises(SourceError, match="'Sales'; did you mean 'Sale'"):
        read(make(), tmp_path)


@pytest.mark.parametrize("content", [b"", b"Year,Sales\n2015,1\n", b"PK\3\4 broken"])
def test_file_that_is_no_workbook_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.xlsx: cannot be read as a workbook"):
        read(make(), tmp_path)


def test_polars_makes_such_workbooks_too(tmp_path: Path) -> None:
    pl.DataFrame({"Year": [2015], "Sales": [0.1]}).write_excel(tmp_path / "a.xlsx")
    assert read(make(), tmp_path)[0].rows() == [(2015, 0.1)]
