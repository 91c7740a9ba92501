"""Ask the catalog in SQL: one SELECT, read-only, no files, no network."""

import os
import re
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import QueryError, SnapshotError, nearest
from pipeline.files.state import CATALOG
from pipeline.snapshots.catalog import (
    create_view,
    identifier,
    pattern,
    text,
    write_catalog,
)
from pipeline.snapshots.core import duckdb
from pipeline.snapshots.publish import is_current, renew_catalog
from pipeline.snapshots.queries import NamedQuery, Parameter
from pipeline.snapshots.records import FORECASTS, RunRecord
from pipeline.snapshots.result import Query, moved, plan
from pipeline.snapshots.store import (
    WAIT_S,
    Store,
    read_current,
    read_object,
    read_runs,
    writing,
)
from pipeline.snapshots.variants import find_variant

# Of these, a command needs one at most.
_EXPLAIN = r"(?i:explain\b(\s+analyze\b|\s*\(\s*(analyze|format)\b[^()]*\))*)"
_NO_TABLE = (
    r'Table with name (?P<name>.+) does not exist!\nDid you mean "(?P<meant>[^\n]+)"\?'
)


_ATTACHED = identifier(Path(CATALOG).stem)
"""What DuckDB calls the catalog's file where it is opened by itself."""

PUBLISHED = "published"
"""The schema of the newest run, beside a variant's snapshots."""


def connect(store: Store) -> duckdb.DuckDBPyConnection:
    """Open the catalog read-only; SQL can read the snapshots and nothing else.

    A catalog that is not what was published, or not here, is made again first.

    Raises
    ------
    SnapshotError
        If there is no catalog yet, it cannot be opened, or an object is missing.
    """
    current = _newest(store)
    for snapshot in current.snapshots:
        if read_object(store, *snapshot.object) is None:
            raise SnapshotError(
                f"{store.object(*snapshot.object)}: the object of"
                f" snapshot '{snapshot.name}' is missing or cut short\n"
                "hint: `just run` makes it anew"
            )
    # Connections of a process to one file share all that is set: a notebook's own one
    # to the catalog would be confined, too.
    con = duckdb.connect()
    with _catalog_of(store, current) as catalog:
        try:
            con.execute(f"ATTACH {text(catalog)} AS {_ATTACHED} (READ_ONLY)")
            con.execute(f"USE {_ATTACHED}")
            con.execute(f"SET temp_directory = {text(f'{catalog}.tmp')}")
        except duckdb.Error as error:  # opened or damaged since it was looked at
            con.close()
            raise SnapshotError(
                f"{catalog}: cannot be opened\nfound: {error}\nhint: try again"
            ) from error
    _confine(con, store)
    return con


def connect_to(
    store: Store, run: RunRecord, beside: RunRecord | None = None
) -> duckdb.DuckDBPyConnection:
    """Show the snapshots of one run by their names; nothing else.

    Those of a run that is shown beside it are in the schema ``published``. What is no
    longer in the store is not there.
    """
    con = duckdb.connect()
    con.execute(f"CREATE SCHEMA {PUBLISHED}")
    for schema, record in (("main", run), (PUBLISHED, beside)):
        for snapshot in record.snapshots if record else ():
            if read_object(store, *snapshot.object):
                create_view(con, schema, snapshot, store)
    _confine(con, store)
    return con


def connect_to_variant(store: Store, name: str) -> duckdb.DuckDBPyConnection:
    """Show the snapshots of a variant by their names, and those of the newest run.

    Raises
    ------
    SnapshotError
        If there is no such variant, or an object of it is missing.
    """
    variant = find_variant(store, name)
    for snapshot in variant.run.snapshots:
        if read_object(store, *snapshot.object) is None:
            raise SnapshotError(
                f"{store.object(*snapshot.object)}: the object of snapshot"
                f" '{snapshot.name}' of variant '{name}' is missing or cut short\n"
                "hint: the command that made the variant makes it anew"
            )
    return connect_to(store, variant.run, read_current(store))


def key_columns(store: Store) -> set[str]:
    """Name the columns that are of the key of some published snapshot."""
    current = read_current(store)
    return {name for s in (current.snapshots if current else ()) for name in s.key}


def _confine(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Let SQL read the objects, rows that broke a contract, and nothing else."""
    # Views name a folder with brackets as a pattern of itself.
    folders = ", ".join(
        form
        for folder in (store.objects, store.failed)
        for form in dict.fromkeys((text(folder), pattern(folder)))
    )
    # NOTE: DuckDB draws it after two seconds, into a pipe or file, too.
    with suppress(duckdb.InvalidInputException):  # in Jupyter, it may lack a library
        con.execute(f"SET enable_progress_bar = {sys.stdout.isatty()}")
    con.execute(f"SET allowed_directories = [{folders}]")
    con.execute("SET enable_external_access = false")
    con.execute("SET python_enable_replacements = false")
    con.execute("SET lock_configuration = true")


def current_catalog(store: Store) -> AbstractContextManager[Path]:
    """Give the catalog of the newest run, made again if it does not fit.

    A store that cannot be written gets one in a temporary folder, for the time being.

    Raises
    ------
    SnapshotError
        If there is no run yet, or the catalog cannot be written.
    """
    return _catalog_of(store, _newest(store))


def _newest(store: Store) -> RunRecord:
    """Read the newest run, or raise a SnapshotError if there is none."""
    current = read_current(store)
    if current is None:
        raise SnapshotError(
            f"{store.catalog}: there are no snapshots yet\nhint: `just run` makes them"
        )
    return current


@contextmanager
def _catalog_of(store: Store, current: RunRecord) -> Generator[Path]:
    """Give the catalog of the newest run; see `current_catalog`."""
    if not is_current(store, current.run_id):
        if not os.access(store.folder, os.W_OK):
            import tempfile  # imported late, as this is rare

            with tempfile.TemporaryDirectory() as folder:
                catalog = Path(folder) / CATALOG
                write_catalog(catalog, store, read_runs(store))
                yield catalog
            return
        with writing(store, wait_s=WAIT_S):
            # A run that was about to publish has done so by now, or has failed.
            renew_catalog(store, read_runs(store))
    yield store.catalog.resolve()


def split_statements(con: duckdb.DuckDBPyConnection, text: str) -> list[str]:
    """Split a text at its semicolons, as DuckDB reads it.

    Raises
    ------
    QueryError
        If DuckDB cannot read it.
    """
    return [statement.query for statement in _statements(con, text)]


def select(
    con: duckdb.DuckDBPyConnection, sql: str, values: dict[str, Any] | None = None
) -> Query:
    """Plan one query: SELECT, FROM, WITH, PIVOT, SHOW, DESCRIBE ..., or EXPLAIN of one.

    The values are those of its ``$name`` parameters.

    Raises
    ------
    QueryError
        If it is not one such statement, or DuckDB refuses it.
    """
    statements = _statements(con, sql)
    found = [_kind(con, statement) for statement in statements]
    if found != ["SELECT"]:
        raise QueryError(
            f"sql: expected one SELECT, found {', '.join(found) or 'nothing'}\n"
            "hint: snapshots are read-only; change the pipeline to change them"
        )
    query, n_above = _without_end(statements[0].query), _n_lines_above(sql)
    try:
        return plan(con, query, values, n_above)
    except duckdb.Error as error:  # which knows of the statement alone
        raise _refused(con, error, n_above) from error


def _refused(
    con: duckdb.DuckDBPyConnection, error: duckdb.Error, n_above: int = 0
) -> QueryError:
    """Say what DuckDB found wrong below so many lines, and where to look."""
    for name in FORECASTS:
        if f"Table with name {name} does not exist" in str(error):
            return QueryError(
                f"sql: there is no snapshot '{name}' yet\nhint: `just forecast` makes"
                " it of the champion, `just pipeline` all of it"
            )
    hint = "\nhint: `just sql 'show tables'` lists what there is"
    is_of_names = isinstance(error, duckdb.CatalogException | duckdb.BinderException)
    said = _ours(con, moved(str(error), n_above))
    return QueryError(f"sql: {said}{hint if is_of_names else ''}")


def _ours(con: duckdb.DuckDBPyConnection, text: str) -> str:
    """Let DuckDB suggest no table of its own, but one of the catalog if any is near."""
    if not (found := re.search(_NO_TABLE, text)):
        return text
    from pipeline.snapshots.complete import tables_of

    tables = tables_of(con)
    if found["meant"] in {*tables, *(name.rpartition(".")[2] for name in tables)}:
        return text
    near = nearest(found["name"], tables)
    return f"{text[: found.end('name')]} does not exist{near}{text[found.end() :]}"


def _statements(con: duckdb.DuckDBPyConnection, sql: str) -> list[duckdb.Statement]:
    """Let DuckDB read a text; a comment before a statement is no part of it."""
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise QueryError(
            f"sql: a byte that is not UTF-8, after {sql[: error.start]!r}\n"
            "hint: save the text, or set the terminal, as UTF-8"
        ) from error
    try:
        return con.extract_statements(sql)
    except duckdb.Error as error:
        raise _refused(con, error) from error


def _kind(con: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> str:
    """Name the kind of a statement; SELECT for all that only reads."""
    sql = _without_end(statement.query)
    try:
        kind = statement.type.name
    except ValueError:  # DuckDB's own Python module does not know them all
        return "a statement of another kind"
    if kind in ("EXPLAIN", "MULTI") and (explained := re.match(_EXPLAIN, sql)):
        # EXPLAIN ANALYZE runs its statement.
        inner = _statements(con, sql[explained.end() :])
        return _kind(con, inner[0]) if len(inner) == 1 else kind
    if "copy" in _keywords(sql):  # a WITH may hold one, and is still called SELECT
        return "COPY"
    if kind == "MULTI":  # of a PIVOT; but only a query can stand in parentheses
        with suppress(QueryError):
            if len(_statements(con, f"FROM (\n{sql}\n)")) == 1:
                return "SELECT"
    return kind


def _keywords(sql: str) -> set[str]:
    """Return the words of a statement that DuckDB takes for its own."""
    text = sql.encode().lower()  # of other letters, lower ones may be longer
    return {
        word[0].decode()
        for start, kind in duckdb.tokenize(sql)
        if kind == duckdb.token_type.keyword
        and (word := re.match(rb"\w+", text[start:]))
    }


def _without_end(sql: str) -> str:
    """Leave out a statement's semicolon, and a comment behind it."""
    text = sql.encode()
    for start, kind in reversed(duckdb.tokenize(sql)):
        if text[start : start + 1] == b";":
            text = text[:start]
        elif kind != duckdb.token_type.comment:
            break
    return text.decode()


def _n_lines_above(sql: str) -> int:
    """Count the lines above a statement, which DuckDB takes for no part of it."""
    text = sql.encode()
    starts = (
        start
        for start, kind in duckdb.tokenize(sql)
        if kind != duckdb.token_type.comment and text[start : start + 1] != b";"
    )
    return text[: next(starts)].count(b"\n")


def run_query(
    con: duckdb.DuckDBPyConnection, query: NamedQuery, given: dict[str, str]
) -> Query:
    """Plan a named query with the given values, and the defaults for the rest.

    Raises
    ------
    QueryError
        If a value is given for no parameter, or does not fit its type.
    """
    known = {parameter.name: parameter for parameter in query.parameters}
    for name in given:
        if name not in known:
            listed = ", ".join(known) or "none"
            what = f"query '{query.name}' has no parameter '{name}'"
            raise QueryError(f"{what}{nearest(name, known)}\nfound: {listed}")
    values = {
        name: _value(con, query, parameter, given.get(name))
        for name, parameter in known.items()
    }
    return select(con, query.sql, values)


def _value(
    con: duckdb.DuckDBPyConnection,
    query: NamedQuery,
    parameter: Parameter,
    given: str | None,
) -> Any:
    """Cast a value to its parameter's type, as DuckDB reads it."""
    wanted = parameter.default if given is None else "$1"
    sql = f"SELECT CAST({wanted} AS {parameter.type})"
    try:
        [(value,)] = con.execute(sql, None if given is None else [given]).fetchall()
    except duckdb.Error as error:
        found = parameter.default if given is None else given
        raise QueryError(
            f"query '{query.name}': parameter '{parameter.name}': "
            f"expected {parameter.type}, found {found!r}"
        ) from error
    return value
