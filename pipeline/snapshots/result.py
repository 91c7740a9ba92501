"""Show a result as a table, or write it as CSV, JSON or Parquet."""

import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import duckdb
import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import QueryError

_BY_SUFFIX = {".csv": "csv", ".json": "json", ".parquet": "parquet"}
MAX_ROWS = 40
"""Rows of a table; the other formats hold all."""

_UNLIMITED = 100_000
"""Characters a line of a table may have where no terminal cuts it."""


def write_result(
    relation: duckdb.DuckDBPyRelation, format_: str | None, output: Path | None
) -> None:
    """Print a result, or write it to a file.

    Parameters
    ----------
    relation : DuckDBPyRelation
        The result.
    format_ : {'table', 'csv', 'json', 'parquet'}, optional
        By default what the suffix of `output` says; on the terminal, a table.
    output : Path, optional
        By default the terminal.

    Raises
    ------
    QueryError
        If the statement fails while it runs, or the file cannot be written, or would
        hold a table, which shows part of the result only.
    """
    if output:
        suffix = output.suffix.lower()
        format_ = format_ or _BY_SUFFIX.get(suffix)
        if format_ in (None, "table"):
            fault = (
                "cannot hold a whole result as a table"
                if format_
                else f"the suffix '{suffix}' is not known"
                if suffix
                else "has no suffix"
            )
            raise QueryError(
                f"{output}: {fault}\n"
                f"expected: a suffix of {', '.join(_BY_SUFFIX)}\n"
                "hint: `--format` chooses for any other"
            )
    format_ = format_ or "table"
    try:
        if format_ == "table":
            _show_table(relation)
        else:
            _write_frame(relation.pl(), format_, output)
    except duckdb.Error as error:
        raise QueryError(f"sql: {error}") from error
    except (PolarsError, OSError) as error:
        raise QueryError(
            f"{output or 'output'}: cannot be written\nfound: {error}"
        ) from error


def write_frame(df: pl.DataFrame, format_: str | None, output: Path | None) -> None:
    """Print a frame, or write it to a file; see `write_result`."""
    with duckdb.connect() as con:
        relation = con.from_arrow(cast("object", df.to_arrow()))
        write_result(relation, format_, output)


def _show_table(relation: duckdb.DuckDBPyRelation) -> None:
    """Draw a box around the first rows, as wide as the terminal."""
    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_terminal else _UNLIMITED
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
