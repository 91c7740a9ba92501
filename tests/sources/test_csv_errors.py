"""Bad rows are named with their place, and nothing is lost silently."""

import warnings
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.sources.columns import Declared
from pipeline.sources.csv import CsvSource, scan_csv
from pipeline.sources.scan import Scan

Collect = Callable[[Scan], tuple[pl.DataFrame, pl.DataFrame]]
Write = Callable[..., Path]

HEADER = "Year,Name,Discharges,Mean Cost,Ratio,Note\n"
GOOD = "2009,x,5,1.5,-2,\n"
PANEL: dict[str, Declared] = {"Year": "code", "Name": "text", "Cost": "money"}


@pytest.mark.parametrize(
    ("row", "column", "value", "reason"),
    [
        (",x,5,1.5,-2,", "Year", None, "missing code"),
        ("-3,x,5,1.5,-2,", "Year", "-3", "negative code"),
        ("20.5,x,5,1.5,-2,", "Year", "20.5", "unreadable code"),
        ('"2,009",x,5,1.5,-2,', "Year", "2,009", "unreadable code"),
        ("2147483648,x,5,1.5,-2,", "Year", 2**31, "unreadable code"),
        ("2009,,5,1.5,-2,", "Name", None, "missing label"),
        ("2009,  ,5,1.5,-2,", "Name", "  ", "missing label"),
        ("2009,x,,1.5,-2,", "Discharges", None, "missing count"),
        ("2009,x,0,1.5,-2,", "Discharges", "0", "count below 1"),
        ("2009,x,5.5,1.5,-2,", "Discharges", "5.5", "unreadable count"),
        ("2009,x,five,1.5,-2,", "Discharges", "five", "unreadable count"),
        ("2009,x,5,,-2,", "Mean Cost", None, "missing money"),
        ("2009,x,5,-1.5,-2,", "Mean Cost", "-1.5", "negative money"),
        ("2009,x,5,($5),-2,", "Mean Cost", "($5)", "unreadable money"),
        ("2009,x,5,$$5,-2,", "Mean Cost", "$$5", "unreadable money"),
        ("2009,x,5,0x1F,-2,", "Mean Cost", "0x1F", "unreadable money"),
        ("2009,x,5,1_000,-2,", "Mean Cost", "1_000", "unreadable money"),
        ('2009,x,5,"8,37",-2,', "Mean Cost", "8,37", "unreadable money"),
        ('2009,x,5,"1,2345",-2,', "Mean Cost", "1,2345", "unreadable money"),
        ("2009,x,5,nan,-2,", "Mean Cost", "nan", "money not finite"),
        ("2009,x,5,1e15,-2,", "Mean Cost", "1e15", "money of 10^15 or more"),
        ("2009,x,5,1e99,-2,", "Mean Cost", "1e99", "money of 10^15 or more"),
        ("2009,x,5,1e999,-2,", "Mean Cost", "1e999", "money not finite"),
        ("2009,x,5,1.5,NA,", "Ratio", "NA", "unreadable number"),
        ("2009,x,5,1.5,-inf,", "Ratio", "-inf", "number not finite"),
        ("2009,x,5,1.5,-2,,z", None, "z", "more fields than the header"),
    ],
    ids=str,
)
def test_bad_row_is_named_with_its_line_value_and_reason(
    row: str,
    column: str | None,
    value: str | int | None,
    reason: str,
    tmp_path: Path,
    write: Write,
    collect: Collect,
    columns: dict[str, Declared],
) -> None:
    file = write(f"{HEADER}{GOOD}\n{row}\n{GOOD}")
    config = CsvSource(path="raw.csv", columns=columns)
    fast, suspect = collect(scan_csv(config, tmp_path))
    scan = scan_csv(config, tmp_path, repair=True)
    rows, bad = collect(scan)
    assert fast.rows() == rows.rows() == [(2009, "x", 5, 1.5, -2.0, None)] * 2
    assert not suspect.is_empty()
    text = None if value is None else str(value)
    assert scan.number_lines(bad).rows() == [(file.name, 4, column, text, reason)]


@pytest.mark.parametrize("text", ["5", "005", "+5", "5.0", " 5 ", "5e0", "$5", "$ 5"])
def test_number_of_money_is_read_as_people_write_it(
    text: str, tmp_path: Path, write: Write, collect: Collect
) -> None:
    write(f'Cost\n"{text}"\n')
    config = CsvSource(path="raw.csv", columns={"Cost": "money"})
    for repair in (False, True):
        rows, _ = collect(scan_csv(config, tmp_path, repair=repair))
        assert rows.rows() == ([] if text == "$ 5" else [(5.0,)])


def test_footer_is_a_bad_row_not_a_blank_line(
    tmp_path: Path, write: Write, collect: Collect
) -> None:
    write("Year,Cost\n2009,1\nSource: New York State\n")
    config = CsvSource(path="raw.csv", columns={"Year": "code", "Cost": "money"})
    assert not collect(scan_csv(config, tmp_path))[1].is_empty()
    _, bad = collect(scan_csv(config, tmp_path, repair=True))
    assert bad["value"].to_list() == ["Source: New York State", None]


def test_comma_outside_quotes_never_shifts_a_row(
    tmp_path: Path, write: Write, collect: Collect
) -> None:
    # 1,234 discharges without quotes: every column after them reads well, shifted.
    write("Discharges,Charge,Cost,Rest\n5,20,10,z\n1,234,20,10,z\n")
    config = CsvSource(
        path="raw.csv", columns={"Discharges": "count", "Charge": "money"}
    )
    for repair in (False, True):
        rows, bad = collect(scan_csv(config, tmp_path, repair=repair))
        assert rows.rows() == [(5, 20.0)]
        assert bad["reason"].to_list() == ["more fields than the header"]


def test_first_row_does_not_decide_how_many_columns_there_are(
    tmp_path: Path, write: Write, collect: Collect
) -> None:
    config = CsvSource(path="raw.csv", columns=PANEL)
    for first, column in (("2009", "Cost"), ("2009,x,4,y,z", None)):
        write(f"Year,Name,Cost\n{first}\n2010,x,5\n")
        scan = scan_csv(config, tmp_path, repair=True)
        rows, bad = collect(scan)
        assert rows.rows() == [(2010, "x", 5.0)]
        assert scan.number_lines(bad).select("line", "column").rows() == [(2, column)]


def test_quote_within_a_field_loses_nothing(
    tmp_path: Path, write: Write, collect: Collect
) -> None:
    row = '2009,"a, b",2\n'
    write("Year,Name,Cost\n" + row * 90_000 + '2010,6" pipe,3\n' + row * 90_000)
    config = CsvSource(path="raw.csv", columns={"Year": "code"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows, suspect = collect(scan_csv(config, tmp_path))
        if rows.height < 180_001:
            assert not suspect.is_empty()
            rows, _ = collect(scan_csv(config, tmp_path, repair=True))
    assert rows.height == 180_001


def test_rows_that_a_quote_swallows_are_set_aside(
    tmp_path: Path, write: Write, collect: Collect
) -> None:
    swallowed = '2011,"pipe,1\n2012,x,2\n2013,pipe",3\n'
    address = '2014,"Main Street 1,\nSpringfield",4\n'
    address += '2015,"x,\n","1,000.00"\n'  # lines of as many commas
    write("Year,Name,Cost\n2010,x,0.5\n" + swallowed + address)
    config = CsvSource(path="raw.csv", columns=PANEL)
    assert not collect(scan_csv(config, tmp_path))[1].is_empty()
    scan = scan_csv(config, tmp_path, repair=True)
    rows, bad = collect(scan)
    assert rows["Year"].to_list() == [2010, 2014, 2015]
    assert scan.number_lines(bad).rows() == [
        (
            "raw.csv",
            3,
            None,
            "2011,pipe,1\n2012,x,2\n2013,pipe,3",
            "quoted lines, each of which could be a row",
        )
    ]


def test_column_that_only_a_folder_names_is_said(tmp_path: Path, write: Write) -> None:
    file = write("Name,Cost\nx,1\n", "year=2009/raw.csv")
    with pytest.raises(SourceError) as caught:
        scan_csv(CsvSource(path=str(file), columns=PANEL), tmp_path)
    hint = "hint: write 'year' into the file: the folder 'year=2009' is not read"
    assert str(caught.value).endswith(hint)


def test_blanks_around_a_column_name_are_no_part_of_it(
    tmp_path: Path, write: Write, collect: Collect
) -> None:
    write("Year, Name ,\u00a0Price\n2009,x,1\n")
    config = CsvSource(path="raw.csv", columns=PANEL, rename={"Price": "Cost"})
    assert collect(scan_csv(config, tmp_path))[0].rows() == [(2009, "x", 1.0)]
    config = CsvSource(path="raw.csv", columns=PANEL, rename={"\u00a0Price": "Cost"})
    assert collect(scan_csv(config, tmp_path))[0].rows() == [(2009, "x", 1.0)]


def test_file_whose_name_looks_like_a_glob_is_a_file(
    tmp_path: Path, write: Write
) -> None:
    write("Year\n2009\n", "costs [final].csv")
    config = CsvSource(path="costs [final].csv", columns={"Year": "code"})
    assert scan_csv(config, tmp_path).frames()[0].collect().rows() == [(2009,)]
