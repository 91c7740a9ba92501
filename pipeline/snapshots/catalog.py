"""The DuckDB catalog: a view per snapshot, and what is known of every run."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipeline.errors import SnapshotError

# The oldest storage version that DuckDB 1.5 and later clients open.
STORAGE_VERSION = "v1.5.0"

_META = """
CREATE SCHEMA meta;
CREATE TABLE meta.runs (
    run_id VARCHAR PRIMARY KEY, started_at TIMESTAMP, profile VARCHAR,
    source VARCHAR, files VARCHAR[], n_bad_rows BIGINT,
    execute_s DOUBLE, total_s DOUBLE, versions JSON, config JSON
);
CREATE TABLE meta.stages (
    run_id VARCHAR, position INTEGER, stage VARCHAR, transform VARCHAR,
    inputs VARCHAR[], snapshot VARCHAR, n_rows BIGINT, n_columns INTEGER
);
CREATE TABLE meta.snapshots (
    run_id VARCHAR, snapshot VARCHAR, stage VARCHAR, key VARCHAR[],
    n_rows BIGINT, n_bytes BIGINT, path VARCHAR
);
CREATE TABLE meta.columns (
    run_id VARCHAR, stage VARCHAR, snapshot VARCHAR, position INTEGER,
    column_name VARCHAR, dtype VARCHAR
);
COMMENT ON TABLE meta.runs IS 'one row per run; started_at is UTC, *_s are seconds';
COMMENT ON TABLE meta.stages IS 'the stages of each run, in order, with row counts';
COMMENT ON TABLE meta.snapshots IS 'the published outputs of each run';
COMMENT ON TABLE meta.columns IS 'the columns of each stage, with their Polars dtype';
"""
META_TABLES = ("runs", "stages", "snapshots", "columns")


@dataclass(frozen=True)
class RunRecord:
    """What the catalog keeps of a run: rows for each table of ``meta``."""

    runs: Sequence[Sequence[Any]]
    stages: Sequence[Sequence[Any]]
    snapshots: Sequence[Sequence[Any]]
    columns: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class View:
    """A published Parquet file under the name users query."""

    name: str
    path: Path
    comment: str


def write_catalog(
    path: Path, views: Iterable[View], record: RunRecord, previous: Path | None
) -> None:
    """Write a new catalog file.

    Parameters
    ----------
    path : Path
        The file to make; must not exist.
    views : iterable of View
        What users query; the paths must be absolute.
    record : RunRecord
        The metadata of this run.
    previous : Path, optional
        The catalog before, whose metadata is carried over.
    """
    with duckdb.connect() as con:
        con.execute(
            f"ATTACH {_text(path)} AS new (STORAGE_VERSION '{STORAGE_VERSION}')"
        )
        if previous is not None:
            _attach_previous(con, previous)
        con.execute("USE new")
        con.execute("BEGIN")
        con.execute(_META)
        if previous is not None:
            for table in META_TABLES:
                con.execute(f"INSERT INTO meta.{table} SELECT * FROM old.meta.{table}")
        for table in META_TABLES:
            _insert(con, f"meta.{table}", getattr(record, table))
        for view in views:
            name = '"' + view.name.replace('"', '""') + '"'
            rows = f"SELECT * FROM read_parquet({_pattern(view.path)})"
            con.execute(f"CREATE VIEW {name} AS {rows}")
            con.execute(f"COMMENT ON VIEW {name} IS {_text(view.comment)}")
        con.execute("COMMIT")


def _attach_previous(con: duckdb.DuckDBPyConnection, previous: Path) -> None:
    """Attach the catalog before, as ``old``."""
    try:
        con.execute(f"ATTACH {_text(previous)} AS old (READ_ONLY)")
    except duckdb.Error as error:
        raise SnapshotError(
            f"{previous}: the catalog of the last run cannot be read\nfound: {error}\n"
            "hint: remove the file and run again; the history in meta.* begins anew"
        ) from error


def _insert(
    con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[Any]]
) -> None:
    """Insert rows as one statement; a statement per row would take seconds."""
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        unnested = ", ".join(f"unnest(${i})" for i in range(1, len(columns) + 1))
        con.execute(f"INSERT INTO {table} SELECT {unnested}", columns)


def _pattern(path: Path) -> str:
    """Quote a path as a SQL string that DuckDB takes for a pattern of itself only."""
    return _text(re.sub(r"([*?[])", r"[\1]", str(path)))


def _text(value: Path | str) -> str:
    """Quote a value as a SQL string."""
    return "'" + str(value).replace("'", "''") + "'"
