"""Show a result as a table, or write it as CSV, JSON or Parquet."""

import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
from polars.exceptions import PolarsError

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
    except (duckdb.Error, PolarsError, OSError) as error:
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
    target = output or io.BytesIO()
    if format_ == "csv":
        df.write_csv(target)
    elif format_ == "json":
        df.with_columns(_json_numbers(df.schema)).write_json(target)
    else:
        df.write_parquet(target)
    if isinstance(target, io.BytesIO):
        end = b"\n" if format_ == "json" else b""
        sys.stdout.buffer.write(target.getvalue() + end)


def _json_numbers(schema: pl.Schema) -> Iterator[pl.Expr]:
    """Cast what Polars would write as strings: DuckDB's decimals and 128-bit sums."""
    for name, dtype in schema.items():
        if isinstance(dtype, pl.Decimal):
            yield pl.col(name).cast(pl.Float64 if dtype.scale else pl.Int64)
        elif dtype == pl.Int128:
            yield pl.col(name).cast(pl.Int64)
