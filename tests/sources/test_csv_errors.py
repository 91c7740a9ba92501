"""Bad rows and wrong files are named with their place, and nothing is lost silently."""

import contextlib
import gzip
import os
import warnings
from collections.abc import Callable
from itertools import takewhile
from multiprocessing import get_context
from pathlib import Path
from tempfile import gettempdir

import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.sources.columns import Kind
from pipeline.sources.csv import CsvSource, diagnose, number_lines, scan_csv
from pipeline.sources.scan import Scan

Collect = Callable[[Scan], tuple[pl.DataFrame, pl.DataFrame]]
Write = Callable[..., Path]

HEADER = "Year,Name,Discharges,Mean Cost,Ratio,Note\n"
GOOD = "2009,x,5,1.5,-2,\n"
PANEL: dict[str, Kind] = {"Year": "code", "Name": "text", "Cost": "money"}


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
    columns: dict[str, Kind],
) -> None:
    file = write(f"{HEADER}{GOOD}\n{row}\n{GOOD}")
    config = CsvSource(path="raw.csv", columns=columns)
    fast, suspect = collect(scan_csv(config, tmp_path))
    rows, bad = collect(scan_csv(config, tmp_path, repair=True))
    assert fast.rows() == rows.rows() == [(2009, "x", 5, 1.5, -2.0, None)] * 2
    assert not suspect.is_empty()
    text = None if value is None else str(value)
    assert number_lines(bad, tmp_path).rows() == [(file.name, 4, column, text, reason)]


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
        rows, bad = collect(scan_csv(config, tmp_path, repair=True))
        assert rows.rows() == [(2010, "x", 5.0)]
        assert number_lines(bad, tmp_path).select("line", "column").rows() == [
            (2, column)
        ]


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ('2009,"oops,2\n', ""),
        ('2009,"oops,2\n', '2009,"again,2\n'),
        ('2009,"oops,2\n', '2009,"a, b",2\n'),
    ],
    ids=["to the end", "to the next such", "to the next quoted field"],
)
@pytest.mark.parametrize("asked", [["Year"], ["Year", "Cost"], ["Year", "Name"]])
def test_unclosed_quote_is_an_error_that_names_its_line(
    opening: str,
    closing: str,
    asked: list[str],
    tmp_path: Path,
    write: Write,
    collect: Collect,
) -> None:
    row = "2009,x,2\n"
    write("Year,Name,Cost\n" + row * 2000 + opening + row * 2000 + closing + row)
    columns: dict[str, Kind] = {name: PANEL[name] for name in asked}
    config = CsvSource(path="raw.csv", columns=columns)
    fast = scan_csv(config, tmp_path)
    with warnings.catch_warnings():
        # Polars warns of some of these files; that alone must not be what saves us.
        warnings.simplefilter("ignore")
        with contextlib.suppress(pl.exceptions.ComputeError):
            assert not collect(fast)[1].is_empty()
        with pytest.raises(pl.exceptions.ComputeError):
            collect(scan_csv(config, tmp_path, repair=True))
    error = diagnose(fast.files)
    assert error is not None
    assert "a quote opened on line 2002 is not closed properly" in str(error)


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


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty\nfound: 2 bytes"),
        (b"Year,Name,Cost\n\n", "holds a header but no rows"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (bytes(range(256)), "binary data"),
        ("Year,Name,Cost\n2009,x,1\n".encode("utf-16"), "text in UTF-16"),
        ("Year,Name,Cost\n2009,x,1\n".encode("utf-32"), "text in UTF-32"),
        (b"Year,Name,Cost\r\r\n2009,x,1\r\r\n", r"lines that end in \r\r\n"),
        (b"Year,Name,Cost\r2009,x,1\n", r"the header ends in \r alone"),
        (b"\n<!DOCTYPE html><p>Not found</p>", "an HTML or XML page"),
        (b"PK\x03\x04Year", "a zip archive or a workbook"),
        (b"Year,Name,Cost\r2009,x,1\r", r"lines that end in \r alone"),
        (b"Year;Name;Cost\n2009;x;1\n", "hint: its fields are between semicolons"),
        (b"Year\tName\tCost\n2009\tx\t1\n", "hint: its fields are between tabs: s"),
        (b"Year|Name|Cost\n2009|x|1\n", "hint: its fields are between pipes: save"),
        (b"# of 2009\nYear,Name,Cost\n2009,x,1\n", "hint: its first line is taken"),
        (b"Year,Nmae,Cost\n2009,x,1\n", "'Name'; did you mean 'Nmae'?"),
        (b"YEAR,Name,Cost\n2009,x,1\n", "'Year'; did you mean 'YEAR'?"),
        (
            b"Year,Name,Cost, Year\n2009,x,1,2\n",
            "found: 'Year', 'Name', 'Cost', 'Year'",
        ),
        (b"Year,Name,Cost,Year\n2009,x,1,2\n", "column 'Year' is there 2 times"),
        (b"Year,Name,Cost\n2009,caf\xe9,1\n", "0xe9 on line 2, byte offset 23"),
        (gzip.compress(b"Year,Name,Cost\n2009,x,1\n")[:-9], "ends early or is damaged"),
        (b"x," * 60_000 + b"\n1\n", "a header of 60,001 columns"),
        (b"x" * (17 << 20), "line 1 is longer than 16 MiB"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_wrong_file_is_refused_before_data_is_read(
    content: bytes, found: str, tmp_path: Path, write: Write
) -> None:
    file = write(content)
    with pytest.raises(SourceError) as caught:
        scan_csv(CsvSource(path="raw.csv", columns=PANEL), tmp_path)
    first, *rest = str(caught.value).splitlines()
    assert first.startswith(f"{file}: ")
    assert found in str(caught.value)
    assert any(line.startswith("found: ") for line in rest)
    assert any(line.startswith("expected") for line in rest)
    assert rest[-1].startswith("hint: ")


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda content: content.replace(b"end", b"caf\xe9"), "0xe9 on line 40002"),
        (lambda content: gzip.compress(content)[:-500], "ends early or is damaged"),
    ],
    ids=["latin-1", "truncated gzip"],
)
def test_damage_below_the_head_is_diagnosed_after_the_run_failed(
    damage: Callable[[bytes], bytes],
    found: str,
    tmp_path: Path,
    write: Write,
    collect: Collect,
) -> None:
    rows = "".join(f"2009,{n * 7919 % 10_007} x,{n}\n" for n in range(40_000))
    content = f"Year,Name,Cost\n{rows}2010,end,1\n".encode()
    write(content, "in/a.csv")
    file = write(damage(content), "in/b.csv")
    scan = scan_csv(CsvSource(path="in/*.csv", columns=PANEL), tmp_path)
    with pytest.raises((pl.exceptions.PolarsError, OSError)):
        collect(scan)
    error = diagnose(scan.files)
    assert str(error).startswith(f"{file}: ")
    assert found in str(error)


def test_rows_that_a_quote_swallows_are_set_aside(
    tmp_path: Path, write: Write, collect: Collect
) -> None:
    swallowed = '2011,"pipe,1\n2012,x,2\n2013,pipe",3\n'
    address = '2014,"Main Street 1,\nSpringfield",4\n'
    write("Year,Name,Cost\n2010,x,0\n" + swallowed + address)
    config = CsvSource(path="raw.csv", columns=PANEL)
    assert not collect(scan_csv(config, tmp_path))[1].is_empty()
    rows, bad = collect(scan_csv(config, tmp_path, repair=True))
    assert rows["Year"].to_list() == [2010, 2014]
    assert number_lines(bad, tmp_path).rows() == [
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


def test_files_that_are_well_are_not_blamed(tmp_path: Path, write: Write) -> None:
    file = write("Year,Name,Cost\n2009,x,1,,,5\n")
    assert diagnose((file,)) is None


def test_file_whose_name_looks_like_a_glob_is_a_file(
    tmp_path: Path, write: Write
) -> None:
    write("Year\n2009\n", "costs [final].csv")
    config = CsvSource(path="costs [final].csv", columns={"Year": "code"})
    assert scan_csv(config, tmp_path).frames()[0].collect().rows() == [(2009,)]


def _scan_as_nobody(file: Path) -> str:
    """Scan a file as a user without rights, and return the message."""
    if os.getuid() == 0:
        os.setuid(65534)
    try:
        scan_csv(CsvSource(path=str(file), columns={"Year": "code"}), Path("/"))
    except SourceError as error:
        return str(error)
    return "was read"


def test_file_without_permission_is_named(tmp_path: Path, write: Write) -> None:
    file = write("Year\n2009\n")
    file.chmod(0)
    below = takewhile(lambda f: f != Path(gettempdir()), [tmp_path, *tmp_path.parents])
    for folder in below:
        folder.chmod(0o755)
    with get_context("spawn").Pool(1) as pool:
        message = pool.apply(_scan_as_nobody, (file,))
    assert message.startswith(f"{file}: may not be read")
