"""Sources of any kind are fetched, scanned and guarded by the same calls."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.sources import (
    SourceConfig,
    columns_in,
    declared,
    guard,
    read,
    reads,
    refuse_too_many,
    source,
)
from pipeline.sources.csv import CsvSource
from pipeline.sources.dialect import Written
from pipeline.sources.parquet import ParquetSource
from pipeline.sources.scan import Stream
from pipeline.sources.source import FileSource, PackageSource

Write = Callable[..., Path]

COLUMNS = {"Year": "code", "Sales": "number"}
GOOD, BAD = "2009,1\n", "2009-06-30,1\n"
DOWNLOAD = {"kind": "download", "url": "https://host/a.csv", "file_name": "a.csv"}


def make(**given: Any) -> SourceConfig:
    """Declare a source of two columns and of any kind."""
    return msgspec.convert({"columns": COLUMNS, **given}, PackageSource)


@pytest.mark.parametrize(
    ("given", "kind", "path"),
    [
        ({"kind": "csv", "path": "in/*.csv"}, CsvSource, "in/*.csv"),
        ({"kind": "parquet", "path": "s3://b/a"}, ParquetSource, "s3://b/a"),
        (DOWNLOAD, CsvSource, ".pipeline/data/a.csv"),
    ],
    ids=str,
)
def test_each_kind_is_read_from_csv_or_parquet_files(
    given: dict[str, Any], kind: type, path: str, tmp_path: Path
) -> None:
    found = reads(make(**given, rename={"sales": "Sales"}, max_bad_rows=5), tmp_path)
    assert isinstance(found, kind)
    assert found.path.startswith(path)
    assert found.columns == COLUMNS
    assert found.rename == {"sales": "Sales"}
    assert found.bad_limits == (5,)


def test_declared_columns_are_those_that_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Sales,Other,Year\n1.5,x,2009\n")
    config = make(kind="csv", path="a.csv")
    rows, bad = read(config, tmp_path)
    assert rows.schema == declared(config, tmp_path).collect_schema()
    assert rows.rows() == [(2009, 1.5)]
    assert bad.is_empty()


def test_bytes_of_csv_files_only_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[tuple[Path, Written]] = []
    monkeypatch.setattr(
        source, "refuse_unsound", lambda *given: looked.append(given[:2])
    )
    file = tmp_path / "a"
    file.write_text("Sales;Year\n1,5;2009\n")
    guard([file], make(kind="parquet", path="a"), tmp_path)
    assert looked == []
    guard([file], make(kind="csv", path="a"), tmp_path)
    assert looked == [(file, Written(separator=";"))]


def test_file_that_polars_cannot_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    df = pl.DataFrame({"Year": range(9_999), "Sales": [0.5] * 9_999})
    df.write_parquet(file)
    content = bytearray(file.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    file.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.parquet: cannot be read as Parquet"):
        read(make(kind="parquet", path="a.parquet"), tmp_path)


def _refuse(root: Path, source: CsvSource | ParquetSource) -> int:
    """Read a source, and count its bad rows."""
    return refuse_too_many(read(source, root)[1], source, root)


def _csv(path: str = "*.csv", **given: Any) -> CsvSource:
    """Declare a source of two columns."""
    raw = {"kind": "csv", "path": path, "columns": {"Year": "code", "Sales": "number"}}
    return msgspec.convert({**raw, **given}, CsvSource)


def test_no_more_than_one_row_in_a_hundred_may_be_bad(
    tmp_path: Path, write: Write
) -> None:
    write("Year,Sales\n" + GOOD * 99 + BAD)
    assert _refuse(tmp_path, _csv()) == 1
    write("Year,Sales\n" + GOOD * 98 + BAD)
    expected = "1 bad rows, expected at most 0, 1 % of 99; the first:\n  raw.csv:100: Y"
    with pytest.raises(SourceError) as error:
        _refuse(tmp_path, _csv())
    assert str(error.value).startswith(expected)
    assert "source.max_bad_rows=N, or a share" in str(error.value)


def test_no_more_than_a_hundred_rows_may_be_bad(tmp_path: Path, write: Write) -> None:
    write("Year,Sales\n" + GOOD * 20_000 + BAD * 101)
    with pytest.raises(SourceError, match=r"^101 bad rows, expected at most 100; the"):
        _refuse(tmp_path, _csv())


@pytest.mark.parametrize("limit", [3, 0.5, [3], [3, 0.5], [9, 0.45]], ids=str)
def test_limit_is_a_count_or_a_share_or_both(
    limit: object, tmp_path: Path, write: Write
) -> None:
    write("Year,Sales\n" + GOOD * 4 + BAD * 3)
    assert _refuse(tmp_path, _csv(max_bad_rows=limit)) == 3
    write("Year,Sales\n" + GOOD * 4 + BAD * 4)
    if limit != 0.5:
        with pytest.raises(SourceError, match=r"^4 bad rows, expected at most 3"):
            _refuse(tmp_path, _csv(max_bad_rows=limit))


@pytest.mark.parametrize("limit", [-1, 1.0, 1.5, 0.0, "1%", None, [[1]]], ids=str)
def test_limit_that_is_neither_is_refused(limit: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        _csv(max_bad_rows=limit)


def test_file_without_a_good_row_is_an_error_whatever_is_allowed(
    tmp_path: Path, write: Write
) -> None:
    write("Year,Sales\n" + GOOD * 1000, "a.csv")
    file = write("Year,Sales\n" + BAD * 2, "b.csv")
    with pytest.raises(SourceError) as error:
        _refuse(tmp_path, _csv(max_bad_rows=60))
    first, cell, *_ = str(error.value).splitlines()
    assert first == f"{file}: holds no good rows; the first:"
    assert cell == "  b.csv:2: Year: '2009-06-30' unreadable code"


def test_file_whose_good_rows_need_mending_has_good_rows(
    tmp_path: Path, write: Write
) -> None:
    # Nothing in the head says that the numbers of the rest are padded.
    write("Year,Sales\n" + GOOD * 33_000 + '" 2009 ",1\n' * 34_000 + BAD)
    assert _refuse(tmp_path, _csv()) == 1


def test_parquet_file_without_a_good_row_is_an_error(tmp_path: Path) -> None:
    frame = pl.DataFrame({"Year": ["2009-01-01"] * 2, "Sales": [1.0, 2.0]})
    frame.write_parquet(tmp_path / "a [1].parquet")
    source = ParquetSource(
        path="*.parquet", columns={"Year": "code", "Sales": "number"}, max_bad_rows=9
    )
    with pytest.raises(SourceError, match="holds no good rows; the first:"):
        _refuse(tmp_path, source)


def test_no_more_bad_rows_are_listed_than_are_ever_set_aside(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[Stream.__module__], "MOST_BAD", 5)
    monkeypatch.setattr("pipeline.sources.source.MOST_BAD", 5)
    write("Year,Sales\n" + GOOD * 9 + f"{'x' * 999},1\n" * 4)
    bad = read(_csv(max_bad_rows=9), tmp_path)[1]
    assert [len(value) for value in bad["value"]] == [200] * 4
    assert _refuse(tmp_path, _csv(max_bad_rows=9)) == 4
    write("Year,Sales\n" + GOOD * 9 + BAD * 60)
    assert read(_csv(max_bad_rows=99), tmp_path)[1].height == 5
    with pytest.raises(SourceError, match=r"^5 bad rows or more, expected at most 4"):
        _refuse(tmp_path, _csv(max_bad_rows=99))


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx", "a.jsonl", "a.parquet"])
def test_columns_of_a_file_are_listed_before_any_is_declared(
    tmp_path: Path, name: str
) -> None:
    file, rows = tmp_path / name, pl.DataFrame({"x": ["a", "b"], "Sold": ["1", "2"]})
    match file.suffix:
        case ".csv":
            kind, _ = "csv", rows.write_csv(file)
        case ".xlsx":
            kind, _ = "excel", rows.write_excel(file)
        case ".jsonl":
            kind, _ = "json_lines", rows.write_ndjson(file)
        case _:
            kind, _ = "parquet", rows.write_parquet(file)
    raw = {"kind": kind, "path": name, "columns": {}}
    config = msgspec.convert(raw, FileSource)
    assert columns_in(config, file, tmp_path) == [
        ("x", pl.String()),
        ("Sold", pl.String()),
    ]
