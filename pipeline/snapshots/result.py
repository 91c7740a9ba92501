"""Show the rows of a query as a table, or write all as CSV, JSON or Parquet.

What is written goes batch by batch, so that a result need not fit in memory. DuckDB
writes the values as text, as it knows all of its types; only Parquet needs Arrow.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path
from threading import Timer
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

import click

from pipeline.errors import QueryError
from pipeline.snapshots.catalog import identifier
from pipeline.snapshots.core import duckdb
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

_EXPLAINED = ["explain_key", "explain_value"]

_Values: TypeAlias = Mapping[str, Any]
_Connection: TypeAlias = duckdb.DuckDBPyConnection

_ASCII = str.maketrans(
    dict.fromkeys(map(chr, range(0x2500, 0x2580)), "+") | {"─": "-", "│": "|", "µ": "u"}
)
"""How boxes are drawn without lines."""


@dataclass(frozen=True)
class Query:
    """A query that its connection has planned, and not yet run; and its columns."""

    con: _Connection
    sql: str
    """Begins with an empty line, which is not counted where it fails."""
    values: _Values | None
    """Of its ``$name`` parameters."""
    columns: Sequence[str]
    types: Sequence[str]

    def over(self, expressions: str, rest: str = "") -> str:
        """Write a query over its rows, in their order."""
        return f"SELECT {expressions} FROM ({self.sql}) AS result {rest}"

    def fetchall(self, expressions: str = "*", rest: str = "") -> list[Any]:
        """Run it, or what is written `over` it, and fetch all."""
        return self.con.execute(self.over(expressions, rest), self.values).fetchall()


def plan(
    con: _Connection, sql: str, values: _Values | None = None, n_above: int = 0
) -> Query:
    """Let DuckDB plan a query that only reads; a `duckdb.Error` says what is wrong.

    If it fails later, lines are counted from so many above it. EXPLAIN is run: it
    cannot be part of another query.
    """
    above = "\n" * (1 + n_above)
    try:
        return _planned(con, f"{above}{sql}\n", values)
    except duckdb.InterruptException:
        raise
    except duckdb.Error:
        # What is wrong is said of the query as it was given, and where it stands there.
        rows = con.execute(sql, values).fetchall()
        plans = dict(zip(_EXPLAINED, map(list, zip(*rows, strict=True)), strict=True))
        listed = ", ".join(f"unnest(${name}) AS {name}" for name in _EXPLAINED)
        return Query(con, f"SELECT {listed}", plans, _EXPLAINED, ["VARCHAR"] * 2)


def _planned(con: _Connection, sql: str, values: _Values | None) -> Query:
    """Ask DuckDB for the columns of a query."""
    found = con.execute(f"DESCRIBE {sql}", values).fetchall()
    names, types = ([row[i] for row in found] for i in (0, 1))
    return Query(con, sql, values, names, types)


def write_result(
    query: Query,
    format_: str | None,
    output: Path | None,
    *,
    keys: Collection[str] = (),
) -> None:
    """Print the rows of a query, or write them to a file, whole or not at all.

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
            _show(query, keys, is_vertical=format_ == VERTICAL)
        elif output is None:
            _WRITERS[format_](query, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            with _whole(output) as file:
                _WRITERS[format_](query, file)
    except (duckdb.Error, _FailedQuery) as error:
        raise QueryError(f"sql: {moved(str(error), -1)}") from error
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
    write_arrow(_as_arrow(df), format_, output, keys=keys)


def write_arrow(
    rows: object,
    format_: str | None,
    output: Path | None,
    *,
    keys: Collection[str] = (),
) -> None:
    """Print a table or stream of Arrow, or write it to a file; see `write_result`."""
    import_module("duckdb")  # gives connections what reads Arrow
    with duckdb.connect() as con:
        con.register("frame", rows)
        write_result(plan(con, "FROM frame"), format_, output, keys=keys)


def _as_arrow(df: "pl.DataFrame") -> object:
    """Give a frame as a stream of Arrow, which DuckDB reads without PyArrow.

    Not the type Null: of a stream, DuckDB refuses it.
    """
    if any("Null" in str(dtype) for dtype in df.dtypes):
        return cast("object", df.to_arrow())
    return SimpleNamespace(__arrow_c_stream__=df.__arrow_c_stream__)


def to_frame(query: Query) -> "pl.DataFrame":
    """Fetch all rows of a query; what Polars has no type for comes as text.

    Raises
    ------
    QueryError
        If the statement fails while it runs.
    """
    try:
        return _relation(query).pl()
    except duckdb.Error as error:
        raise QueryError(f"sql: {moved(str(error), -1)}") from error


class _FailedQuery(Exception):
    """What DuckDB says of a statement that fails while its rows are fetched."""


def moved(message: str, n_lines: int) -> str:
    """Let a message say a line so many further down, its mark still below the place."""
    found = re.search(r"(?s).*\n(LINE (\d+):)[^\n]*\n", message)
    if not found:
        return message
    start, end = found.span(1)
    line = f"LINE {int(found[2]) + n_lines}:".ljust(end - start)
    wider = " " * (len(line) - (end - start))
    excerpt = message[end : found.end()]
    return f"{message[:start]}{line}{excerpt}{wider}{message[found.end() :]}"


def _show(query: Query, keys: Collection[str], *, is_vertical: bool) -> None:
    """Show the first rows, on a terminal no wider than it is, and count them."""
    encoding = sys.stdout.encoding or "utf-8"
    if query.columns == _EXPLAINED:
        for _, drawn in query.fetchall():
            _print_plan(drawn, encoding)
        return
    limit = f"LIMIT {MAX_ROWS + 1}"
    rows = query.fetchall("CAST(COLUMNS(*) AS VARCHAR)", limit)
    shown, folded = rows[:MAX_ROWS], {key.lower() for key in keys}
    columns = [
        Column(name, type_, [row[i] for row in shown], name.lower() in folded)
        for i, (name, type_) in enumerate(zip(query.columns, query.types, strict=True))
    ]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if is_vertical:
        lines = vertically(columns, encoding)
    else:
        lines = as_table(columns, width, encoding)
    for line in lines:
        click.echo(line)
    click.echo(_counted(query, len(rows)))


def _print_plan(plan: str, encoding: str) -> None:
    """Print what EXPLAIN says, line by line."""
    try:
        plan.encode(encoding)
    except UnicodeEncodeError:
        plan = plan.translate(_ASCII)
    for line in plan.splitlines():
        click.echo(harmless(line, encoding))


def _counted(query: Query, n_fetched: int) -> str:
    """Say how many rows there are, and how many of them are shown."""
    if n_fetched <= MAX_ROWS:
        return f"{n_fetched} row{'' if n_fetched == 1 else 's'}"
    n_rows = _count(query)
    beyond = f"{n_rows:,} rows" if n_rows else "more rows; `-o FILE` writes all"
    return f"{MAX_ROWS} of {beyond}"


def _count(query: Query) -> int | None:
    """Count the rows, which DuckDB often knows; None if that takes long."""
    timer = Timer(_COUNT_S, query.con.interrupt)
    timer.daemon = True
    timer.start()
    try:
        [(n_rows,)] = query.fetchall("count(*)")
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


def _relation(query: Query) -> Any:
    """Make a relation of a query; what Arrow or Polars have no type for is text."""
    import_module("duckdb")  # gives connections `sql`
    unique = _unique(query)
    listed = ", ".join(
        f"CAST({identifier(column)} AS VARCHAR) AS {identifier(column)}"
        if any(kind in type_ for kind in _NOT_IN_PARQUET)
        else identifier(column)
        for column, type_ in zip(unique.columns, unique.types, strict=True)
    )
    con: Any = unique.con
    return con.sql(unique.over(listed), params=unique.values)


def _unique(query: Query) -> Query:
    """Give columns of the same name others, as DuckDB does."""
    return _planned(query.con, query.over("*"), query.values)


def _batches(relation: Any) -> Iterator[Any]:
    """Fetch a relation piece by piece, at least one, as Arrow's record batches."""
    reader = relation.to_arrow_reader(_BATCH_ROWS)
    is_empty = True
    try:
        for batch in reader:
            is_empty = False
            yield batch
    except OSError as error:  # DuckDB's, through Arrow
        raise _FailedQuery(error) from error
    if is_empty:
        yield import_module("pyarrow").RecordBatch.from_pylist([], reader.schema)


def _lines(query: Query, sql: str) -> Iterator[list[str]]:
    """Fetch piece by piece what a query over its rows gives, one column of text."""
    try:
        found = query.con.execute(sql, query.values)
        while rows := found.fetchmany(_BATCH_ROWS):
            yield [line for (line,) in rows]
    finally:
        with suppress(duckdb.Error):
            query.con.abort()


def _write_csv(query: Query, file: IO[bytes]) -> None:
    """Write a line of names and a line per row; a null is empty, no text is ``""``."""
    unique = _unique(query)
    head = ",".join(map(_csv_text, unique.columns)) + "\n"
    cells = [
        _csv_cell(f"CAST({identifier(column)} AS VARCHAR)", type_)
        for column, type_ in zip(unique.columns, unique.types, strict=True)
    ]
    row = ", ',', ".join(cells)
    for lines in _lines(unique, unique.over(f"concat({row}, chr(10))")):
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


def _write_json(query: Query, file: IO[bytes]) -> None:
    """Write a list with an object per row."""
    unique = _unique(query)
    # JSON has no number that is none.
    finite = ", ".join(
        f"CASE WHEN isfinite({identifier(column)}) THEN {identifier(column)} END"
        f" AS {identifier(column)}"
        if type_ in ("DOUBLE", "FLOAT")
        else identifier(column)
        for column, type_ in zip(unique.columns, unique.types, strict=True)
    )
    rows = f"({unique.over(finite)}) AS result"
    sql = f"SELECT CAST(to_json(result) AS VARCHAR) FROM {rows}"
    separator = b"["
    for lines in _lines(unique, sql):
        file.write(separator + ",\n".join(lines).encode())
        separator = b",\n"
    file.write(b"]\n" if separator != b"[" else b"[]\n")


def _write_parquet(query: Query, file: IO[bytes]) -> None:
    """Write a row group per batch."""
    parquet = import_module("pyarrow.parquet")
    batches = _batches(_relation(query))
    first = next(batches)
    try:
        with parquet.ParquetWriter(file, first.schema) as writer:
            for batch in chain([first], batches):
                writer.write_batch(batch)
    except import_module("pyarrow").ArrowException as error:
        raise OSError(str(error)) from error


_WRITERS: dict[str, Callable[[Query, IO[bytes]], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
}
