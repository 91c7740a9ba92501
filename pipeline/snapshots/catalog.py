"""The DuckDB catalog: views over the objects of the kept runs, and all that is known.

It is made of the run and object records, and of nothing else. ``main`` has a view per
snapshot of the newest run, ``previous`` those of the run before, and every kept run a
schema of its id.
"""

import json
import logging
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from pipeline.errors import some
from pipeline.files.checksum import checksum
from pipeline.files.state import CATALOG
from pipeline.log import LOG
from pipeline.snapshots.benchmarks import BenchmarkRecord, Spread
from pipeline.snapshots.linked import (
    FORMAT,
    READ_ONLY,
    folder_name,
    is_as_published,
    is_being_written,
    run_of,
)
from pipeline.snapshots.profile import QUANTILES
from pipeline.snapshots.records import (
    ModelRecord,
    ModelRecords,
    ObjectRecord,
    RunRecord,
    SnapshotRecord,
)
from pipeline.snapshots.store import (
    Store,
    cannot_write,
    drop_damaged,
    kept_runs,
    link_catalog,
    read_benchmarks,
    read_object,
    read_record,
)

# The oldest storage version that DuckDB 1.5 and later clients open.
STORAGE_VERSION = "v1.5.0"

MODELS, EVALUATIONS = "models.json", "evaluations.parquet"
"""The files of the store's models that the catalog shows."""

PREVIOUS = "previous"
"""The schema of the run before the newest."""

Row = Sequence[Any]

_QUANTILES = ", ".join(f"q{q * 100:02.0f} DOUBLE" for q in QUANTILES)
_META = f"""
CREATE SCHEMA meta;
CREATE TABLE meta.catalog (format INTEGER, folder VARCHAR);
CREATE TABLE meta.runs (
    run_id VARCHAR PRIMARY KEY, started_at TIMESTAMP, restores VARCHAR,
    profile VARCHAR, source VARCHAR, files VARCHAR[], n_bad_rows BIGINT,
    execute_s DOUBLE, total_s DOUBLE, versions JSON, config JSON, kept BOOLEAN
);
CREATE TABLE meta.stages (
    run_id VARCHAR, position INTEGER, stage VARCHAR, transform VARCHAR,
    inputs VARCHAR[], snapshot VARCHAR, n_rows BIGINT, n_columns INTEGER,
    fingerprint VARCHAR
);
CREATE TABLE meta.snapshots (
    run_id VARCHAR, snapshot VARCHAR, stage VARCHAR, key VARCHAR[], state VARCHAR,
    n_rows BIGINT, n_bytes BIGINT, fingerprint VARCHAR, content_hash VARCHAR,
    computed_by VARCHAR, path VARCHAR
);
CREATE TABLE meta.columns (
    run_id VARCHAR, stage VARCHAR, snapshot VARCHAR, position INTEGER,
    column_name VARCHAR, dtype VARCHAR
);
CREATE TABLE meta.profiles (
    run_id VARCHAR, snapshot VARCHAR, position INTEGER, column_name VARCHAR,
    dtype VARCHAR, n_nulls BIGINT, n_distinct BIGINT, min VARCHAR, max VARCHAR,
    mean DOUBLE, {_QUANTILES}
);
CREATE TABLE meta.checks (
    run_id VARCHAR, snapshot VARCHAR, check_name VARCHAR, severity VARCHAR,
    description VARCHAR, n_failures BIGINT
);
CREATE TABLE meta.lineage (
    run_id VARCHAR, stage VARCHAR, column_name VARCHAR, input VARCHAR,
    input_column VARCHAR, kind VARCHAR
);
CREATE TABLE meta.models (
    model VARCHAR, fingerprint VARCHAR, features VARCHAR, run_id VARCHAR,
    created_at TIMESTAMP, study VARCHAR, params JSON, metrics JSON,
    mlflow_run VARCHAR, name VARCHAR, version INTEGER, aliases VARCHAR[]
);
CREATE TABLE meta.evaluations (
    fingerprint VARCHAR, model VARCHAR, slice_by VARCHAR, slice VARCHAR,
    metric VARCHAR, value DOUBLE, lower DOUBLE, upper DOUBLE, n_rows BIGINT,
    n_clusters BIGINT
);
CREATE TABLE meta.benchmarks (
    measured_at TIMESTAMP, "commit" VARCHAR, machine JSON, versions JSON,
    task VARCHAR, contender VARCHAR, n_rows BIGINT, n_runs INTEGER,
    cpu_s DOUBLE, cpu_s_low DOUBLE, cpu_s_high DOUBLE,
    wall_s DOUBLE, wall_s_low DOUBLE, wall_s_high DOUBLE,
    peak_mib DOUBLE, peak_mib_low DOUBLE, peak_mib_high DOUBLE,
    cpu_x DOUBLE, wall_x DOUBLE
);
COMMENT ON TABLE meta.catalog IS 'what this file is made for';
COMMENT ON TABLE meta.runs IS
    'one row per run; started_at is UTC, *_s are wall seconds; kept: can be queried';
COMMENT ON TABLE meta.stages IS 'the stages of each run, in order, with row counts';
COMMENT ON TABLE meta.snapshots IS
    'the snapshots of each run; state: computed, restored, fresh or kept';
COMMENT ON TABLE meta.columns IS 'the columns of each stage of the kept runs';
COMMENT ON TABLE meta.profiles IS
    'statistics of each column of the kept runs; n_distinct and q* are approximate';
COMMENT ON TABLE meta.checks IS 'the contracts each run was held to';
COMMENT ON TABLE meta.lineage IS
    'what each column of the newest run is made of; no column_name: the rows';
COMMENT ON TABLE meta.models IS
    'the trained models; features: fingerprint of the snapshot they learned from';
COMMENT ON TABLE meta.evaluations IS
    'test figures of the model of a fingerprint and of its baselines, with 95 % bounds';
COMMENT ON TABLE meta.benchmarks IS
    'medians of `just bench`, least and largest; *_x: to the task''s first contender';
"""


def publish_catalog(store: Store, runs: Sequence[RunRecord]) -> None:
    """Make the catalog of the newest run, link it, and say what is left in the other.

    What another program wrote stays where it wrote it.

    Parameters
    ----------
    store : Store
        Where to; the caller holds the lock.
    runs : sequence of RunRecord
        All runs, the oldest first, at least one.

    Raises
    ------
    SnapshotError
        If the store cannot be written; the link is as it was then.
    """
    # Clients call the database by the file's name, which no schema may share.
    catalog = store.catalogs / f"{runs[-1].run_id}.next" / CATALOG
    try:
        _start_folder(catalog.parent)
        try:
            write_catalog(catalog, store, runs)
        except duckdb.Error:
            # Of an object whose footer is damaged, no view can be made.
            shown = [s for run in kept_runs(runs) for s in run.snapshots]
            there = {
                (s.name, s.fingerprint)
                for s in shown
                if read_object(store, s.name, s.fingerprint)
            }
            if not drop_damaged(store, there):
                raise
            _start_folder(catalog.parent)
            write_catalog(catalog, store, runs)
        catalog.chmod(READ_ONLY)
        folder = store.catalogs / folder_name(runs[-1].run_id, catalog, store.folder)
        catalog.parent.rename(folder)
        before = _set_aside(store)
        link_catalog(store, folder / CATALOG)
    except (OSError, duckdb.Error) as error:
        shutil.rmtree(catalog.parent, ignore_errors=True)
        raise cannot_write(store, error) from error
    if before and (left := written_by_others(before, folder / CATALOG)):
        LOG.warning(
            "in the catalog before, somebody has written: %s\nit stays in %s;"
            " snapshots are read-only, so remove that folder or keep what you need",
            some(left),
            before.relative_to(store.root),
        )


def _set_aside(store: Store) -> Path | None:
    """Find the linked catalog if it is not as published; give a copy a place."""
    catalog = store.catalog.resolve()
    if is_as_published(store.catalog) or not catalog.is_file():
        return None
    if catalog == store.catalog:  # of a project that was copied without links
        folder = store.catalogs / folder_name("copied", catalog, store.folder)
        folder.mkdir(parents=True, exist_ok=True)
        return catalog.rename(folder / CATALOG)
    return catalog


def _start_folder(folder: Path) -> None:
    """Make an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def is_current(store: Store, run_id: str) -> bool:
    """Tell whether the linked catalog is the one published for a run, and readable."""
    return (
        store.linked == run_id
        and is_as_published(store.catalog)
        and not is_being_written(store.catalog)
    )


def renew_catalog(store: Store, runs: Sequence[RunRecord]) -> None:
    """Publish the catalog again unless it is current, and say why.

    Parameters
    ----------
    store : Store
        Where to; the caller holds the lock.
    runs : sequence of RunRecord
        All runs, the oldest first, at least one.

    Raises
    ------
    SnapshotError
        If the store cannot be written.
    """
    if not is_current(store, runs[-1].run_id):
        # Of a run that died before its link, there is nothing to be warned of.
        level = logging.INFO if is_current(store, store.linked) else logging.WARNING
        why = _fault(store, runs[-1].run_id)
        publish_catalog(store, runs)
        LOG.log(level, "the catalog %s: made again", why)


def _fault(store: Store, run_id: str) -> str:
    """Say why the linked catalog is not the one that was published for a run."""
    if not store.catalog.exists():
        return "is missing"
    if store.linked != run_id:
        return "is not that of the newest run"
    if is_being_written(store.catalog):
        return "is open for writing in another program"
    try:
        with duckdb.connect(store.catalog.resolve(), read_only=True) as con:
            found = con.execute("SELECT format, folder FROM meta.catalog").fetchall()
    except duckdb.Error as error:
        return f"is damaged ({str(error).splitlines()[0]})"
    if found != [(FORMAT, str(store.folder))]:
        return "is of another folder or version"
    return "was changed by another program"


def written_by_others(catalog: Path, published: Path) -> list[str]:
    """Name the tables of a catalog that no run makes.

    Parameters
    ----------
    catalog : Path
        May be changed, damaged, or in use: then nothing can be named.
    published : Path
        If it is of the same run and folder, what has been changed is named, too.
    """
    columns = "database_name, schema_name, %s, sql"
    made_for = "SELECT format, folder FROM %s.meta.catalog"
    try:
        with duckdb.connect() as con:
            con.execute(f"ATTACH {text(catalog)} AS found (READ_ONLY)")
            con.execute(f"ATTACH {text(published)} AS ours (READ_ONLY)")
            rows = con.execute(
                f"SELECT 'table', {columns % 'table_name'}, estimated_size"
                " FROM duckdb_tables() UNION ALL"
                f" SELECT 'view', {columns % 'view_name'}, NULL"
                " FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
            ).fetchall()
            is_same = run_of(catalog.parent) == run_of(published.parent) and (
                con.execute(made_for % "found").fetchall()
                == con.execute(made_for % "ours").fetchall()
            )
    except duckdb.Error:
        return []
    ours = {(kind, *entry) for kind, database, *entry in rows if database == "ours"}
    return [
        f"{kind} {schema}.{name}" + (f" ({n_rows:,} rows)" if kind == "table" else "")
        for kind, database, schema, name, sql, n_rows in rows
        if database == "found" and (kind, schema, name, sql, n_rows) not in ours
        if is_same or (kind == "table" and schema != "meta")
    ]


def write_catalog(path: Path, store: Store, runs: Sequence[RunRecord]) -> None:
    """Write a new catalog file of all runs, the oldest first.

    Views name the store's objects by their absolute paths; runs that are kept get some.
    """
    kept = kept_runs(runs)
    objects = {
        (s.name, s.fingerprint): read_object(store, s.name, s.fingerprint)
        for run in runs
        for s in run.snapshots
    }
    # A few thousand short rows: threads cost more than they do.
    with duckdb.connect(config={"threads": 1}) as con:
        # Making a view reads its object's footer, and many runs share an object.
        con.execute("SET parquet_metadata_cache = true")
        con.execute(f"ATTACH {text(path)} AS new (STORAGE_VERSION '{STORAGE_VERSION}')")
        con.execute("USE new")
        con.execute("BEGIN")
        con.execute(_META)
        _insert(con, "meta.catalog", [(FORMAT, str(store.folder))])
        for table, rows in _tables_of_runs(store, runs, kept, objects).items():
            _insert(con, f"meta.{table}", rows)
        _insert_models(con, store)
        found = [row for b in read_benchmarks(store) for row in _benchmark_rows(b)]
        _insert(con, "meta.benchmarks", found)
        for schema, run in _schemas(runs, kept).items():
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}")
            for snapshot in run.snapshots:
                if objects[snapshot.name, snapshot.fingerprint]:
                    _create_view(con, schema, snapshot, store)
        con.execute("COMMIT")
        # Closing moves DuckDB's log into the file, too, but is silent if it cannot.
        con.execute("CHECKPOINT new")


def _tables_of_runs(
    store: Store,
    runs: Sequence[RunRecord],
    kept: Sequence[RunRecord],
    objects: Mapping[tuple[str, str], ObjectRecord | None],
) -> dict[str, list[Row]]:
    """Make the rows of the tables that tell of runs."""
    shown = [
        (run, s, objects[s.name, s.fingerprint]) for run in runs for s in run.snapshots
    ]
    return {
        "runs": [_run_row(run, run in kept) for run in runs],
        "stages": [row for run in runs for row in _stage_rows(run)],
        "snapshots": [_snapshot_row(run, s, of, store) for run, s, of in shown],
        "columns": [row for run in kept for row in _column_rows(run)],
        "profiles": [
            row for run, _, of in shown if run in kept for row in _profile_rows(run, of)
        ],
        "checks": [row for run in runs for row in _check_rows(run)],
        "lineage": [(runs[-1].run_id, *edge) for edge in runs[-1].lineage],
    }


def _insert_models(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Fill the tables of models and of their figures."""
    models = _models(store)
    _insert(con, "meta.models", [_model_row(model) for model in models.models])
    figures = store.models / EVALUATIONS
    # The next command that trains or judges a model writes them again.
    if figures.is_file() and checksum(figures) == models.figures:
        con.execute(f"INSERT INTO meta.evaluations BY NAME FROM {rows_of(figures)}")
    elif models.figures:
        LOG.warning(
            "%s: is not what was written, and left out; `just promote` writes it",
            figures,
        )


def _schemas(
    runs: Sequence[RunRecord], kept: Sequence[RunRecord]
) -> dict[str, RunRecord]:
    """Name the schemas, and the run that each shows."""
    schemas = {run.run_id: run for run in kept}
    if len(kept) > 1:
        schemas[PREVIOUS] = kept[-2]
    return {**schemas, "main": runs[-1]}


def _create_view(
    con: duckdb.DuckDBPyConnection, schema: str, snapshot: SnapshotRecord, store: Store
) -> None:
    """Create the view of a snapshot."""
    name = f"{identifier(schema)}.{identifier(snapshot.name)}"
    path = store.object(snapshot.name, snapshot.fingerprint)
    con.execute(f"CREATE VIEW {name} AS SELECT * FROM {rows_of(path)}")
    of = f"output of stage {snapshot.stage}"
    if not snapshot.stage:
        of = f"the last {snapshot.made_by}" if snapshot.is_guest else "cells set aside"
    stale = ", STALE: left as it was" if snapshot.is_left_behind else ""
    comment = f"{of}, sorted by {', '.join(snapshot.key)}{stale}"
    con.execute(f"COMMENT ON VIEW {name} IS {text(comment)}")


def _run_row(run: RunRecord, kept: bool) -> Row:
    """Make the row of ``meta.runs``."""
    return (
        run.run_id,
        run.started_at.replace(tzinfo=None),
        run.restores,
        run.profile,
        run.source,
        [file.stat.path for file in run.files],
        run.n_bad_rows,
        run.execute_s,
        run.total_s,
        json.dumps(run.versions),
        json.dumps(run.config),
        kept,
    )


def _stage_rows(run: RunRecord) -> list[Row]:
    """Make the rows of ``meta.stages``."""
    return [
        (
            run.run_id,
            position,
            stage.name,
            stage.transform,
            stage.inputs,
            stage.snapshot,
            stage.n_rows,
            len(stage.columns),
            stage.fingerprint,
        )
        for position, stage in enumerate(run.stages)
    ]


def _snapshot_row(
    run: RunRecord, snapshot: SnapshotRecord, found: ObjectRecord | None, store: Store
) -> Row:
    """Make the row of ``meta.snapshots``; sizes only if the object is there."""
    path = store.object(snapshot.name, snapshot.fingerprint)
    return (
        run.run_id,
        snapshot.name,
        snapshot.stage,
        snapshot.key,
        snapshot.state,
        found and found.n_rows,
        found and found.n_bytes,
        snapshot.fingerprint,
        found and found.content_hash,
        found and found.run_id,
        str(path) if found else None,
    )


def _column_rows(run: RunRecord) -> list[Row]:
    """Make the rows of ``meta.columns``."""
    return [
        (run.run_id, stage.name, stage.snapshot, position, column, dtype)
        for stage in run.stages
        for position, (column, dtype) in enumerate(stage.columns)
    ]


def _profile_rows(run: RunRecord, found: ObjectRecord | None) -> list[Row]:
    """Make the rows of ``meta.profiles``."""
    if found is None:
        return []
    return [
        (
            run.run_id,
            found.snapshot,
            position,
            column.name,
            column.dtype,
            column.n_nulls,
            column.n_distinct,
            column.min,
            column.max,
            column.mean,
            *(column.quantiles or [None] * len(QUANTILES)),
        )
        for position, column in enumerate(found.columns)
    ]


def _check_rows(run: RunRecord) -> list[Row]:
    """Make the rows of ``meta.checks``."""
    return [
        (run.run_id, s.name, c.name, c.severity, c.description, c.n_failures)
        for s in run.snapshots
        for c in s.checks
    ]


def _models(store: Store) -> ModelRecords:
    """Read what is known of the trained models."""
    found = read_record(store.models / MODELS, ModelRecords)
    return found or ModelRecords(FORMAT, [])


def _model_row(model: ModelRecord) -> Row:
    """Make the row of ``meta.models``."""
    return (
        model.model,
        model.fingerprint,
        model.features,
        model.run_id,
        model.created_at.replace(tzinfo=None),
        model.study,
        json.dumps(model.params),
        json.dumps(model.metrics),
        model.mlflow_run,
        model.name,
        model.version,
        model.aliases,
    )


def _benchmark_rows(record: BenchmarkRecord) -> list[Row]:
    """Make the rows of ``meta.benchmarks``."""

    def values(spread: Spread | None) -> Row:
        return msgspec.structs.astuple(spread) if spread else (None, None, None)

    return [
        (
            record.measured_at.replace(tzinfo=None),
            record.commit,
            json.dumps(record.machine),
            json.dumps(record.versions),
            figure.task,
            figure.contender,
            figure.n_rows,
            figure.n_runs,
            *values(figure.cpu_s),
            *values(figure.wall_s),
            *values(figure.peak_mib),
            figure.cpu_x,
            figure.wall_x,
        )
        for figure in record.figures
    ]


def _insert(con: duckdb.DuckDBPyConnection, table: str, rows: Iterable[Row]) -> None:
    """Insert rows as one statement; a statement per row would take seconds."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    if columns:
        unnested = ", ".join(f"unnest(${i})" for i in range(1, len(columns) + 1))
        con.execute(f"INSERT INTO {table} SELECT {unnested}", columns)


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
