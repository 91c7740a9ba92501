"""Show a result as a table, or write it as CSV, JSON or Parquet."""

import shutil
import sys
from pathlib import Path

import duckdb
import polars as pl

from pipeline.errors import QueryError

_BY_SUFFIX = {".csv": "csv", ".json": "json", ".parquet": "parquet"}
MAX_ROWS = 40
"""Rows of a table on the terminal; the files hold all."""


def write_result(
    relation: duckdb.DuckDBPyRelation, format_: str | None, output: Path | None
) -> None:
    """Print a result, or write it to a file.

    Parameters
    ----------
    relation : DuckDBPyRelation
        The result.
    format_ : {'table', 'csv', 'json', 'parquet'}, optional
        By default what the suffix of `output` says, else a table.
    output : Path, optional
        By default the terminal.

    Raises
    ------
    QueryError
        If the statement fails while it runs, or the file cannot be written.
    """
    suffix = output.suffix if output else ""
    format_ = format_ or _BY_SUFFIX.get(suffix, "table")
    try:
        if format_ == "table":
            _write_table(relation, output)
        else:
            _write_frame(relation.pl(), format_, output)
    except (duckdb.Error, OSError) as error:
        raise QueryError(f"sql: {error}") from error


def _write_table(relation: duckdb.DuckDBPyRelation, output: Path | None) -> None:
    """Draw a box around the rows; a terminal sees the first of them only."""
    if output:
        output.write_text(f"{relation}\n")
    else:
        width = shutil.get_terminal_size().columns
        relation.show(max_rows=MAX_ROWS, max_width=width)


def _write_frame(df: pl.DataFrame, format_: str, output: Path | None) -> None:
    """Write all rows; to the standard output where there is no file."""
    target = output or sys.stdout.buffer
    if format_ == "csv":
        df.write_csv(target)
    elif format_ == "json":
        df.write_json(target)
    else:
        df.write_parquet(target)
    if format_ == "json" and output is None:
        sys.stdout.buffer.write(b"\n")
