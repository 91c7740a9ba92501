"""Execute a plan: every snapshot, every row count and the bad rows in one pass."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.plan import Plan

# NOTE: Without it, Polars shares a subplan only if it lies in no other shared one, and
# a pipeline of stages would read its source once per snapshot
# (https://github.com/pola-rs/polars/pull/28740).
os.environ.setdefault("POLARS_ALLOW_NESTED_CSPE", "1")
pl.Config.reload_env_vars()


@dataclass(frozen=True)
class Execution:
    """What one pass over the data gave.

    Attributes
    ----------
    files : dict of str to Path
        The Parquet file of each snapshot.
    n_rows : dict of str to int
        The rows of each stage.
    bad : pl.DataFrame
        The cells set aside, as the source describes them.
    execute_s : float
        Wall time of the pass, in seconds.
    """

    files: dict[str, Path]
    n_rows: dict[str, int]
    bad: pl.DataFrame
    execute_s: float


def snapshot_frames(plan: Plan) -> dict[str, pl.LazyFrame]:
    """Return the lazy frame of each snapshot, sorted by its key."""
    return {name: node.lf.sort(node.stage.key) for name, node in plan.snapshots.items()}


def execute(plan: Plan, bad: pl.LazyFrame, folder: Path) -> Execution:
    """Run a plan on the streaming engine; shared stages are computed once.

    Parameters
    ----------
    plan : Plan
        The composed graph.
    bad : pl.LazyFrame
        The cells the source sets aside, collected in the same pass.
    folder : Path
        An existing, empty folder: receives ``<snapshot>.parquet`` per snapshot.

    Returns
    -------
    Execution
        Files and counts.

    Raises
    ------
    polars.exceptions.PolarsError, OSError
        If the data cannot be read or a file not written; part of the files may be
        there then.
    """
    files = {name: folder / f"{name}.parquet" for name in plan.snapshots}
    sinks = [
        lf.sink_parquet(files[name], lazy=True, compression="zstd", compression_level=1)
        for name, lf in snapshot_frames(plan).items()
    ]
    counts = [node.lf.select(pl.len()) for node in plan.nodes.values()]
    started = time.perf_counter()
    results = pl.collect_all([*sinks, *counts, bad], engine="streaming")
    execute_s = time.perf_counter() - started
    lengths = [frame.item() for frame in results[len(sinks) : -1]]
    n_rows = dict(zip(plan.nodes, lengths, strict=True))
    return Execution(files, n_rows, results[-1], execute_s)


def collect(plan: Plan, snapshot: str) -> pl.DataFrame:
    """Compute one snapshot as a frame, and publish nothing.

    Parameters
    ----------
    plan : Plan
        The composed graph.
    snapshot : str
        One of ``plan.snapshots``.

    Returns
    -------
    pl.DataFrame
        Sorted by the snapshot's key.
    """
    return snapshot_frames(plan)[snapshot].collect(engine="streaming")
