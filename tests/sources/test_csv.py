"""CSV files in every dialect give the same rows, by the fast and the exact way."""

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.sources.columns import Declared
from pipeline.sources.csv import CsvSource, scan_csv
from pipeline.sources.scan import BAD_SCHEMA, Scan

GOLDEN = Path(__file__).parents[1] / "golden" / "raw.csv"
NEW_YORK: dict[str, Declared] = {
    "Year": "code",
    "Facility Id": "code",
    "Facility Name": "text",
    "APR DRG Code": "code",
    "APR Medical Surgical Code": "text",
    "Discharges": "count",
    "Mean Charge": "money",
    "Median Cost": "money",
}

Collect = Callable[[Scan], tuple[pl.DataFrame, pl.DataFrame]]
Write = Callable[..., Path]


def test_official_release_is_read(
    tmp_path: Path, write: Write, collect: Collect
) -> None:
    write(
        "Year,Facility Id,Facility Name,APR DRG Code,APR Medical Surgical Code,"
        "Discharges,Mean Charge,Median Cost\n"
        '2011,324,"Adirondack Medical Center, Saranac",004,P,"1,234",$361289.00,$9.50\n'
        '2011,324,Strong Memorial,194,NA,7,"8,375.41"," 12 "\n'
    )
    scan = scan_csv(CsvSource(path="raw.csv", columns=NEW_YORK), tmp_path)
    rows, bad = collect(scan)
    assert bad.is_empty()
    assert_frame_equal(
        rows,
        pl.DataFrame(
            {
                "Year": [2011, 2011],
                "Facility Id": [324, 324],
                "Facility Name": [
                    "Adirondack Medical Center, Saranac",
                    "Strong Memorial",
                ],
                "APR DRG Code": [4, 194],
                "APR Medical Surgical Code": ["P", "NA"],
                "Discharges": [1234, 7],
                "Mean Charge": [361289.0, 8375.41],
                "Median Cost": [9.5, 12.0],
            },
            schema_overrides=dict.fromkeys(
                ["Year", "Facility Id", "APR DRG Code"], pl.Int32
            ),
        ),
    )


def test_golden_rows_are_those_of_a_plain_reader(collect: Collect) -> None:
    config = CsvSource(path=GOLDEN.name, columns=NEW_YORK)
    plain = pl.read_csv(GOLDEN, infer_schema_length=None).select(list(NEW_YORK))
    for repair in (False, True):
        rows, bad = collect(scan_csv(config, GOLDEN.parent, repair=repair))
        assert_frame_equal(rows, plain, check_dtypes=False)
        assert bad.is_empty()


@st.composite
def _tables(draw: st.DrawFn) -> list[tuple[int, str, int, float, float | None, str]]:
    """Draw rows of Year, Name, Discharges, Mean Cost, Ratio, Note."""
    name = st.text("aB ,\"'\n$5", min_size=1, max_size=8).filter(str.strip)
    row = st.tuples(
        st.integers(0, 2**31 - 1),
        name,
        st.integers(1, 10**9),
        st.floats(0, 1e12, allow_nan=False).map(lambda x: round(x, 2)),
        st.none() | st.floats(-1e6, 1e6, allow_nan=False),
        st.sampled_from(["NA", "nan", "null", "x"]),
    )
    return draw(st.lists(row, min_size=1, max_size=8))


def _written(
    table: list[Any], how: dict[str, Any], columns: dict[str, Declared]
) -> bytes:
    """Write a table in one dialect."""
    money = how["money"]
    pad = "0" * how["zeros"]
    out = io.StringIO()
    quoting = csv.QUOTE_ALL if how["quote"] else csv.QUOTE_MINIMAL
    writer = csv.writer(out, lineterminator=how["end"], quoting=quoting)
    order = how["order"]
    writer.writerow([[*columns, "Extra"][i] for i in order])
    for year, name, discharges, cost, ratio, note in table:
        count = f"{discharges:,}" if how["thousands"] else str(discharges)
        ratio_text = "" if ratio is None else repr(ratio)
        cells = [
            pad + str(year),
            name,
            count,
            money.format(cost),
            ratio_text,
            note,
            "x, y",
        ]
        writer.writerow([cells[i] for i in order])
    content = out.getvalue().encode("utf-8-sig" if how["bom"] else "utf-8")
    if how["packing"] == "gzip":
        return gzip.compress(content, mtime=0)
    if how["packing"] == "zstd":
        return pa.compress(content, codec="zstd", asbytes=True)
    return content


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    table=_tables(),
    how=st.fixed_dictionaries(
        {
            "money": st.sampled_from(
                ["{}", "{:.2f}", "${:.2f}", "{:,.2f}", "${:,.2f}", " {:.2f} "]
            ),
            "zeros": st.integers(0, 3),
            "quote": st.booleans(),
            "end": st.sampled_from(["\n", "\r\n"]),
            "bom": st.booleans(),
            "thousands": st.booleans(),
            "order": st.permutations(range(7)),
            "packing": st.sampled_from(["none", "gzip", "zstd"]),
        }
    ),
)
def test_every_dialect_gives_the_same_rows(
    table: list[Any],
    how: dict[str, Any],
    tmp_path: Path,
    write: Write,
    collect: Collect,
    columns: dict[str, Declared],
) -> None:
    write(_written(table, how, columns))
    config = CsvSource(path="raw.csv", columns=columns)
    fast, suspect = collect(scan_csv(config, tmp_path))
    exact, bad = collect(scan_csv(config, tmp_path, repair=True))
    expected = pl.DataFrame(
        table, schema=exact.schema, orient="row", infer_schema_length=None
    ).with_columns(pl.col("Name").str.strip_chars())
    assert_frame_equal(exact, expected, check_exact=True)
    assert bad.is_empty()
    # Line breaks within quotes are what makes the fast way ask for a second look.
    spans = any("\n" in name for _, name, *_ in table)
    assert suspect.is_empty() != spans
    assert_frame_equal(fast, exact, check_exact=True)


def test_a_dialect_that_changes_below_the_head_is_repaired(
    tmp_path: Path, write: Write, collect: Collect
) -> None:
    plain = "2011,x,1234.50\n" * 30_000
    write("Year,Name,Cost\n" + plain + '2012,y,"$1,234.50"\n')
    config = CsvSource(
        path="raw.csv", columns={"Year": "code", "Name": "label", "Cost": "money"}
    )
    fast, suspect = collect(scan_csv(config, tmp_path))
    assert (fast.height, suspect.height) == (30_000, 1)
    rows, bad = collect(scan_csv(config, tmp_path, repair=True))
    assert rows.row(-1) == (2012, "y", 1234.5)
    assert bad.is_empty()


def test_only_the_exact_scan_calls_itself_exact(tmp_path: Path, write: Write) -> None:
    write("Year\n2011\n")
    config = CsvSource(path="raw.csv", columns={"Year": "code"})
    assert not scan_csv(config, tmp_path).exact
    assert scan_csv(config, tmp_path, repair=True).exact


def test_one_pass_parses_the_file_once(tmp_path: Path, write: Write) -> None:
    write("Year,Cost\n2009,1\n")
    config = CsvSource(path="raw.csv", columns={"Year": "code", "Cost": "money"})
    scan = scan_csv(config, tmp_path)
    plan = pl.explain_all(scan.frames())
    assert plan.count("Csv SCAN") == 1
    # Polars' short cut for counting rows, which parses nothing, is for the lines only.
    assert plan.count("FAST COUNT") == 1


def test_files_of_a_glob_follow_one_another_whatever_their_columns(
    tmp_path: Path, write: Write, collect: Collect
) -> None:
    write("Cost,Jahr\n$2.00,2010\n", "in/b.csv")
    write("Year,Other,Cost\n2009,?,1\n", "in/a.csv")
    config = CsvSource(
        path="in/*.csv",
        columns={"Year": "code", "Cost": "money"},
        rename={"Jahr": "Year"},
    )
    scan = scan_csv(config, tmp_path)
    rows, bad = collect(scan)
    assert rows.rows() == [(2009, 1.0), (2010, 2.0)]
    assert bad.is_empty()
    assert [Path(str(file)).name for file in scan.files] == ["a.csv", "b.csv"]


def test_blank_lines_are_no_rows(
    tmp_path: Path, write: Write, collect: Collect
) -> None:
    write("Year,Cost\n2009,1\n\n,\n  \n2010,2\n\n")
    config = CsvSource(path="raw.csv", columns={"Year": "code", "Cost": "money"})
    rows, bad = collect(scan_csv(config, tmp_path, repair=True))
    assert rows.rows() == [(2009, 1.0), (2010, 2.0)]
    assert bad.is_empty()


def test_scanning_reads_no_more_than_the_head(tmp_path: Path, write: Write) -> None:
    file = write("Year\n" + "2009\n" * 100_000 + "\xff\n")
    scan = scan_csv(CsvSource(path="raw.csv", columns={"Year": "code"}), tmp_path)
    file.unlink()
    rows, bad = scan.frames()
    assert rows.collect_schema() == pl.Schema({"Year": pl.Int32})
    assert bad.collect_schema() == BAD_SCHEMA


@pytest.mark.parametrize("packing", ["none", "gzip", "zstd"])
def test_lines_are_counted_through_blanks_quotes_and_compression(
    packing: str, tmp_path: Path, write: Write, collect: Collect
) -> None:
    content = (
        "\ufeff\r\n"  # line 1, before the header
        '"Year\r\nof stay",Name,Cost\r\n'  # 2 and 3
        '2009,"a\r\nb",1\r\n'  # 4 and 5
        "\r\n"  # 6
        "2010,c\rc,x\r\n"  # 7: Polars ends lines at \n alone
        '2011,"d\r\n""e",y'  # 8 and 9
    ).encode()
    if packing == "gzip":
        content = gzip.compress(content)
    if packing == "zstd":
        content = pa.compress(content, codec="zstd", asbytes=True)
    write(content)
    config = CsvSource(
        path="raw.csv",
        columns={"Year": "code", "Name": "label", "Cost": "money"},
        rename={"Year\r\nof stay": "Year"},
    )
    scan = scan_csv(config, tmp_path, repair=True)
    rows, bad = collect(scan)
    assert rows.rows() == [(2009, "a\r\nb", 1.0)]
    assert scan.number_lines(bad).select("line", "value").rows() == [
        (7, "x"),
        (8, "y"),
    ]


@pytest.mark.parametrize("packing", ["none", "gzip"])
def test_header_may_be_longer_than_what_is_looked_at_first(
    packing: str, tmp_path: Path, write: Write, collect: Collect
) -> None:
    names = [f"a rather long name of column {i}" for i in range(9_000)]
    header = ",".join(["Year", *names, "Cost"])
    content = f"{header}\n2009,{',' * len(names)}$1.5\n".encode()
    assert len(header) > 1 << 18
    write(gzip.compress(content) if packing == "gzip" else content)
    config = CsvSource(path="raw.csv", columns={"Year": "code", "Cost": "money"})
    rows, bad = collect(scan_csv(config, tmp_path))
    assert rows.rows() == [(2009, 1.5)]
    assert bad.is_empty()


def test_no_bad_rows_have_no_lines(tmp_path: Path, write: Write) -> None:
    write("Year\n2009\n")
    scan = scan_csv(CsvSource(path="raw.csv", columns={"Year": "code"}), tmp_path)
    lines = scan.number_lines(pl.DataFrame(schema=BAD_SCHEMA))
    assert lines.columns == ["file", "line", "column", "value", "reason"]
    assert lines.is_empty()
