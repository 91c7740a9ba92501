"""Any database is asked that ADBC reaches: here SQLite, and PostgreSQL where it is."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.errors import SourceError
from pipeline.sources import read
from pipeline.sources.query import rows_path
from pipeline.sources.sql import SqlSource

COLUMNS = {"year": "code", "sales": "number", "shop": "label"}
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def make(uri: str, query: str = "select * from t", **given: Any) -> SqlSource:
    """Declare a source of three columns."""
    raw = {"kind": "sql", "uri": uri, "query": query, "columns": COLUMNS}
    return msgspec.convert(raw | given, SqlSource)


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """A database in a file, by its address."""
    with sqlite3.connect(tmp_path / "a.db") as con:
        con.execute("create table t(year integer, sales real, shop text)")
        rows = [(2016, None, "b"), (2015, 1.5, "a")]
        con.executemany("insert into t values (?, ?, ?)", rows)
    con.close()
    return f"sqlite:///{tmp_path}/a.db"


@pytest.fixture(scope="module")
def postgres() -> Generator[str]:
    """A server of its own, which no network reaches, by its address."""
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed")
    # A socket's path is short; and the server does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)

    def call(*words: str) -> None:
        subprocess.run(
            [BINARIES[-1] / words[0], *words[1:]],
            user=user,
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    data = str(folder / "data")
    try:
        call("initdb", "-D", data, "-U", "me", "-A", "trust", "-N", "-E", "UTF8")
        options = f"-k {folder} -c listen_addresses= -F"
        call("pg_ctl", "-D", data, "-w", "-l", f"{data}/log", "-o", options, "start")
        try:
            yield f"postgresql://me:secret@/postgres?host={folder}"
        finally:
            call("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def test_rows_of_a_query_are_sorted_and_read_by_their_kind(
    sqlite: str, tmp_path: Path
) -> None:
    rows, bad = read(make(sqlite), tmp_path)
    assert bad.is_empty()
    assert rows.rows() == [(2015, 1.5, "a"), (2016, None, "b")]


def test_what_changed_is_asked_again(sqlite: str, tmp_path: Path) -> None:
    read(make(sqlite), tmp_path)
    with sqlite3.connect(tmp_path / "a.db") as con:
        con.execute("delete from t where year = 2016")
    con.close()
    assert read(make(sqlite), tmp_path)[0].rows() == [(2015, 1.5, "a")]


@pytest.mark.parametrize("query", ["select * from s", "select 1 as", "with w as ("])
def test_query_that_the_database_refuses_is_an_error(
    query: str, sqlite: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=r"a\.db: the database refuses\n"):
        read(make(sqlite, query), tmp_path)


def test_database_without_a_driver_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"^oracle://h/x: its driver is not installed\n"
    ):
        read(make("oracle://me:secret@h/x"), tmp_path)


def test_password_is_no_part_of_what_is_asked(tmp_path: Path) -> None:
    paths = {
        rows_path(make(f"postgresql://{user}host/x"), tmp_path)
        for user in ("", "me@", "me:secret@", "me:other@")
    }
    assert len(paths) == 1


def test_postgresql_is_asked(postgres: str, tmp_path: Path) -> None:
    query = """
        select * from (values
            (2016, 12345678901.123456::numeric, 'b', '2015-01-31'::date, true,
             '2015-01-31 01:00:00+02'::timestamptz),
            (2015, null, 'a', null, false, '2015-06-30 00:00:00+00')
        ) v(year, sales, shop, day, sold, at)
    """
    columns = {
        **COLUMNS,
        "sales": {"kind": "decimal", "null": True},
        "day": {"kind": "date", "null": True},
        "sold": "flag",
        "at": "datetime",
    }
    rows, bad = read(make(postgres, query, columns=columns), tmp_path)
    assert bad.is_empty()
    found = rows.select("year", "shop", "sold").rows()
    assert found == [(2015, "a", False), (2016, "b", True)]
    assert str(rows["sales"][1]) == "12345678901.123456"
    assert str(rows["day"][1]) == "2015-01-31"
    assert rows["at"][1].isoformat() == "2015-01-30T23:00:00+00:00"


def test_database_that_refuses_is_named_without_its_password(
    postgres: str, tmp_path: Path
) -> None:
    nobody = postgres.replace("me:", "nobody:")
    with pytest.raises(SourceError, match='role "nobody" does not exist') as error:
        read(make(nobody), tmp_path)
    assert "secret" not in str(error.value)


def test_what_a_query_would_change_is_taken_back(postgres: str, tmp_path: Path) -> None:
    query = "select 2015 as year, 1.5 as sales, lo_create(0)::text as shop"
    read(make(postgres, query), tmp_path)
    count = "select 2015 as year, count(*) as sales, 'x' as shop from pg_largeobject"
    assert read(make(postgres, count), tmp_path)[0]["sales"].item() == 0
