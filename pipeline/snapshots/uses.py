"""Which named queries need which columns of the snapshots, as DuckDB tells."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import duckdb

from pipeline.errors import QueryError
from pipeline.snapshots.catalog import identifier, rows_of, text
from pipeline.snapshots.queries import NamedQuery, load_query, query_names

ROWS = ""
"""Stands for a column: that a query reads a snapshot, though no column of it."""

_ASKED = "column that is asked for"


class Use(NamedTuple):
    """That a query needs a column of a snapshot, or may."""

    query: str
    snapshot: str
    column: str
    is_sure: bool
    """False of a query that cannot be planned, but names snapshot and column."""


def uses(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    columns: Mapping[str, Collection[str]],
    rows: Mapping[str, Path] | None = None,
) -> list[Use]:
    """Tell which queries of a folder need some columns, by snapshot; not all are there.

    `ROWS` among them stands for a query that needs none of the others, but counts rows.

    A query is planned, not run, with a column of another name: if it cannot be, or the
    optimized plan still reads that column, as of a ``*``, it needs it. Objects can take
    the place of the snapshots of the connection.
    """
    [(catalog,)] = con.execute("SELECT current_database()").fetchall()
    of = {s: f"{identifier(catalog)}.main.{identifier(s)}" for s in columns}
    of |= {snapshot: rows_of(path) for snapshot, path in (rows or {}).items()}
    for snapshot in of:
        _show(con, snapshot, f"FROM {of[snapshot]}")
    found: list[Use] = []
    for name in query_names(folder):
        text_ = (folder / f"{name}.sql").read_text(errors="replace")
        named = {s: names for s, names in columns.items() if _stands_in(s, text_)}
        sql = _planned(con, folder, name)
        for snapshot, names in named.items():
            if sql is None:
                perhaps = (c for c in names if c and _stands_in(c, text_))
                found += [Use(name, snapshot, c, is_sure=False) for c in perhaps]
                continue
            needed = [*_needed(con, sql, snapshot, of[snapshot], names)]
            if (
                ROWS in names
                and not needed
                and _reads(con, sql, snapshot, of[snapshot])
            ):
                needed = [ROWS]
            found += [Use(name, snapshot, c, is_sure=True) for c in needed]
    return found


def plannable(con: duckdb.DuckDBPyConnection, folder: Path) -> set[str]:
    """Name the queries of a folder that can be planned."""
    return {n for n in query_names(folder) if _planned(con, folder, n) is not None}


def _planned(con: duckdb.DuckDBPyConnection, folder: Path, name: str) -> str | None:
    """Write a query with the defaults of its parameters; None if it has no plan."""
    try:
        sql = _with_defaults(con, load_query(folder, name))
        _plan(con, sql)
    except (QueryError, duckdb.Error):
        return None
    return sql


def _show(con: duckdb.DuckDBPyConnection, snapshot: str, rows: str) -> None:
    """Let a snapshot be what comes behind ``SELECT *``."""
    view = identifier(snapshot)
    con.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT * {rows}")


def _reads(con: duckdb.DuckDBPyConnection, sql: str, snapshot: str, rows: str) -> bool:
    """Tell whether a query reads a snapshot at all: with a table in its place."""
    table = identifier(_ASKED)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS FROM {rows} LIMIT 0")
    _show(con, snapshot, f"FROM {table}")
    is_read = _ASKED in con.get_table_names(sql)
    _show(con, snapshot, f"FROM {rows}")
    return is_read


def _needed(
    con: duckdb.DuckDBPyConnection,
    sql: str,
    snapshot: str,
    rows: str,
    columns: Collection[str],
) -> Iterator[str]:
    """Plan a query with one column after the other called otherwise."""
    asked = identifier(_ASKED)
    there = con.sql(f"FROM {rows}").columns
    for column in (name for name in columns if name in there):
        _show(con, snapshot, f"RENAME ({identifier(column)} AS {asked}) FROM {rows}")
        try:
            is_needed = _ASKED in _plan(con, sql)
        except duckdb.Error:
            is_needed = True
        if is_needed:
            yield column
    _show(con, snapshot, f"FROM {rows}")


def _plan(con: duckdb.DuckDBPyConnection, sql: str) -> str:
    """Let DuckDB plan a query, and say which columns its result has."""
    # Without a projection, a plan does not say how its columns are called.
    made = con.sql(sql).columns
    return str([made, con.execute(f"EXPLAIN (FORMAT json) {sql}").fetchall()])


def _with_defaults(con: duckdb.DuckDBPyConnection, query: NamedQuery) -> str:
    """Write the defaults of a query's parameters in their places."""
    values: dict[str, str] = {}
    for p in query.parameters:
        sql = f"SELECT CAST(CAST({p.default} AS {p.type}) AS VARCHAR)"
        [(value,)] = con.execute(sql).fetchall()
        shown = "NULL" if value is None else text(value)
        values[p.name] = f"CAST({shown} AS {p.type})"
    return re.sub(r"\$(\w+)", lambda m: values.get(m[1], m[0]), query.sql)


def _stands_in(name: str, sql: str) -> bool:
    """Tell whether a name stands in a text, in whatever case."""
    return bool(re.search(rf"(?i)(?<!\w){re.escape(name)}(?!\w)", sql))
