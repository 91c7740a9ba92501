"""Copy the snapshots of a catalog into one DuckDB file that needs no other file.

The catalog is small and its views read Parquet objects at absolute paths; what is
exported here can be sent to someone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from pipeline.errors import SnapshotError
from pipeline.process import when_asked
from pipeline.progress import each
from pipeline.snapshots.catalog import STORAGE_VERSION, identifier, text

SUFFIXES = (".duckdb", ".db")
"""Of a target. Another is more likely a slip, as in ``features.parquet``."""

_MAGIC = b"DUCK"  # bytes 8 to 12 of every DuckDB file


@dataclass(frozen=True)
class ExportedTable:
    """A snapshot as a table, whose rows are sorted by the key, nulls first."""

    name: str
    n_rows: int
    key: tuple[str, ...]
    """Empty if it is not known: then rows come as in the object."""
    why_no_primary_key: str
    """Why ``key`` is not the table's primary key; empty if it is."""


def export(catalog: Path, target: Path) -> list[ExportedTable]:
    """Write the snapshots of a catalog as native tables of one DuckDB file.

    Every view of the schema ``main`` becomes a table, with its comment; the tables of
    ``meta`` are copied. Other schemas are left out. DuckDB 1.5 and later open the file,
    ``.duckdb`` or ``.db``. One that is there is replaced, and only by a whole one; its
    readers keep what they opened.

    Raises
    ------
    SnapshotError
        If the catalog or one of its objects is missing or damaged, or the target is
        the catalog, a folder or a file of another kind, has another suffix, may be
        open for writing, or cannot be written.
    """
    _require_target(catalog, target)
    try:
        with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
            partial = Path(folder) / "export.duckdb"
            with duckdb.connect() as con, when_asked(con.interrupt):
                _attach(con, catalog, partial)
                tables = _copy(con)
                con.execute("USE memory")
                con.execute("DETACH new")  # writes all to the file, or fails
            partial.replace(target)
    except (OSError, duckdb.Error) as error:
        raise SnapshotError(
            f"{target}: cannot be written\nfound: {error}\n"
            "hint: nothing was replaced; choose a folder you can write to that has "
            "room, or `just run` if an object is missing"
        ) from error
    return tables


def _require_target(catalog: Path, target: Path) -> None:
    """Refuse a target that cannot be meant."""
    if not catalog.exists():
        raise SnapshotError(
            f"{catalog}: there are no snapshots yet\nhint: `just run` makes them"
        )
    if target.is_dir():
        raise _refused(target, "is a folder", "name a file in it")
    if target.suffix.lower() not in SUFFIXES:
        expected = " or ".join(SUFFIXES)
        raise _refused(
            target,
            f"has the suffix '{target.suffix}', expected {expected}",
            "an export is a DuckDB file; `just sql ... -o FILE` writes other formats",
        )
    if not target.parent.is_dir():
        raise _refused(target, "its folder is not there", f"mkdir -p {target.parent}")
    if not target.exists():
        return
    if target.samefile(catalog):
        raise _refused(target, "is the catalog itself", "name another file")
    if target.stat().st_size and not _is_duckdb(target):
        raise _refused(
            target, "is there and is no DuckDB file", "remove it, or name another file"
        )
    if target.with_name(f"{target.name}.wal").exists():
        # A new file would be given the changes that were meant for the old one.
        raise _refused(
            target,
            "has changes in a .wal file beside it",
            "close the program that writes it, or name another file",
        )


def _refused(target: Path, found: str, hint: str) -> SnapshotError:
    """Say why a target cannot be written to."""
    return SnapshotError(f"{target}: {found}\nhint: {hint}")


def _is_duckdb(path: Path) -> bool:
    """Look for the mark of a DuckDB file."""
    try:
        with path.open("rb") as file:
            return file.read(12)[8:] == _MAGIC
    except OSError as error:
        raise _refused(path, f"cannot be read ({error})", "name another file") from None


def _attach(con: duckdb.DuckDBPyConnection, catalog: Path, partial: Path) -> None:
    """Attach the catalog as ``live`` and the new file as ``new``, in use."""
    con.execute(f"ATTACH {text(partial)} AS new (STORAGE_VERSION '{STORAGE_VERSION}')")
    try:
        con.execute(f"ATTACH {text(catalog.resolve())} AS live (READ_ONLY)")
    except duckdb.Error as error:
        raise SnapshotError(
            f"{catalog}: cannot be opened\nfound: {error}\n"
            "hint: `just run` writes it anew once the file is removed"
        ) from error
    con.execute("USE new")


def _copy(con: duckdb.DuckDBPyConnection) -> list[ExportedTable]:
    """Copy the snapshots and the metadata."""
    metadata = con.execute(
        "SELECT table_name, sql, comment FROM duckdb_tables() "
        "WHERE database_name = 'live' AND schema_name = 'meta' ORDER BY table_oid"
    ).fetchall()
    con.execute("CREATE SCHEMA meta")
    for name, sql, comment in metadata:
        con.execute(sql)
        table = f"meta.{identifier(name)}"
        con.execute(f"INSERT INTO {table} SELECT * FROM live.{table}")
        _comment(con, table, comment)
    views = con.execute(
        "SELECT view_name, comment FROM duckdb_views() WHERE database_name = 'live' "
        "AND schema_name = 'main' AND NOT internal ORDER BY view_name"
    ).fetchall()
    keys: dict[str, list[str]] = {}
    if "snapshots" in {name for name, *_ in metadata}:  # as of the newest run of each
        newest = "SELECT snapshot, arg_max(key, run_id) FROM meta.snapshots GROUP BY 1"
        keys = dict(con.execute(newest).fetchall())
    copied = each(views, "copying snapshots")
    return [_export(con, name, comment, keys) for name, comment in copied]


def _export(
    con: duckdb.DuckDBPyConnection,
    name: str,
    comment: str | None,
    keys: dict[str, list[str]],
) -> ExportedTable:
    """Copy one snapshot."""
    table = identifier(name)
    source = f"SELECT * FROM live.main.{table}"
    columns = [row[0] for row in con.execute(f"DESCRIBE {source}").fetchall()]
    key = keys.get(name) or []
    known = tuple(key) if set(key) <= set(columns) else ()
    order = ", ".join(f"{identifier(column)} NULLS FIRST" for column in known)
    rows = f"{source} ORDER BY {order}" if known else source
    con.execute(f"CREATE TABLE {table} AS {rows}")
    why = _add_primary_key(con, table, known) if known else "no key is known"
    _comment(con, table, comment)
    said = con.execute(
        "SELECT column_name, comment FROM duckdb_columns() WHERE database_name = 'live'"
        " AND schema_name = 'main' AND table_name = ? AND comment IS NOT NULL",
        [name],
    ).fetchall()
    for column, what in said:
        at = f"{table}.{identifier(column)}"
        con.execute(f"COMMENT ON COLUMN {at} IS {text(what)}")
    [(n_rows,)] = con.execute(f"SELECT count(*) FROM {table}").fetchall()
    return ExportedTable(name, n_rows, known, why)


def _add_primary_key(
    con: duckdb.DuckDBPyConnection, table: str, key: Sequence[str]
) -> str:
    """Make the key the primary key; return why not, if that cannot be."""
    listed = ", ".join(map(identifier, key))
    try:
        con.execute(f"ALTER TABLE {table} ADD PRIMARY KEY ({listed})")
    except duckdb.ConstraintException:
        return _why_not(con, table, key)
    except duckdb.InvalidTypeException:
        return "a nested column in the key"
    return ""


def _why_not(con: duckdb.DuckDBPyConnection, table: str, key: Sequence[str]) -> str:
    """Count the rows that keep a key from being a primary key."""
    listed = ", ".join(map(identifier, key))
    has_null = " OR ".join(f"{identifier(column)} IS NULL" for column in key)
    [(n_null, n_repeated)] = con.execute(
        "SELECT coalesce(sum(n) FILTER (has_null), 0)::BIGINT,"
        " coalesce(sum(n) FILTER (n > 1), 0)::BIGINT"
        f" FROM (SELECT count(*) AS n, bool_or({has_null}) AS has_null"
        f" FROM {table} GROUP BY {listed})"
    ).fetchall()
    reasons = [f"a null in the key of {n_null:,} rows"] if n_null else []
    reasons += [f"a key of several rows in {n_repeated:,} rows"] if n_repeated else []
    return " and ".join(reasons)


def _comment(con: duckdb.DuckDBPyConnection, table: str, comment: str | None) -> None:
    """Copy the comment on a table or view."""
    if comment:
        con.execute(f"COMMENT ON TABLE {table} IS {text(comment)}")
