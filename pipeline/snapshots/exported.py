"""Read the snapshots of an exported DuckDB file, or of a catalog, to compare with."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import SnapshotError
from pipeline.files.parquet import scan_parquet
from pipeline.snapshots.catalog import identifier, text
from pipeline.snapshots.records import QUARANTINE


@dataclass(frozen=True)
class ExportedSnapshot:
    """What an export says of a snapshot of its newest run."""

    name: str
    n_rows: int
    content_hash: str
    dtypes: Mapping[str, str]
    """Of its columns, as Polars names them."""
    checks: Mapping[str, int]
    """Failures by check."""


@dataclass(frozen=True)
class Exported:
    """A file of snapshots, those of stages, open for reading."""

    run_id: str
    config: dict[str, Any]
    versions: dict[str, str]
    snapshots: Mapping[str, ExportedSnapshot]
    con: duckdb.DuckDBPyConnection

    def write(self, name: str, schema: pl.Schema, target: Path) -> None:
        """Write the rows of a snapshot as Parquet.

        Columns have the dtypes of a schema where the export says so: DuckDB's file has
        neither categories nor durations.

        Raises
        ------
        SnapshotError
            If they cannot be read.
        """
        raw = target.with_suffix(".raw.parquet")
        table = f"there.main.{identifier(name)}"
        try:
            self.con.execute(f"COPY (FROM {table}) TO {text(raw)} (FORMAT parquet)")
            was = self.snapshots[name].dtypes
            same = {n: dtype for n, dtype in schema.items() if was.get(n) == str(dtype)}
            scan_parquet(raw).cast(same).sink_parquet(target)  # pyright: ignore[reportArgumentType]
        except (duckdb.Error, PolarsError) as error:
            raise SnapshotError(
                f"snapshot '{name}' of the export cannot be read\nfound: {error}"
            ) from error


@contextmanager
def open_export(path: Path) -> Generator[Exported]:
    """Open an export, or a catalog, which is not changed.

    Raises
    ------
    SnapshotError
        If it is not there, or no such file.
    """
    if not path.is_file():
        raise SnapshotError(
            f"{path}: is not there\nhint: `just export {path.name}` writes one"
        )
    with duckdb.connect() as con:
        try:
            con.execute(f"ATTACH {text(path.resolve())} AS there (READ_ONLY)")
            yield _read(con)
        except duckdb.Error as error:
            raise SnapshotError(
                f"{path}: cannot be read as an export\n"
                f"found: {str(error).splitlines()[0]}\n"
                "hint: `just export FILE.duckdb` writes one"
            ) from error


def _read(con: duckdb.DuckDBPyConnection) -> Exported:
    """Read what the newest run of an export recorded."""

    def rows(sql: str) -> list[tuple[Any, ...]]:
        return con.execute(sql).fetchall()

    [(run_id, config, versions)] = rows(
        "SELECT run_id, config, versions FROM there.meta.runs"
        " ORDER BY run_id DESC LIMIT 1"
    )
    of = f"WHERE run_id = {text(run_id)}"
    checks: dict[str, dict[str, int]] = {}
    dtypes: dict[str, dict[str, str]] = {}
    for snapshot, check, n in rows(
        f"SELECT snapshot, check_name, n_failures FROM there.meta.checks {of}"
    ):
        checks.setdefault(snapshot, {})[check] = n
    for snapshot, column, dtype in rows(
        f"SELECT snapshot, column_name, dtype FROM there.meta.profiles {of}"
    ):
        dtypes.setdefault(snapshot, {})[column] = dtype
    found = {
        name: ExportedSnapshot(
            name, n, content, dtypes.get(name, {}), checks.get(name, {})
        )
        for name, n, content in rows(
            f"SELECT snapshot, n_rows, content_hash FROM there.meta.snapshots {of}"
            " AND n_rows IS NOT NULL"
            f" AND (stage <> '' OR snapshot = {text(QUARANTINE)})"
        )
    }
    return Exported(run_id, json.loads(config), json.loads(versions), found, con)
