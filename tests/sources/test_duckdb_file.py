"""A file of DuckDB is asked by each run, and never written."""

from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from pipeline.errors import SourceError
from pipeline.sources import is_asked, read
from pipeline.sources.duckdb_file import DuckDbSource

QUERY = "select year, sum(s) as sales from t group by year"


def make(**given: Any) -> DuckDbSource:
    """Declare a source of two columns."""
    raw = {
        "kind": "duckdb",
        "path": "a.duckdb",
        "query": QUERY,
        "columns": {"year": "code", "sales": "number"},
    }
    return msgspec.convert(raw | given, DuckDbSource)


def write(root: Path, *statements: str) -> Path:
    """Run statements on a file."""
    file = root / "a.duckdb"
    with duckdb.connect(file) as con:
        for statement in statements:
            con.execute(statement)
    return file


TABLE = (
    "create table t as from (values (2016, 1.25), (2015, 2), (2016, 0.5)) v(year, s)"
)


def test_rows_of_a_query_are_sorted_and_read_by_their_kind(tmp_path: Path) -> None:
    file = write(tmp_path, TABLE, "insert into t values (-1, 1)")
    before = file.read_bytes()
    rows, bad = read(make(), tmp_path)
    assert rows.rows() == [(2015, 2.0), (2016, 1.75)]
    assert bad.drop("file").rows() == [(1, "year", "-1", "negative code")]
    assert file.read_bytes() == before


def test_what_changed_is_asked_again(tmp_path: Path) -> None:
    write(tmp_path, TABLE)
    assert is_asked(make())
    read(make(), tmp_path)
    write(tmp_path, "delete from t where year = 2015")
    assert read(make(), tmp_path)[0].rows() == [(2016, 1.75)]


def test_times_with_a_zone_are_in_utc(tmp_path: Path) -> None:
    write(tmp_path)
    query = "select '2015-01-31 01:00:00+02'::timestamptz as at, 'a'::enum('a') as e"
    columns = {"at": "datetime", "e": "label"}
    rows = read(make(query=query, columns=columns), tmp_path)[0]
    [(at, label)] = rows.rows()
    assert (at.isoformat(), label) == ("2015-01-30T23:00:00+00:00", "a")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("select * from s", "Table with name s does not exist"),
        ("select * from read_csv('x.csv')", "disabled"),
        ("with w as (copy t to 'x.csv') select 1", "disabled"),
        ("select 1; drop table t", "read-only"),
    ],
)
def test_query_that_cannot_be_answered_is_an_error(
    query: str, found: str, tmp_path: Path
) -> None:
    file = write(tmp_path, TABLE)
    with pytest.raises(SourceError) as error:
        read(make(query=query), tmp_path)
    assert str(error.value).startswith(f"{file}: does not answer source.query\n")
    assert found in str(error.value)
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize("content", [b"", b"no database" * 1000])
def test_file_that_is_no_database_is_an_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.duckdb").write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.duckdb: does not answer"):
        read(make(), tmp_path)


def test_file_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    write(tmp_path, TABLE)
    with pytest.raises(SourceError, match=r"did you mean 'a\.duckdb'"):
        read(make(path="aa.duckdb"), tmp_path)


def test_only_one_file_can_be_asked(tmp_path: Path) -> None:
    write(tmp_path, TABLE)
    (tmp_path / "b.duckdb").touch()
    with pytest.raises(SourceError, match="names 2 files"):
        read(make(path="*.duckdb"), tmp_path)
