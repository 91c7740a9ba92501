"""Execute a plan: snapshots, figures, checks and bad rows, all in one pass."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.contracts.checks import Check, Outcome, count_failures, outcomes_of
from pipeline.files.parquet import read_parquet, scan_parquet
from pipeline.plan.plan import Plan
from pipeline.snapshots.profile import (
    N_ROWS,
    Profile,
    figures,
    is_large,
    read_profile,
    with_row_hash,
)

# NOTE: Without it, Polars shares a subplan only if it lies in no other shared one, and
# a pipeline of stages would read its source once per snapshot
# (https://github.com/pola-rs/polars/pull/28740).
os.environ.setdefault("POLARS_ALLOW_NESTED_CSPE", "1")
# Of a CSV file Polars reads some dozen such pieces ahead. They had 300 MiB more where
# it chose their size by itself, at the same CPU time.
os.environ.setdefault("POLARS_CSV_CHUNK_SIZE", str(1 << 21))
pl.Config.reload_env_vars()


@dataclass(frozen=True)
class Work:
    """What one pass is to give, by the names of snapshots and, to count, of stages."""

    compute: tuple[str, ...]
    count: tuple[str, ...]
    checks: dict[str, list[Check]]
    objects: dict[str, Path]
    """The snapshots that are there already, to be checked only."""


@dataclass(frozen=True)
class Execution:
    """What one pass over the data gave, by the names of snapshots and stages."""

    files: dict[str, Path]
    profiles: dict[str, Profile]
    outcomes: dict[str, list[Outcome]]
    n_rows: dict[str, int]
    bad: pl.DataFrame | None
    """The cells set aside, as the source describes them, if it was read."""
    execute_s: float


def snapshot_frames(plan: Plan) -> dict[str, pl.LazyFrame]:
    """Return the lazy frame of each snapshot, sorted by its key."""
    return {name: node.lf.sort(node.stage.key) for name, node in plan.snapshots.items()}


def execute(
    plan: Plan, work: Work, bad: pl.LazyFrame | None, folder: Path
) -> Execution:
    """Run a plan on the streaming engine; shared stages are computed once.

    The cells that the source sets aside are collected in the same pass. The folder is
    there, and empty: it receives ``<snapshot>.parquet`` per snapshot. Part of the files
    may be there after a PolarsError or an OSError.
    """
    frames = snapshot_frames(plan)
    files = {name: folder / f"{name}.parquet" for name in work.compute}
    alike = plan.alike(work.count)
    profiled = {alike[plan.snapshots[name].stage.name]: name for name in work.compute}
    sinks = [sink(frames[name], file) for name, file in files.items()]
    # One aggregation per snapshot: each further branch is planned anew.
    looks = {
        name: with_row_hash(frames[name], plan.snapshots[name].stage.key).select(
            *figures(plan.snapshots[name].schema),
            *(check.failures for check in work.checks.get(name, ())),
        )
        for name in work.compute
    } | failures(work)
    counts = {
        alike[name]: plan.nodes[name].lf.select(pl.len())
        for name in work.count
        if alike[name] not in profiled
    }
    bads = [] if bad is None else [bad]
    started = time.perf_counter()
    results = collect_all([*sinks, *looks.values(), *counts.values(), *bads])
    execute_s = time.perf_counter() - started
    found = iter(results[len(sinks) :])
    rows = {name: next(found) for name in looks}
    profiles = {
        name: read_profile(
            plan.snapshots[name].schema,
            rows[name],
            None if is_large(rows[name][N_ROWS].item()) else read_parquet(path),
        )
        for name, path in files.items()
    }
    n_rows = {first: next(found).item() for first in counts}
    n_rows |= {first: profiles[name].n_rows for first, name in profiled.items()}
    return Execution(
        files,
        profiles,
        {
            n: outcomes_of(work.checks[n], row)
            for n, row in rows.items()
            if work.checks.get(n)
        },
        {name: n_rows[alike[name]] for name in work.count},
        next(found, None),
        execute_s,
    )


def failures(work: Work) -> dict[str, pl.LazyFrame]:
    """Count the rows of the objects that are there already that break their checks."""
    return {
        name: count_failures(scan_parquet(path), work.checks[name])
        for name, path in work.objects.items()
        if work.checks.get(name)
    }


def collect_all(frames: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
    """Run one pass over the data, in which shared stages are computed once."""
    return pl.collect_all(frames, engine="streaming")


def sink(lf: pl.LazyFrame, file: Path) -> pl.LazyFrame:
    """Write a frame to a Parquet file, when it is collected.

    Rows of numbers take about the space in LZ4 that they take in Zstandard, and half
    the time to read.
    """
    return lf.sink_parquet(file, lazy=True, compression="lz4")
