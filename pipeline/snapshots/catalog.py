"""The DuckDB catalog: views over the objects of the kept runs, and all that is known.

It is made of the run and object records, and of what others contribute. ``main`` has a
view per snapshot of the newest run, ``previous`` those of the run before, and every
kept run a schema of its id. The tables of ``meta`` are declared in the `meta.sql` of
each folder that has rows for some; its `rows.sql` takes them from files beside it.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from pipeline.files.checksum import checksum
from pipeline.log import LOG
from pipeline.snapshots.core import duckdb
from pipeline.snapshots.linked import CATALOG_FORMAT
from pipeline.snapshots.records import (
    QUANTILES,
    Description,
    ObjectRecord,
    RunRecord,
    SnapshotRecord,
)
from pipeline.snapshots.store import Store, kept_runs, read_object

# The oldest storage version that DuckDB 1.5 and later clients open.
STORAGE_VERSION = "v1.5.0"

PREVIOUS = "previous"
"""The schema of the run before the newest."""

_QUANTILES = [f"q{q * 100:02.0f}" for q in QUANTILES]
_EDGE = ("run_id", "stage", "column_name", "input", "input_column", "kind")

_PACKAGE = Path(__file__).parents[1]

_Row = dict[str, Any]
_Objects = Mapping[tuple[str, str], ObjectRecord | None]


def write_catalog(path: Path, store: Store, runs: Sequence[RunRecord]) -> None:
    """Write a new catalog file of all runs, the oldest first.

    Views name the store's objects by their absolute paths; runs that are kept get some.
    """
    kept = kept_runs(runs)
    shown = {s.object for run in runs for s in run.snapshots}
    objects = {object_: read_object(store, *object_) for object_ in shown}
    # A few thousand short rows: threads cost more than they do.
    with duckdb.connect(config={"threads": 1}) as con:
        # Making a view reads its object's footer, and many runs share an object.
        con.execute("SET parquet_metadata_cache = true")
        con.execute(f"ATTACH {text(path)} AS new (STORAGE_VERSION '{STORAGE_VERSION}')")
        con.execute("USE new")
        con.execute("BEGIN")
        con.execute("CREATE SCHEMA meta")
        for folder in (_PACKAGE, store.root):
            for file in sorted(folder.glob("*/meta.sql")):
                con.execute(file.read_text())
        rows = defaultdict[str, list[_Row]](list)
        rows["catalog"] = [{"format": CATALOG_FORMAT, "folder": str(store.folder)}]
        for run in runs:
            for table, row in _rows_of(run, store, objects, is_kept=run in kept):
                rows[table].append(row)
        rows["lineage"] = [
            dict(zip(_EDGE, (runs[-1].run_id, *edge), strict=True))
            for edge in runs[-1].lineage
        ]
        for table in rows:
            _insert(con, table, rows[table])
        _insert_contributed(con, store)
        for schema, run in _schemas(runs, kept).items():
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}")
            for snapshot in run.snapshots:
                if objects[snapshot.object]:
                    create_view(con, schema, snapshot, store)
        for snapshot in runs[-1].snapshots:
            if found := objects[snapshot.object]:
                said = runs[-1].descriptions_of(snapshot)
                columns = {
                    c.name: said[c.name] for c in found.columns if c.name in said
                }
                _comment_columns(con, snapshot.name, columns)
        con.execute("COMMIT")
        _insert_committed(con, store)
        # Closing moves DuckDB's log into the file, too, but is silent if it cannot.
        con.execute("CHECKPOINT new")


def _rows_of(
    run: RunRecord, store: Store, objects: _Objects, *, is_kept: bool
) -> Iterator[tuple[str, _Row]]:
    """Make what the tables of ``meta`` say of a run; details only while it is kept."""
    yield (
        "runs",
        {
            "run_id": run.run_id,
            "started_at": run.started_at.replace(tzinfo=None),
            "restores": run.restores,
            "profile": run.profile,
            "source": run.source,
            "files": [file.stat.path for file in run.files],
            "n_bad_rows": run.n_bad_rows,
            "execute_s": run.execute_s,
            "total_s": run.total_s,
            "commit": run.commit,
            "versions": json.dumps(run.versions),
            "config": json.dumps(run.config),
            "kept": is_kept,
        },
    )
    for position, stage in enumerate(run.stages):
        of = {"run_id": run.run_id, "stage": stage.name, "snapshot": stage.snapshot}
        yield (
            "stages",
            of
            | {
                "position": position,
                "transform": stage.transform,
                "inputs": stage.inputs,
                "n_rows": stage.n_rows,
                "n_columns": len(stage.columns),
                "fingerprint": stage.fingerprint,
            },
        )
        for i, (column, dtype) in enumerate(stage.columns if is_kept else ()):
            named: _Row = {"position": i, "column_name": column, "dtype": dtype}
            said = run.descriptions.get(stage.name, {}).get(column)
            named["description"] = said and said.description
            named["unit"] = said and said.unit
            yield "columns", of | named
    for s in run.snapshots:
        of = {"run_id": run.run_id, "snapshot": s.name}
        found = objects[s.object]
        yield (
            "snapshots",
            of
            | {
                "stage": s.stage,
                "key": s.key,
                "state": s.state,
                "n_rows": found and found.n_rows,
                "n_bytes": found and found.n_bytes,
                "fingerprint": s.fingerprint,
                "content_hash": found and found.content_hash,
                "computed_by": found and found.run_id,
                "path": str(store.object(*s.object)) if found else None,
            },
        )
        for check in s.checks:
            row = asdict(check)
            row["check_name"] = row.pop("name")
            yield "checks", of | row
        for i, column in enumerate(found.columns if found and is_kept else ()):
            row = asdict(column)
            row["column_name"] = row.pop("name")
            quantiles = row.pop("quantiles") or [None] * len(QUANTILES)
            row |= zip(_QUANTILES, quantiles, strict=True)
            yield "profiles", of | {"position": i} | row


def _insert_contributed(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Add the rows that others than runs have left, by the names of their columns."""
    for table, file in contributed(store).items():
        con.execute(f"INSERT INTO meta.{table} BY NAME FROM {rows_of(file)}")


def _insert_committed(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Add the rows that files of the project have, as its `rows.sql` read them."""
    for file in sorted(store.root.glob("*/rows.sql")):
        try:
            con.execute(f"SET file_search_path = {text(file.parent)}")
            con.execute(file.read_text())
        except duckdb.Error as error:
            LOG.warning("%s: its rows are left out: %s", file, error)


def contributed(store: Store) -> dict[str, Path]:
    """Find the rows that others than runs have left for each table, and are whole."""
    files = sorted(store.meta.glob("*.parquet"), key=lambda path: path.stat().st_mtime)
    found: dict[str, Path] = {}
    # Of a table that was just being written anew there may be two.
    for table, file in {file.name.partition(".")[0]: file for file in files}.items():
        if file.stem == f"{table}.{checksum(file)}":
            found[table] = file
        else:
            LOG.warning(
                "%s: is not what was written, and left out; the next command that has"
                " rows for it writes it",
                file,
            )
    return found


def _schemas(
    runs: Sequence[RunRecord], kept: Sequence[RunRecord]
) -> dict[str, RunRecord]:
    """Name the schemas, and the run that each shows."""
    schemas = {run.run_id: run for run in kept}
    if len(kept) > 1:
        schemas[PREVIOUS] = kept[-2]
    return {**schemas, "main": runs[-1]}


def create_view(
    con: duckdb.DuckDBPyConnection, schema: str, snapshot: SnapshotRecord, store: Store
) -> None:
    """Create the view of a snapshot."""
    name = f"{identifier(schema)}.{identifier(snapshot.name)}"
    path = store.object(*snapshot.object)
    con.execute(f"CREATE VIEW {name} AS SELECT * FROM {rows_of(path)}")
    of = f"output of stage {snapshot.stage}"
    if not snapshot.stage:
        of = f"the last {snapshot.made_by}" if snapshot.is_guest else "cells set aside"
    stale = ", STALE: left as it was" if snapshot.is_left_behind else ""
    comment = f"{of}, sorted by {', '.join(snapshot.key)}{stale}"
    con.execute(f"COMMENT ON VIEW {name} IS {text(comment)}")


def _comment_columns(
    con: duckdb.DuckDBPyConnection, view: str, said: Mapping[str, Description]
) -> None:
    """Say what the columns of a view of the newest run mean."""
    for column, what in said.items():
        at = f"main.{identifier(view)}.{identifier(column)}"
        con.execute(f"COMMENT ON COLUMN {at} IS {text(str(what))}")


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: list[_Row]) -> None:
    """Insert rows as one statement; a statement per row would take seconds."""
    if rows:
        columns = [[row[name] for row in rows] for name in rows[0]]
        values = ", ".join(
            f"unnest(${i}) AS {name}" for i, name in enumerate(rows[0], 1)
        )
        con.execute(f"INSERT INTO meta.{table} BY NAME SELECT {values}", columns)


def rows_of(path: Path) -> str:
    """Write the rows of a Parquet file in SQL; no folder's name adds columns to them.

    NOTE: DuckDB takes ``name=value/`` anywhere in an absolute path for a column.
    """
    return f"read_parquet({pattern(path)}, hive_partitioning = false)"


def pattern(path: Path) -> str:
    """Quote a path as a SQL string that DuckDB takes for a pattern of itself only."""
    return text(re.sub(r"([*?[])", r"[\1]", str(path)))


def identifier(value: str) -> str:
    """Quote a name for SQL."""
    return '"' + value.replace('"', '""') + '"'


def text(value: Path | str) -> str:
    """Quote a value as a SQL string."""
    return "'" + str(value).replace("'", "''") + "'"
