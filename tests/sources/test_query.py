"""Rows of a query are known by their content, whatever their order."""

from pathlib import Path

import msgspec
import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.sources.duckdb_file import DuckDbSource
from pipeline.sources.query import keep_rows, rows_path

ROWS = pl.DataFrame({"y": [2016, 2015, None], "s": [0.5, None, 1.0]})


def test_same_rows_in_another_order_leave_the_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.parquet"
    keep_rows(ROWS, path, "here")
    before = path.stat()
    keep_rows(ROWS.reverse(), path, "here")
    assert path.stat() == before
    keep_rows(ROWS.head(2), path, "here")
    assert path.stat() != before
    assert pl.read_parquet(path).rows() == [(2015, None), (2016, 0.5)]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_columns_that_hold_others_are_left_out(tmp_path: Path) -> None:
    keep_rows(ROWS.with_columns(pl.lit([1]).alias("l")), tmp_path / "a", "here")
    assert pl.read_parquet(tmp_path / "a").columns == ["y", "s"]


def test_query_without_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^here: the query gives no rows\n"):
        keep_rows(ROWS.clear(), tmp_path / "a", "here")


def test_rows_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(SourceError, match=r"^here: cannot be kept\n"):
        keep_rows(ROWS, tmp_path / "a" / "rows.parquet", "here")


def _declare(query: str, path: str = "a") -> DuckDbSource:
    raw = {"kind": "duckdb", "path": path, "query": query, "columns": {"y": "code"}}
    return msgspec.convert(raw, DuckDbSource)


@pytest.mark.parametrize("query", ["drop table t", "", "copy t to 'x'", "selection"])
def test_query_that_is_no_select_is_refused(query: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        _declare(query)


def test_each_query_and_database_has_its_own_file(tmp_path: Path) -> None:
    paths = {
        rows_path(_declare(query, database), tmp_path)
        for query in ("select 1 as y", "\n SELECT 2 as y")
        for database in ("a", "b")
    }
    assert len(paths) == 4
