"""Publish a finished pass: objects, metadata, catalog, link."""

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import polars as pl

from pipeline.engine import Execution
from pipeline.plan import Plan
from pipeline.settings import QUARANTINE, Settings
from pipeline.snapshots.catalog import RunRecord, View, write_catalog
from pipeline.snapshots.store import CATALOG, Store, link_catalog, remove_old_runs


@dataclass(frozen=True)
class Run:
    """The facts of a run that the catalog keeps."""

    settings: Settings
    started_at: datetime
    files: tuple[Path, ...]
    n_bad_rows: int
    seconds: Callable[[], float]

    @property
    def run_id(self) -> str:
        """The run's start in UTC, so that names sort by time."""
        return self.started_at.strftime("%Y%m%dT%H%M%S%f")


@dataclass(frozen=True)
class Published:
    """A snapshot of a run: its size, and the columns that sort it."""

    name: str
    stage: str
    key: tuple[str, ...]
    n_rows: int
    n_columns: int
    n_bytes: int
    path: Path


def publish(
    store: Store,
    staging: Path,
    plan: Plan,
    execution: Execution,
    bad: pl.DataFrame,
    run: Run,
) -> list[Published]:
    """Move the files of a pass into the store, and link a catalog of them.

    Parameters
    ----------
    store : Store
        Where to publish.
    staging : Path
        The folder that holds ``execution.files``; it becomes the run's own.
    plan, execution
        What was run and what it gave.
    bad : pl.DataFrame
        The cells set aside; published as ``quarantine``.
    run : Run
        Facts for ``meta.runs``.

    Returns
    -------
    list of Published
        The snapshots, quarantine last.
    """
    bad.write_parquet(staging / f"{QUARANTINE}.parquet")
    folder = (store.runs / run.run_id).absolute()
    staging.rename(folder)
    published = [
        _published(name, node.stage.name, node.stage.key, folder)
        for name, node in plan.snapshots.items()
    ]
    published.append(_published(QUARANTINE, "", ("file", "line", "column"), folder))
    views = [View(p.name, p.path, _comment(p)) for p in published]
    catalog = folder / CATALOG
    previous = store.catalog if store.catalog.exists() else None
    # Under its name only when whole: a run that has a catalog is complete.
    partial = folder / f"{CATALOG}.next"
    write_catalog(partial, views, _record(run, plan, execution, published), previous)
    partial.rename(catalog)
    link_catalog(store, catalog)
    remove_old_runs(store)
    return published


def _published(name: str, stage: str, key: tuple[str, ...], folder: Path) -> Published:
    """Read the size of a snapshot from its Parquet file's footer."""
    path = folder / f"{name}.parquet"
    lf = pl.scan_parquet(path, glob=False)
    n_rows = lf.select(pl.len()).collect().item()
    n_columns = len(lf.collect_schema())
    return Published(name, stage, key, n_rows, n_columns, path.stat().st_size, path)


def _comment(snapshot: Published) -> str:
    """Say in the catalog what a view holds."""
    of = f"output of stage {snapshot.stage}" if snapshot.stage else "cells set aside"
    return f"{of}, sorted by {', '.join(snapshot.key)}"


def _record(
    run: Run, plan: Plan, execution: Execution, published: list[Published]
) -> RunRecord:
    """Make the rows of ``meta.*``."""
    run_id, settings = run.run_id, run.settings
    versions = {
        name: version(name) for name in ("polars", "duckdb", "pyarrow", "numpy")
    }
    runs = [
        (
            run_id,
            run.started_at.replace(tzinfo=None),
            settings.profile,
            settings.tree["source"]["kind"],
            [str(path) for path in run.files],
            run.n_bad_rows,
            execution.execute_s,
            run.seconds(),
            json.dumps(versions | {"python": platform.python_version()}),
            json.dumps(settings.tree),
        )
    ]
    stages = [
        (
            run_id,
            position,
            name,
            node.stage.transform,
            list(node.stage.inputs),
            node.stage.snapshot,
            execution.n_rows[name],
            len(node.schema),
        )
        for position, (name, node) in enumerate(plan.nodes.items())
    ]
    columns = [
        (run_id, name, node.stage.snapshot, position, column, str(dtype))
        for name, node in plan.nodes.items()
        for position, (column, dtype) in enumerate(node.schema.items())
    ]
    snapshots = [
        (run_id, p.name, p.stage, list(p.key), p.n_rows, p.n_bytes, str(p.path))
        for p in published
    ]
    return RunRecord(runs, stages, snapshots, columns)
