"""Show a result as a table, or write all of it as CSV, JSON or Parquet.

What is written goes batch by batch, so that a result need not fit in memory. DuckDB
writes the values as text, as it knows all of its types; only Parquet needs Arrow.
"""

import os
import shutil
import sys
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import chain
from pathlib import Path
from threading import Timer
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

import click
import duckdb

from pipeline.errors import QueryError
from pipeline.snapshots.catalog import identifier
from pipeline.snapshots.table import Column, as_table, harmless, vertically

if TYPE_CHECKING:
    import polars as pl

_BY_SUFFIX = {".csv": "csv", ".json": "json", ".parquet": "parquet"}
VERTICAL = "vertical"
"""A table with a line per value."""

MAX_ROWS = 40
"""Rows of a table; the other formats hold all."""

_COUNT_S = 1.0
"""Seconds that counting the rows beyond may take."""

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

_NEVER_QUOTED = ("INT", "INTEGER", "BIGNUM", "DOUBLE", "FLOAT", "BOOLEAN", "DATE")
"""Of these, no value holds what CSV needs quotes for."""

_SPECIAL = ('"', ",", "\n", "\r")
"""What a cell of CSV holds only in quotes."""

_RESULT = " result"
"""A name no snapshot has."""

_EXPLAINED = ["explain_key", "explain_value"]

_Relation: TypeAlias = duckdb.DuckDBPyRelation
_Connection: TypeAlias = duckdb.DuckDBPyConnection
_Writer: TypeAlias = Callable[[_Connection, _Relation, IO[bytes]], None]

_ASCII = str.maketrans(
    dict.fromkeys(map(chr, range(0x2500, 0x2580)), "+") | {"─": "-", "│": "|", "µ": "u"}
)
"""How boxes are drawn without lines."""


def write_result(
    con: _Connection,
    relation: _Relation,
    format_: str | None,
    output: Path | None,
    *,
    keys: Collection[str] = (),
) -> None:
    """Print a result of a connection, or write it to a file, whole or not at all.

    By default the format is what the suffix of the file says; on the terminal, a table,
    in which values of keys stand as they are.

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
        if format_ in ("table", VERTICAL):
            _show(con, relation, keys, is_vertical=format_ == VERTICAL)
        elif output is None:
            _WRITERS[format_](con, relation, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            with _whole(output) as file:
                _WRITERS[format_](con, relation, file)
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
    if format_ and format_ not in ("table", VERTICAL):
        return format_
    fault = f"the suffix '{suffix}' is not known" if suffix else "has no suffix"
    if format_:
        fault = "cannot hold a whole result as a table"
    raise QueryError(
        f"{output}: {fault}\n"
        f"expected: a suffix of {', '.join(_BY_SUFFIX)}\n"
        "hint: `--format` chooses for any other"
    )


def write_frame(
    df: "pl.DataFrame",
    format_: str | None,
    output: Path | None,
    *,
    keys: Collection[str] = (),
) -> None:
    """Print a frame, or write it to a file; see `write_result`."""
    with duckdb.connect() as con:
        relation = con.from_arrow(cast("object", df.to_arrow()))
        write_result(con, relation, format_, output, keys=keys)


def to_frame(relation: duckdb.DuckDBPyRelation) -> "pl.DataFrame":
    """Fetch all of a result; what Polars has no type for comes as text.

    Raises
    ------
    QueryError
        If the statement fails while it runs.
    """
    try:
        return _as_text(relation, *_NOT_IN_PARQUET).pl()
    except duckdb.Error as error:
        raise QueryError(f"sql: {error}") from error


class _FailedQuery(Exception):
    """What DuckDB says of a statement that fails while its rows are fetched."""


def _show(
    con: _Connection, relation: _Relation, keys: Collection[str], *, is_vertical: bool
) -> None:
    """Show the first rows, on a terminal no wider than it is, and count them."""
    encoding = sys.stdout.encoding or "utf-8"
    if relation.columns == _EXPLAINED:
        for _, plan in relation.fetchall():
            _print_plan(plan, encoding)
        return
    rows = _as_text(relation.limit(MAX_ROWS + 1)).fetchall()
    shown, folded = rows[:MAX_ROWS], {key.lower() for key in keys}
    columns = [
        Column(name, str(type_), [row[i] for row in shown], name.lower() in folded)
        for i, (name, type_) in enumerate(
            zip(relation.columns, relation.types, strict=True)
        )
    ]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if is_vertical:
        lines = vertically(columns, encoding)
    else:
        lines = as_table(columns, width, encoding)
    for line in lines:
        click.echo(line)
    click.echo(_counted(con, relation, len(rows)))


def _print_plan(plan: str, encoding: str) -> None:
    """Print what EXPLAIN says, line by line."""
    try:
        plan.encode(encoding)
    except UnicodeEncodeError:
        plan = plan.translate(_ASCII)
    for line in plan.splitlines():
        click.echo(harmless(line, encoding))


def _counted(con: _Connection, relation: _Relation, n_fetched: int) -> str:
    """Say how many rows there are, and how many of them are shown."""
    if n_fetched <= MAX_ROWS:
        return f"{n_fetched} row{'' if n_fetched == 1 else 's'}"
    n_rows = _count(con, relation)
    beyond = f"{n_rows:,} rows" if n_rows else "more rows; `-o FILE` writes all"
    return f"{MAX_ROWS} of {beyond}"


def _count(con: _Connection, relation: _Relation) -> int | None:
    """Count the rows, which DuckDB often knows; None if that takes long."""
    timer = Timer(_COUNT_S, con.interrupt)
    timer.daemon = True
    timer.start()
    try:
        [(n_rows,)] = relation.aggregate("count(*)").fetchall()
    except duckdb.InterruptException:
        return None
    finally:
        timer.cancel()
    return n_rows


@contextmanager
def _whole(path: Path) -> Generator[IO[bytes]]:
    """Open a file that takes the place of another once all is written."""
    if path.exists() and not path.is_file():  # a device or a pipe takes what comes
        with path.open("wb") as file:
            yield file
        return
    with suppress(FileNotFoundError):
        path.stat()  # fails where links lead nowhere, which `resolve` need not
    target = path.resolve()
    partial = target.with_name(f".{target.name}.{os.getpid()}.next")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _batches(relation: _Relation) -> Iterator[Any]:
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


def _lines(con: _Connection, relation: _Relation) -> Iterator[list[str]]:
    """Fetch a result of one column of text piece by piece."""
    con.register(_RESULT, relation)
    try:
        con.execute(f"FROM {identifier(_RESULT)}")
        while rows := con.fetchmany(_BATCH_ROWS):
            yield [line for (line,) in rows]
    finally:
        with suppress(duckdb.Error):
            con.abort()
        con.unregister(_RESULT)


def _as_text(relation: _Relation, *kinds: str) -> _Relation:
    """Let DuckDB write columns as text: all, or those of some types."""
    unique = relation.project("*")
    return unique.project(
        ", ".join(
            f"CAST({identifier(column)} AS VARCHAR) AS {identifier(column)}"
            if not kinds or any(kind in str(type_) for kind in kinds)
            else identifier(column)
            for column, type_ in zip(unique.columns, unique.types, strict=True)
        )
    )


def _write_csv(con: _Connection, relation: _Relation, file: IO[bytes]) -> None:
    """Write a line of names and a line per row; a null is empty, no text is ``""``."""
    unique = relation.project("*")
    head = ",".join(map(_csv_text, unique.columns)) + "\n"
    cells = [
        _csv_cell(f"CAST({identifier(column)} AS VARCHAR)", str(type_))
        for column, type_ in zip(unique.columns, unique.types, strict=True)
    ]
    row = ", ',', ".join(cells)
    for lines in _lines(con, unique.project(f"concat({row}, chr(10)) AS line")):
        file.write((head + "".join(lines)).encode())
        head = ""
    file.write(head.encode())


def _csv_text(value: str) -> str:
    """Write a text as CSV holds it."""
    if value and not any(ch in value for ch in _SPECIAL):
        return value
    return '"' + value.replace('"', '""') + '"'


def _csv_cell(value: str, type_: str) -> str:
    """Do the same in SQL; nothing of a null."""
    if type_.endswith(_NEVER_QUOTED) or type_.startswith("DECIMAL"):
        return value
    special = " OR ".join(f"contains({value}, chr({ord(ch)}))" for ch in _SPECIAL)
    quoted = f"""'"' || replace({value}, '"', '""') || '"'"""
    return f"CASE WHEN {value} = '' OR {special} THEN {quoted} ELSE {value} END"


def _write_json(con: _Connection, relation: _Relation, file: IO[bytes]) -> None:
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
    for lines in _lines(con, cast("_Relation", rows)):
        file.write(separator + ",\n".join(lines).encode())
        separator = b",\n"
    file.write(b"]\n" if separator != b"[" else b"[]\n")


def _write_parquet(_: _Connection, relation: _Relation, file: IO[bytes]) -> None:
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
