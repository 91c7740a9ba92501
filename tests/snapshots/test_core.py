"""DuckDB without its relations."""

import runpy
import sys

import duckdb
import pytest

from pipeline.snapshots import core


def test_connections_are_those_of_duckdb() -> None:
    with core.duckdb.connect() as con:
        assert isinstance(con, duckdb.DuckDBPyConnection)
    assert core.duckdb.Error is duckdb.Error
    assert core.duckdb is not duckdb  # else commands take 0.1 s more


def test_duckdb_itself_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_duckdb", None)
    assert runpy.run_path(core.__file__)["duckdb"] is duckdb
