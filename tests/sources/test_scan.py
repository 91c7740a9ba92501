"""Many files are read as one, to the last bit, and bad cells are where they are."""

import gzip
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from pipeline import sources
from pipeline.errors import SourceError
from pipeline.plan.fingerprint import source_plan
from pipeline.sources.columns import Column, Declared
from pipeline.sources.csv import CsvSource, scan_csv
from pipeline.sources.parquet import ParquetSource, scan_parquet
from pipeline.sources.scan import cut

COLUMNS: dict[str, Declared] = {"Year": "code", "Name": "label", "Cost": "money"}
N_FILES = 40

Write = Callable[..., Path]
Config = CsvSource | ParquetSource


def frame_of(number: int) -> pl.DataFrame:
    """Make the rows of a file; some have no rows but one."""
    n_rows = 1 + number % 3
    return pl.DataFrame(
        {
            "Year": [2000 + number] * n_rows,
            "Name": [f"n{number}.{i}" for i in range(n_rows)],
            "Cost": [number + i / 4 for i in range(n_rows)],
        }
    )


def pack(content: bytes, number: int) -> bytes:
    """Leave every third file plain, and pack the others."""
    if number % 3 == 1:
        return gzip.compress(content)
    return pa.compress(content, "zstd", asbytes=True) if number % 3 == 2 else content


def write_csv(
    write: Write, cells: dict[int, str] | None = None, *, turned: Sequence[int] = ()
) -> CsvSource:
    """Write files of several line ends and packings, with a cell of some replaced."""
    for number in range(N_FILES):
        df = frame_of(number)
        names = df.columns[::-1] if number in turned else df.columns
        text = df.select(names).write_csv(
            line_terminator="\r\n" if number % 2 else "\n",
            include_bom=number % 5 == 0,
        )
        if cells and number in cells:
            text = text.replace(f"n{number}.0", cells[number])
        end = "" if number % 4 == 0 else "\n"
        write(pack((text.rstrip() + end).encode(), number), f"in/{number:02}.csv")
    return CsvSource(path="in/*.csv", columns=COLUMNS, max_bad_rows=100)


def write_parquet(
    folder: Path, cells: dict[int, str] | None = None, *, turned: Sequence[int] = ()
) -> ParquetSource:
    """Write the same as Parquet files; some have a column more."""
    (folder / "in").mkdir()
    for number in range(N_FILES):
        df = frame_of(number).with_columns(pl.lit(number).alias("Extra"))
        if cells and number in cells:
            cell = pl.lit(cells[number])
            is_first = pl.int_range(pl.len()) == 0
            df = df.with_columns(Name=pl.when(is_first).then(cell).otherwise("Name"))
        df = df.select(df.columns[::-1]) if number in turned else df
        df = df.drop("Extra") if number % 2 else df
        df.write_parquet(folder / "in" / f"{number:02}.parquet")
    return ParquetSource(path="in/*.parquet", columns=COLUMNS, max_bad_rows=100)


def expected() -> pl.DataFrame:
    """Put the rows of all files behind each other."""
    whole = pl.concat([frame_of(number) for number in range(N_FILES)])
    return whole.cast({"Year": pl.Int32})


def test_many_csv_files_are_one_scan_and_give_their_rows_in_order(
    tmp_path: Path, write: Write
) -> None:
    config = write_csv(write)
    scan = scan_csv(config, tmp_path)
    assert pl.explain_all(scan.frames()).count("Csv SCAN") == 1
    rows, bad = sources.read(config, tmp_path)
    assert_frame_equal(rows, expected(), check_exact=True)
    assert bad.is_empty()


def test_many_parquet_files_are_one_scan_whatever_the_order_of_their_columns(
    tmp_path: Path,
) -> None:
    config = write_parquet(tmp_path, turned=range(0, N_FILES, 3))
    scan = scan_parquet(config, tmp_path)
    assert pl.explain_all(scan.frames()).count("Parquet SCAN") == 1
    rows, bad = sources.read(config, tmp_path)
    assert_frame_equal(rows, expected(), check_exact=True)
    assert bad.is_empty()


@pytest.mark.parametrize("turned", [(), range(0, N_FILES, 2)], ids=["alike", "turned"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_bad_cells_are_named_by_file_and_line_wherever_they_are(
    kind: str, turned: Sequence[int], tmp_path: Path, write: Write
) -> None:
    cells = {0: " ", 17: "", 18: "", N_FILES - 1: ""}
    config: Config
    if kind == "csv":
        config = write_csv(write, cells, turned=turned)
        # A record over two lines, above the bad one of the same file.
        text = "Name,Year,Cost\n" if 20 in turned else "Year,Name,Cost\n"
        text += '"a\nb",1,1\n,1,1\n' if 20 in turned else '1,"a\nb",1\n1,,1\n'
        write(text, "in/20.csv")
        bad_lines = [("in/20.csv", 4)]
        first = 2
    else:
        config = write_parquet(tmp_path, cells, turned=turned)
        bad_lines, first = [], 1
    places = [(f"in/{number:02}.{kind}", first) for number in cells] + bad_lines
    rows, bad = sources.read(config, tmp_path)
    assert bad.select("file", "line").rows() == sorted(places)
    assert set(bad["reason"]) == {"missing label"}
    is_first = pl.col("Name").is_in([f"n{number}.0" for number in cells])
    kept = expected().filter(~is_first & (pl.col("Year") != 2020))
    others = rows.filter(pl.col("Name") != "a\nb", pl.col("Year") != 2020)
    assert_frame_equal(others, kept, check_exact=True)


def test_layouts_beyond_what_one_pass_can_hold_give_the_same(
    tmp_path: Path, write: Write
) -> None:
    config = write_csv(write, turned=range(0, N_FILES, 2))
    scan = scan_csv(config, tmp_path)
    assert len(scan.streams) == N_FILES
    assert pl.explain_all(scan.frames()).count("SCAN [") == 0
    rows, bad = sources.read(config, tmp_path)
    assert_frame_equal(rows, expected(), check_exact=True)
    assert bad.is_empty()


def test_one_file_whose_columns_must_be_cleaned_does_not_part_the_others(
    tmp_path: Path, write: Write
) -> None:
    for number in range(3):
        cost = "$1.50" if number == 1 else "1.5"
        write(f"Year,Name,Cost\n2009,a,{cost}\n", f"in/{number}.csv")
    config = CsvSource(path="in/*.csv", columns=COLUMNS)
    scan = scan_csv(config, tmp_path)
    rows, bad = pl.collect_all(scan.frames(), engine="streaming")
    assert len(scan.streams) == 1
    assert rows["Cost"].to_list() == [1.5] * 3
    assert bad.is_empty()


def test_column_that_lacks_in_one_of_many_files_names_it(
    tmp_path: Path, write: Write
) -> None:
    config = write_csv(write)
    file = write("Year,Name\n2009,a\n", "in/21.csv")
    with pytest.raises(SourceError) as caught:
        scan_csv(config, tmp_path)
    assert str(caught.value).startswith(f"{file}: 1 of 3 declared columns are missing")


def test_file_that_a_pattern_finds_twice_is_read_once(
    tmp_path: Path, write: Write
) -> None:
    write("Year,Name,Cost\n2009,a,1\n", "in/deep/er/a.csv")
    config = CsvSource(path="**/**/*.csv", columns=COLUMNS)
    rows, _ = sources.read(config, tmp_path)
    assert rows.rows() == [(2009, "a", 1.0)]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=repr)
def test_as_many_records_as_lines_are_in_many_small_files(
    end: str, tmp_path: Path, write: Write
) -> None:
    for number in range(N_FILES):
        write(f"Year,Other\n2009,x{end}", f"in/{number:02}.csv")
    config = CsvSource(path="in/*.csv", columns={"Year": "code"})
    rows, suspect = pl.collect_all(scan_csv(config, tmp_path).frames())
    assert rows["Year"].to_list() == [2009] * N_FILES
    assert suspect.is_empty()


def test_rows_that_a_quote_swallows_in_one_of_many_small_files_are_set_aside(
    tmp_path: Path, write: Write
) -> None:
    for number in range(N_FILES):
        write("Year,A,B\n2009,x,y\n", f"in/{number:02}.csv")
    write('Year,A,B\n2009,x,y\n2010,"x,y\n2011,x",y\n', "in/21.csv")
    config = CsvSource(path="in/*.csv", columns={"Year": "code"})
    rows, bad = sources.read(config, tmp_path)
    assert rows["Year"].to_list() == [2009] * N_FILES
    assert bad.select("file", "line").rows() == [("in/21.csv", 3)]


def test_field_that_would_not_show_in_one_of_many_small_files_is_refused(
    tmp_path: Path, write: Write
) -> None:
    for number in range(N_FILES):
        write("Year,A\n2009,\n2009,x\n", f"in/{number:02}.csv")
    file = write("Year,A\n2009,\n2009,x,,z\n", "in/21.csv")
    config = CsvSource(path="in/*.csv", columns={"Year": "code"})
    with pytest.raises(SourceError) as caught:
        sources.read(config, tmp_path)
    assert str(caught.value).startswith(f"{file}:3: a row has more fields than")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_file_that_was_written_anew_is_looked_at_anew(
    kind: str, tmp_path: Path, write: Write
) -> None:
    config: Config = write_csv(write) if kind == "csv" else write_parquet(tmp_path)
    sources.read(config, tmp_path)
    file = tmp_path / "in" / f"21.{kind}"
    other = frame_of(21).select(pl.col("Cost").cast(pl.String), "Name", "Year")
    other.write_csv(file) if kind == "csv" else other.write_parquet(file)
    rows, bad = sources.read(config, tmp_path)
    assert_frame_equal(rows, expected(), check_exact=True)
    assert bad.is_empty()


def test_parquet_file_without_rows_among_others_gives_none(tmp_path: Path) -> None:
    config = write_parquet(tmp_path)
    frame_of(0).clear().write_parquet(tmp_path / "in" / "20.parquet")
    rows, _ = sources.read(config, tmp_path)
    assert_frame_equal(rows, expected().filter(pl.col("Year") != 2020))


def test_how_files_are_read_says_nothing_of_their_number_or_names(
    tmp_path: Path, write: Write
) -> None:
    config = write_csv(write)
    before = source_plan(config, tmp_path)
    for number in range(1, N_FILES):
        (tmp_path / "in" / f"{number:02}.csv").unlink()
    assert source_plan(config, tmp_path) == before
    write("Name,Year,Cost\na,2009,1\n", "in/00.csv")
    assert source_plan(config, tmp_path) != before


@pytest.mark.parametrize(
    "settings",
    [
        {"encoding": "cp850"},
        {"comment": "#"},
        {"skip_footer": 1},
        {"quote": "none"},
        {"decimal": ","},
        {"nulls": ["x"]},
        {"columns": {"Year": "code", "Name": Column(kind="label", null=True)}},
    ],
    ids=str,
)
def test_how_files_are_read_says_what_is_said_by_name(
    settings: dict[str, Any], tmp_path: Path, write: Write
) -> None:
    write("Year,Name,Cost\n2009,a,1.5\n2010,b,2.5\n")
    columns: dict[str, Declared] = {"Year": "code", "Name": "label", "Cost": "number"}
    plain: dict[str, Any] = {"path": "raw.csv", "columns": columns}
    before, after = (
        source_plan(CsvSource(**given), tmp_path)[0]
        for given in (plain, plain | settings)
    )
    assert before != after


def test_pieces_are_cut_in_order_and_none_is_empty() -> None:
    def pieces(*sizes: int) -> list[list[int]]:
        return list(cut(sizes, lambda size: size, 10))

    assert pieces(4, 4, 4, 20, 1) == [[4, 4], [4], [20], [1]]
    assert pieces(20) == [[20]]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_rows_are_bounded_by_a_file_s_length_and_by_its_lines(
    packed: bool, tmp_path: Path, write: Write
) -> None:
    text = "Note,Year,Name\n" + ",1,a\n" * 1000 + ",1,a"
    write(gzip.compress(text.encode()) if packed else text)
    config = CsvSource(
        path="raw.csv", columns={"Note": "text", "Year": "code", "Name": "label"}
    )
    scan = scan_csv(config, tmp_path)
    # The shortest lines there are, and a header.
    assert scan.most_rows == (math.inf if packed else 1004)
    assert scan.counted().most_rows == 1001


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_carriage_return_in_the_header_takes_no_row(
    end: str, tmp_path: Path, write: Write
) -> None:
    write(f'Year,"of\rstay"{end}2009,x{end}2010,y{end}')
    config = CsvSource(path="raw.csv", columns={"Year": "code"})
    rows, bad = sources.read(config, tmp_path)
    assert rows["Year"].to_list() == [2009, 2010]
    assert bad.is_empty()
