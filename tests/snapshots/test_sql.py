"""What is asked in SQL: all that reads is answered, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import QueryError
from pipeline.snapshots.result import write_result
from pipeline.snapshots.sql import connect, select
from pipeline.snapshots.store import open_store


@pytest.fixture(scope="module")
def con(published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(open_store(published)) as con:
        yield con


@pytest.mark.parametrize(
    "sql",
    [
        "SHOW ALL TABLES",
        "DESCRIBE discharges",
        "SUMMARIZE discharges",
        "VALUES (1); -- done",
        "/* why */ EXPLAIN SELECT 1",
        "-- why\nEXPLAIN ANALYZE FROM discharges",
        "EXPLAIN (FORMAT json) SELECT 1",
        "EXPLAIN (ANALYZE, FORMAT json) (SELECT 1)",
        "EXPLAIN (SELECT 1)",
        "PIVOT discharges ON year USING sum(discharges);",
        "WITH d AS (FROM discharges) PIVOT d ON year",
        "FROM (PIVOT discharges ON year) ORDER BY ALL",
        "EXPLAIN PIVOT discharges ON year",
        "SELECT 'copy' AS \"copy\"",
        "SELECT 'ä' AS ö -- é; ü",
    ],
)
def test_what_only_reads_is_answered(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert select(con, sql).fetchall()


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("UPDATE EXTENSIONS", "a statement of another kind"),
        ("CREATE TABLE t AS PIVOT discharges ON year", "MULTI"),
        ("CREATE TEMP TABLE t AS PIVOT discharges ON year", "MULTI"),
        ("INSERT INTO t PIVOT discharges ON year", "MULTI"),
        ("EXPLAIN CREATE VIEW v AS SELECT 1", "CREATE"),
        ("SELECT 1; SELECT 2", "SELECT, SELECT"),
        ("-- nothing", "nothing"),
        # DuckDB calls a query with a COPY in its WITH a SELECT, and writes the file.
        ("COPY (PIVOT discharges ON year) TO '{file}'", "COPY"),
        ("WITH w AS (COPY (SELECT 1) TO '{file}') SELECT 1", "COPY"),
        ("WITH w AS (/*;*/ copy discharges TO '{file}') FROM w", "COPY"),
        ("WITH \"İİİ\" AS (COPY (SELECT 1) TO '{file}') SELECT 1", "COPY"),
        ("EXPLAIN ANALYZE WITH w AS (COPY (SELECT 1) TO '{file}') FROM w", "COPY"),
        ("EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{file}'", "COPY"),
        ("EXPLAIN (FORMAT json, ANALYZE) COPY (SELECT 1) TO '{file}'", "COPY"),
        ("WITH w AS (COPY (SELECT 1) TO '{file}') PIVOT w ON x", "COPY"),
    ],
)
def test_what_does_more_is_refused_in_words(
    con: duckdb.DuckDBPyConnection, published: Path, sql: str, found: str
) -> None:
    file = open_store(published).objects / "written.csv"
    with pytest.raises(QueryError) as error:
        select(con, sql.format(file=file)).fetchall()
    assert str(error.value) == (
        f"sql: expected one SELECT, found {found}\n"
        "hint: snapshots are read-only; change the pipeline to change them"
    )
    assert not file.exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nope", "nope does not exist\n"),
        ("pg_catalog.nope", "nope does not exist\n"),
        ("dischargs", 'dischargs does not exist!\nDid you mean "discharges"?\n'),
        ("meta.runz", 'runz does not exist!\nDid you mean "runs"?\n'),
    ],
)
def test_table_that_is_not_there_is_told_with_ours_alone(
    con: duckdb.DuckDBPyConnection, name: str, told: str
) -> None:
    with pytest.raises(QueryError) as error:
        select(con, f"from {name}")
    what, _, where = str(error.value).partition("\nLINE 1: ")
    assert what == f"sql: Catalog Error: Table with name {told}"
    assert where.split()[:3:2] == ["from", "^" * len(name)]
    assert "hint: " in where


@pytest.mark.parametrize(
    "sql",
    [
        "WITH w AS (DELETE FROM meta.runs RETURNING *) FROM w",
        "WITH w AS (INSERT INTO meta.catalog VALUES (1, 'x')) SELECT 1",
        "FROM query('WITH w AS (COPY (SELECT 1) TO ''{file}'') SELECT 1')",
        "FROM con",  # a Python variable of this test's
    ],
)
def test_what_looks_like_a_query_and_is_none_fails(
    con: duckdb.DuckDBPyConnection, published: Path, sql: str
) -> None:
    file = open_store(published).objects / "written.csv"
    with pytest.raises(QueryError, match=r"^sql: "):
        select(con, sql.format(file=file)).fetchall()
    assert not file.exists()


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("from nowhere", 1),
        ("\n\nselect yeer\nfrom discharges", 3),
        ("-- é\n/* select\nyeer */ select year,\nyeer from discharges -- end", 4),
        ("-- select yeer from discharges\nselect yeer from discharges;", 2),
        (";" + "\n" * 9 + "select\nyeer from discharges", 11),
        ("-- why\nexplain select yeer from discharges", 2),
    ],
)
def test_a_mistake_is_said_by_its_line_in_the_text(
    con: duckdb.DuckDBPyConnection, sql: str, line: int
) -> None:
    with pytest.raises(QueryError, match=f"LINE {line}: ") as error:
        select(con, sql)
    lines = str(error.value).splitlines()
    mark = next(i for i, text in enumerate(lines) if text.strip(" ^") == "" and text)
    wrong = lines[mark - 1][lines[mark].index("^") :]
    assert wrong.startswith(("nowhere", "yeer"))


def test_a_value_that_does_not_fit_is_said_by_its_line_in_the_text(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    query = select(con, "-- why\n\nselect facility_name\n::int from discharges")
    with pytest.raises(QueryError, match="LINE 4: "):
        write_result(query, None, tmp_path / "found.csv")


def test_bytes_that_are_no_text_are_named(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError, match='a byte that is not UTF-8, after "SELECT \'"'):
        select(con, "SELECT '\udcff'")


def test_forecast_that_is_not_there_yet_is_told_what_makes_it(
    con: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(QueryError) as error:
        select(con, "FROM predictions")
    assert str(error.value).startswith("sql: there is no snapshot 'predictions' yet\n")
    assert "pg_description" not in str(error.value)
