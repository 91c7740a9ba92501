"""DuckDB without its relations."""

import duckdb

from pipeline.snapshots import core


def test_connections_are_those_of_duckdb() -> None:
    with core.duckdb.connect() as con:
        assert isinstance(con, duckdb.DuckDBPyConnection)
    assert core.duckdb.Error is duckdb.Error
    assert core.duckdb is not duckdb  # else commands take 0.1 s more
