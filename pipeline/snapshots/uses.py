"""Which named queries need which columns of the snapshots, as DuckDB tells."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import duckdb

from pipeline.errors import QueryError
from pipeline.snapshots.catalog import identifier, text
from pipeline.snapshots.sql import NamedQuery, load_query, query_names

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
) -> list[Use]:
    """Tell which queries of a folder need some columns, by snapshot; not all are there.

    A query is planned, not run, with a column of another name: if it cannot be, or the
    optimized plan still reads that column, as of a ``*``, it needs it.
    """
    found: list[Use] = []
    for name in query_names(folder):
        sql = (folder / f"{name}.sql").read_text(errors="replace")
        named = {s: of for s, of in columns.items() if _stands_in(s, sql)}
        try:
            sql = _with_defaults(con, load_query(folder, name))
            _plan(con, sql)
        except (QueryError, duckdb.Error):
            found += [
                Use(name, snapshot, column, is_sure=False)
                for snapshot, of in named.items()
                for column in of
                if _stands_in(column, sql)
            ]
            continue
        for snapshot, of in named.items():
            needed = _needed(con, sql, snapshot, of)
            found += [Use(name, snapshot, c, is_sure=True) for c in needed]
    return found


def _needed(
    con: duckdb.DuckDBPyConnection, sql: str, snapshot: str, columns: Collection[str]
) -> Iterator[str]:
    """Plan a query with one column after the other called otherwise."""
    [(catalog,)] = con.execute("SELECT current_database()").fetchall()
    view, asked = identifier(snapshot), identifier(_ASKED)
    there = con.sql(f"FROM {identifier(catalog)}.main.{view}").columns
    for column in (name for name in columns if name in there):
        con.execute(
            f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT *"
            f" RENAME ({identifier(column)} AS {asked})"
            f" FROM {identifier(catalog)}.main.{view}"
        )
        try:
            is_needed = _ASKED in _plan(con, sql)
        except duckdb.Error:
            is_needed = True
        if is_needed:
            yield column
    con.execute(f"DROP VIEW IF EXISTS temp.{view}")


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
