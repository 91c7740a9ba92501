"""Show a result as a table, or write all of it as CSV, JSON or Parquet.

What is written goes batch by batch, so that a result need not fit in memory. In CSV and
JSON, DuckDB writes the values, as it knows all of its types: Polars has no intervals
and unions, and panics at bytes in JSON and at a date that is infinite.
"""

import errno
import io
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

import click
import duckdb
import polars as pl

from pipeline.errors import QueryError
from pipeline.snapshots.catalog import identifier

_BY_SUFFIX = {".csv": "csv", ".json": "json", ".parquet": "parquet"}
MAX_ROWS = 40
"""Rows of a table; the other formats hold all."""

_UNLIMITED = 100_000
"""Characters a line of a table may have where no terminal cuts it."""

_BATCH_ROWS = 65_536

_NOT_IN_PARQUET = (
    "UHUGEINT",
    "INTERVAL",
    "TIME WITH TIME ZONE",
    "UNION",
    "BIT",
    "BIGNUM",
    "VARIANT",
    "GEOMETRY",
)
"""What would be lost, or cannot be written, unless it is text."""

_Writer: TypeAlias = Callable[[duckdb.DuckDBPyRelation, IO[bytes]], None]

_ASCII = str.maketrans("─│╭╮╰╯┌┐└┘├┤┬┴┼·…", "-|+++++++++++++..")


def write_result(
    relation: duckdb.DuckDBPyRelation, format_: str | None, output: Path | None
) -> None:
    """Print a result, or write it to a file, which is there whole or as it was.

    By default the format is what the suffix of the file says; on the terminal, a table.

    Raises
    ------
    QueryError
        If the statement fails while it runs, or the file cannot be written, or would
        hold a table, which shows part of the result only.
    """
    if output:
        format_ = _format_of(output, format_)
    format_ = format_ or "table"
    try:
        if format_ == "table":
            _show_table(relation)
        elif output is None:
            _WRITERS[format_](relation, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            with _whole(output) as file:
                _WRITERS[format_](relation, file)
    except (duckdb.Error, _FailedQuery) as error:
        raise QueryError(f"sql: {error}") from error
    except BrokenPipeError:  # whoever was reading has seen enough
        raise
    except OSError as error:
        raise QueryError(
            f"{output or 'output'}: cannot be written\nfound: {error.strerror or error}"
        ) from error


def _format_of(output: Path, format_: str | None) -> str:
    """Choose the format of a file."""
    suffix = output.suffix.lower()
    format_ = format_ or _BY_SUFFIX.get(suffix)
    if format_ and format_ != "table":
        return format_
    fault = f"the suffix '{suffix}' is not known" if suffix else "has no suffix"
    if format_:
        fault = "cannot hold a whole result as a table"
    raise QueryError(
        f"{output}: {fault}\n"
        f"expected: a suffix of {', '.join(_BY_SUFFIX)}\n"
        "hint: `--format` chooses for any other"
    )


def write_frame(df: pl.DataFrame, format_: str | None, output: Path | None) -> None:
    """Print a frame, or write it to a file; see `write_result`."""
    with duckdb.connect() as con:
        relation = con.from_arrow(cast("object", df.to_arrow()))
        write_result(relation, format_, output)


class _FailedQuery(Exception):
    """What DuckDB says of a statement that fails while its rows are fetched."""


def _show_table(relation: duckdb.DuckDBPyRelation) -> None:
    """Draw a box around the first rows, as wide as the terminal."""
    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_terminal else _UNLIMITED
    with redirect_stdout(io.StringIO()) as table:
        relation.show(max_rows=MAX_ROWS, max_width=width)
    text = table.getvalue()
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = text.translate(_ASCII)
    click.echo(text, nl=False)


@contextmanager
def _whole(path: Path) -> Generator[IO[bytes]]:
    """Open a file that takes the place of another once all is written."""
    if path.exists() and not path.is_file():  # a device or a pipe takes what comes
        with path.open("wb") as file:
            yield file
        return
    try:
        target = path.resolve()
    except RuntimeError as error:  # Python 3.11 and 3.12
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
    partial = target.with_name(f".{target.name}.{os.getpid()}.next")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _batches(relation: duckdb.DuckDBPyRelation) -> Iterator[Any]:
    """Fetch a result piece by piece, at least one, as Arrow's record batches."""
    reader: Any = relation.to_arrow_reader(_BATCH_ROWS)
    is_empty = True
    try:
        for batch in reader:
            is_empty = False
            yield batch
    except OSError as error:  # DuckDB's, through Arrow
        raise _FailedQuery(error) from error
    if is_empty:
        yield import_module("pyarrow").RecordBatch.from_pylist([], reader.schema)


def _as_text(relation: duckdb.DuckDBPyRelation, *kinds: str) -> duckdb.DuckDBPyRelation:
    """Let DuckDB write columns as text: all, or those of some types."""
    unique = relation.project("*")
    return unique.project(
        ", ".join(
            f"CAST({identifier(column)} AS VARCHAR) AS {identifier(column)}"
            if any(kind in str(type_) for kind in kinds)
            else identifier(column)
            for column, type_ in zip(unique.columns, unique.types, strict=True)
        )
    )


def _write_csv(relation: duckdb.DuckDBPyRelation, file: IO[bytes]) -> None:
    """Write a line of names and a line per row."""
    for i, batch in enumerate(_batches(_as_text(relation, ""))):
        file.write(pl.DataFrame(batch).write_csv(include_header=i == 0).encode())


def _write_json(relation: duckdb.DuckDBPyRelation, file: IO[bytes]) -> None:
    """Write a list with an object per row."""
    unique = relation.project("*")
    # JSON has no number that is none.
    finite = ", ".join(
        f"CASE WHEN isfinite({identifier(column)}) THEN {identifier(column)} END"
        f" AS {identifier(column)}"
        if str(type_) in ("DOUBLE", "FLOAT")
        else identifier(column)
        for column, type_ in zip(unique.columns, unique.types, strict=True)
    )
    rows = unique.project(finite).query(
        "result", "SELECT CAST(to_json(result) AS VARCHAR) FROM result"
    )
    separator = b"["
    for batch in _batches(cast("duckdb.DuckDBPyRelation", rows)):
        lines = cast("list[str]", batch.column(0).to_pylist())
        for line in lines:
            file.write(separator + line.encode())
            separator = b",\n"
    file.write(b"]\n" if separator != b"[" else b"[]\n")


def _write_parquet(relation: duckdb.DuckDBPyRelation, file: IO[bytes]) -> None:
    """Write a row group per batch."""
    parquet = import_module("pyarrow.parquet")
    batches = _batches(_as_text(relation, *_NOT_IN_PARQUET))
    first = next(batches)
    try:
        with parquet.ParquetWriter(file, first.schema) as writer:
            for batch in chain([first], batches):
                writer.write_batch(batch)
    except import_module("pyarrow").ArrowException as error:
        raise OSError(str(error)) from error


_WRITERS: dict[str, _Writer] = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
}
