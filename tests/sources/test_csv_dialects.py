"""A table in any dialect is read as it was written, or refused: never as another."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.errors import SourceError
from pipeline.sources import read, refuse_too_many, scan
from pipeline.sources.columns import Column, Declared
from pipeline.sources.csv import CsvSource

Write = Callable[..., Path]

COLUMNS: dict[str, Declared] = {
    "Store": "label",
    "Year": "code",
    "Sales": "number",
    "Note": "text",
}
NOON = datetime.fromisoformat("1900-01-01T12:00")
ROWS = [("A", 2015, 665.5, "ok"), ("B", 2016, 1234.25, None)]


def _read(root: Path, **given: Any) -> pl.DataFrame:
    """Read a source of which no row is bad."""
    config = CsvSource(**{"path": "raw.csv", "columns": COLUMNS, **given})
    rows, bad = read(config, root)
    assert bad.rows() == []
    return rows


@pytest.mark.parametrize(
    "content",
    [
        "Store;Year;Sales;Note\nA;2015;665,5;ok\nB;2016;1.234,25;\n",
        "Store\tYear\tSales\tNote\nA\t2015\t665,5\tok\nB\t2016\t1 234,25\t\n",
        "Store|Year|Sales|Note\nA|2015|665.50|ok\nB|2016|1,234.25|\n",
        'Store,Year,Sales,Note\nA,2015,"665,5",ok\nB,2016,"1234,25",\n',
        "Store,Year,Sales,Note\nA,2015,665.5,ok\nB,2016,1'234.25,\n",
        "'Store','Year','Sales','Note'\n'A',2015,665.5,'ok'\n'B',2016,1234.25,\n",
        "sep=;\r\nStore;Year;Sales;Note\r\nA;2015;665,5;ok\r\nB;2016;1234,25;\r\n",
        "Sales of 2015\n\nby store\nStore,Year,Sales,Note\nA,2015,665.5,ok\n"
        "B,2016,1234.25,\n",
        "# a\n# b\nStore,Year,Sales,Note\n# c\nA,2015,665.5,ok\nB,2016,1234.25,\n#\n",
        'Report, 2015 "final""\n"unclosed\n\nStore,Year,Sales,Note\n'
        "A,2015,665.5,ok\nB,2016,1234.25,\n",
        "Note;Other;Sales;Year;Store\nok;x;665,5;2015;A\n;x;1234,25;2016;B\n",
    ],
    ids=repr,
)
def test_table_is_read_whatever_its_dialect(
    content: str, tmp_path: Path, write: Write
) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        write(content.encode(encoding))
        assert _read(tmp_path).rows() == ROWS


def test_letters_of_windows_are_read(tmp_path: Path, write: Write) -> None:
    text = "Store;Year;Sales;Note\nDüsseldorf;2015;665,5;5 €\n"
    file = write(text.encode("windows-1252"))
    assert _read(tmp_path).row(0) == ("Düsseldorf", 2015, 665.5, "5 €")
    said = scan(CsvSource(path="raw.csv", columns=COLUMNS), tmp_path).said
    assert said == ("raw.csv: read with windows-1252, semicolons, decimal commas",)
    file.write_bytes(text.replace("€", "EUR").encode("cp850"))
    with pytest.raises(SourceError, match=r"name its encoding, as in source\.encoding"):
        _read(tmp_path)
    assert _read(tmp_path, encoding="cp850")["Store"][0] == "Düsseldorf"


def test_bad_cells_have_the_lines_of_the_file_that_was_given(
    tmp_path: Path, write: Write
) -> None:
    text = "über\n# x\nStore;Year;Sales\nA;2015;1,5\n# y\n\nB;2016;x\nTotal;;1,5\n"
    write(text.encode("utf-16"))
    columns: dict[str, Declared] = {"Store": "label", "Year": "code", "Sales": "number"}
    config = CsvSource(path="raw.csv", columns=columns, comment="#", skip_footer=1)
    rows, bad = read(config, tmp_path)
    assert rows.rows() == [("A", 2015, 1.5)]
    assert bad.rows() == [("raw.csv", 7, "Sales", "x", "unreadable number")]


def test_what_is_said_by_name_is_taken(tmp_path: Path, write: Write) -> None:
    write("x;y\n%A%;2015;1.234;-\nB;2016;n/a;NA\nSum;;;\n")
    rows = _read(
        tmp_path,
        header=False,
        skip_lines=1,
        skip_footer=1,
        separator=";",
        quote="none",
        decimal=".",
        nulls=["n/a", "NA", "-"],
    )
    assert rows.rows() == [("%A%", 2015, 1.234, None), ("B", 2016, None, None)]


def test_null_texts_are_values_where_there_must_be_one(
    tmp_path: Path, write: Write
) -> None:
    write("Store,Year,Sales,Note\nNA,2015,NA,x\n")
    assert _read(tmp_path, nulls=["NA"]).row(0) == ("NA", 2015, None, "x")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("Store;Year;Sales\nA;2015;12\nB;2016;1.234\n", "raw.csv:3: column 'Sales'"),
        ('Store,Year,Sales\nA,2015,12\nB,2016,"1,234"\n', "raw.csv:3: column 'Sales'"),
        ("Store;Year;Sales\nA;2015;1.5\nB;2016;1,5\n", "found: '1.5' and '1,5'"),
        ("a,b,c\nA,2015,12\n", "3 of 3 declared columns are missing"),
    ],
)
def test_file_that_leaves_it_open_is_refused_with_a_remedy(
    content: str, found: str, tmp_path: Path, write: Write
) -> None:
    write(content)
    columns = {name: COLUMNS[name] for name in ("Store", "Year", "Sales")}
    with pytest.raises(SourceError) as caught:
        _read(tmp_path, columns=columns)
    assert found in str(caught.value)
    assert "hint: s" in str(caught.value)


def test_what_does_not_fit_below_the_head_is_bad_not_another_number(
    tmp_path: Path, write: Write
) -> None:
    rows = "A;2015;12;\n" * 40_000
    columns: dict[str, Declared] = {**COLUMNS, "Sales": "money"}
    config = CsvSource(path="raw.csv", columns=columns)
    for others in ("", "B;2016;1,5;\n"):
        write(f"Store;Year;Sales;Note\n{rows}B;2016;1.234;\n{others}")
        _, bad = read(config, tmp_path)
        assert bad.rows() == [("raw.csv", 40_002, "Sales", "1.234", "unreadable money")]
    write(f"Store;Year;Sales;Note\nA;2015;0,5;\n{rows}B;2016;1.5;\n")
    _, bad = read(config, tmp_path)
    assert bad.rows() == [("raw.csv", 40_003, "Sales", "1.5", "unreadable money")]


def test_days_are_not_months_below_the_head(tmp_path: Path, write: Write) -> None:
    rows = "25/12/2015\n" * 30_000
    config = CsvSource(path="raw.csv", columns={"Day": "date"})
    write(f"Day\n{rows}01/02/2015\n12/25/2015\n")
    found, bad = read(config, tmp_path)
    assert found["Day"].unique().sort().to_list() == [
        date(2015, 2, 1),
        date(2015, 12, 25),
    ]
    assert bad["value"].to_list() == ["12/25/2015"]
    assert scan(config, tmp_path).said == ("raw.csv: read with Day as %d/%m/%Y",)


def test_times_with_an_offset_are_in_utc_in_all_files(
    tmp_path: Path, write: Write
) -> None:
    write("At\n2015-10-25T02:30:00+02:00\n2015-10-25T02:30:00+01:00\n")
    rows = _read(tmp_path, columns={"At": "datetime"})
    assert rows.schema == {"At": pl.Datetime("us", "UTC")}
    assert rows["At"].dt.hour().to_list() == [0, 1]
    write("At\n2015-10-25T02:30:00\n", "raw2.csv")
    config = CsvSource(path="raw*.csv", columns={"At": "datetime"}, max_bad_rows=0)
    rows, bad = read(config, tmp_path)
    assert rows["At"].dt.hour().to_list() == [2]  # of two ways, the one without a zone
    assert bad["reason"].to_list() == ["unreadable datetime"] * 2


def test_files_of_a_glob_may_be_written_in_several_ways(
    tmp_path: Path, write: Write
) -> None:
    write("Store;Year;Sales;Note\nA;2015;665.5;ok\n".encode("utf-16"), "in/a.csv")
    write("x\nNote,Sales,Year,Store\n,1234.25,2016,B\n", "in/b.csv")
    assert _read(tmp_path, path="in/*.csv").rows() == ROWS
    write("Store;Year;Sales;Note\nC;2015;665,5;ok\n", "in/c.csv")
    with pytest.raises(SourceError, match=r"c\.csv:2: column 'Sales'"):
        _read(tmp_path, path="in/*.csv")


TABLE: dict[str, Declared] = {
    "Id": "integer",
    "Name": "label",
    "Sold": Column(kind="count", min=0, null=True),
    "Price": Column(kind="decimal", scale=2),
    "Ratio": "number",
    "Share": Column(kind="percent", null=True),
    "Open": "flag",
    "Day": "date",
    "At": "datetime",
    "Note": "text",
}

PLAIN = (1, "A", 0, Decimal("1.5"), 0.5, 0.5, True, date(2015, 1, 31), NOON)


@st.composite
def _tables(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Draw rows of all kinds."""
    whole = st.integers(-(10**7), 10**7)
    row = st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.text("aBü ,;|\t\"'#\n$5.", min_size=1, max_size=6).filter(str.strip),
        st.none() | st.integers(0, 10**7),
        whole.map(lambda n: Decimal(n) / 100),
        st.none() | whole.map(lambda n: n / 1000) | st.floats(-1e9, 1e9),
        st.none() | whole.map(lambda n: n / 10),
        st.booleans(),
        st.dates(date(1900, 1, 1), date(2100, 1, 1)),
        st.datetimes(NOON, NOON.replace(year=2100)),
        st.none() | st.text("xé5,.;\n", min_size=1, max_size=5).filter(str.strip),
    )  # fmt: skip
    return draw(st.lists(row, min_size=1, max_size=6))


def _number(value: Any, how: dict[str, Any]) -> str:
    """Write a number, its digits grouped, with a decimal sign."""
    if value is None:
        return ""
    text = repr(value) if isinstance(value, float) else str(value)
    if "e" in text:
        return text.replace(".", how["decimal"])
    whole, _, fraction = text.partition(".")
    if how["grouping"]:
        whole = f"{int(whole):,}".replace(",", how["grouping"])
        if text.startswith("-0"):
            whole = "-0"
    return f"{whole}{how['decimal']}{fraction}" if fraction else whole


def _cells(row: Sequence[Any], how: dict[str, Any]) -> Iterator[str]:
    """Write a row in a dialect."""
    id_, name, sold, price, ratio, share, is_open, day, at, note = row
    yield str(id_)
    yield name
    yield _number(sold, how)
    yield _number(price, how)
    yield _number(ratio, how)
    yield "" if share is None else _number(share, how) + how["percent"]
    yield how["flags"][is_open]
    yield day.strftime(how["day"])
    yield at.isoformat(how["at"])
    yield note or ""


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    table=_tables(),
    how=st.fixed_dictionaries(
        {
            "separator": st.sampled_from(",;\t|"),
            "quote": st.sampled_from("\"'"),
            "decimal": st.sampled_from(".,"),
            "grouping": st.sampled_from(["", ",", ".", " ", "\u202f", "'"]),
            "percent": st.sampled_from(["", "%", " %"]),
            "flags": st.sampled_from([("no", "Yes"), ("0", "1"), ("F", "T")]),
            "day": st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y"]),
            "at": st.sampled_from("T "),
            "end": st.sampled_from(["\n", "\r\n"]),
            "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
            "above": st.sampled_from(["", "Report\n\n", "# a\n# b\n"]),
        }
    ).filter(lambda how: how["grouping"] not in (how["decimal"], how["quote"])),
)
# Of three fields behind the last column, Polars shows the first, which is blank.
@example(
    table=[(*PLAIN, None), (*PLAIN, None), (*PLAIN, ",,")],
    how={
        "separator": ",",
        "quote": "'",
        "decimal": ".",
        "grouping": "",
        "percent": "",
        "flags": ("no", "Yes"),
        "day": "%Y-%m-%d",
        "at": "T",
        "end": "\n",
        "encoding": "utf-8",
        "above": "",
    },
)
def test_table_comes_back_from_any_dialect_or_is_refused(
    table: list[tuple[Any, ...]], how: dict[str, Any], tmp_path: Path, write: Write
) -> None:
    if how["encoding"] == "cp1252" and how["grouping"] == "\u202f":
        how = {**how, "grouping": "\u00a0"}
    if how["quote"] == "'":  # else what is a letter looks like the usual quote
        table = [(row[0], row[1].replace('"', "'"), *row[2:]) for row in table]
    out = io.StringIO()
    writer = csv.writer(
        out,
        delimiter=how["separator"],
        quotechar=how["quote"],
        lineterminator=how["end"],
    )
    writer.writerow(TABLE)
    writer.writerows([*_cells(row, how)] for row in table)
    write((how["above"] + out.getvalue()).encode(how["encoding"]))
    config = CsvSource(path="raw.csv", columns=TABLE)
    expected = pl.DataFrame(
        table, schema={**_schema()}, orient="row", infer_schema_length=None
    ).with_columns(pl.col("Name").str.strip_chars())
    with suppress(SourceError):
        rows, bad = read(config, tmp_path)
        if bad.is_empty():
            assert_frame_equal(rows, expected, check_exact=True)
        else:
            refuse_too_many(bad, config, tmp_path)
            raise AssertionError(bad)


def _schema() -> dict[str, pl.DataType]:
    """Name the dtypes of the table."""
    return {
        "Id": pl.Int64(),
        "Name": pl.String(),
        "Sold": pl.Int64(),
        "Price": pl.Decimal(38, 2),
        "Ratio": pl.Float64(),
        "Share": pl.Float64(),
        "Open": pl.Boolean(),
        "Day": pl.Date(),
        "At": pl.Datetime("us"),
        "Note": pl.String(),
    }


def test_a_file_is_judged_as_all_files_are_written(
    tmp_path: Path, write: Write
) -> None:
    columns: dict[str, Declared] = {"Store": "label", "Sales": "number"}
    write("Store;Sales\n" + "A;0,5\n" * 9, "in/a.csv")
    write("Store;Sales\nB;1.234\n;2\n".encode("utf-16"), "in/b.csv")
    config = CsvSource(path="in/*.csv", columns=columns, max_bad_rows=1)
    rows, bad = read(config, tmp_path)
    assert rows["Sales"].to_list() == [0.5] * 9 + [1234.0]
    assert refuse_too_many(bad, config, tmp_path) == 1


@pytest.mark.parametrize(
    ("cell", "column", "remedy"),
    [
        ("n/a", "number", "source.nulls=['n/a'] says so"),
        ("1,234", "number", "source.decimal='.' or ',' says what '1,234' is"),
        ("0", "count", "columns.Sales={kind: count, min: N} allows what is less"),
        ("-5", "money", "columns.Sales={kind: money, min: N} allows what is less"),
        ("", "count", "columns.Sales={kind: count, null: true}; lines below"),
        ("1.5.15", "date", "columns.Sales={kind: date, format: '%d.%m.%y'} says how"),
    ],
)
def test_refused_cells_say_which_setting_takes_them(
    cell: str, column: Any, remedy: str, tmp_path: Path, write: Write
) -> None:
    rows = "A,1\n" * 70_000  # so that what is below is not looked at first
    write(f'Store,Sales\n{rows}B,"{cell}"\n')
    columns: dict[str, Declared] = {"Store": "label", "Sales": column}
    config = CsvSource(path="raw.csv", columns=columns, max_bad_rows=0)
    _, bad = read(config, tmp_path)
    with pytest.raises(SourceError) as caught:
        refuse_too_many(bad, config, tmp_path)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"skip_footer": 2}, "holds a header but no rows"),
        ({"skip_lines": 5}, "is empty below line 5"),
    ],
    ids=str,
)
def test_table_that_is_skipped_whole_is_refused(
    settings: dict[str, Any], found: str, tmp_path: Path, write: Write
) -> None:
    file = write("Store,Year,Sales,Note\nA,2015,1.5,x\nTotal,,1.5,\n")
    with pytest.raises(SourceError) as caught:
        _read(tmp_path, **settings)
    assert str(caught.value).startswith(f"{file}: {found}\n")


def test_file_says_what_is_not_usual_and_where_its_table_begins(
    tmp_path: Path, write: Write
) -> None:
    text = "Title\n\nStore\tYear\tSales\tNote\nA\t2015\t1,5\tx\n"
    write(text.encode("utf-16"), "in/a.csv")
    write(text.encode("utf-16"), "in/b.csv")
    write(text[7:].replace("\t", ";"), "in/c.csv")
    assert scan(CsvSource(path="in/*.csv", columns=COLUMNS), tmp_path).said == (
        "in/a.csv and 1 more: read with utf-16, tabs, the header on line 3, decimal"
        " commas",
        "in/c.csv: read with semicolons, decimal commas",
    )
