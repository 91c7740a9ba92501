"""Execute a plan: snapshots, figures, checks and bad rows, all in one pass."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.contracts.checks import Check, Outcome, count_failures, judge
from pipeline.files.parquet import read_parquet, scan_parquet
from pipeline.plan.plan import Plan
from pipeline.snapshots.profile import N_ROWS, Profile, figures, is_large, read_profile

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
    """What one pass is to give.

    Attributes
    ----------
    compute : tuple of str
        The snapshots to write.
    count : tuple of str
        The stages whose rows to count.
    checks : dict of str to list of Check
        Per snapshot, what to hold it to.
    objects : dict of str to Path
        The snapshots that are there already, to be checked only.
    """

    compute: tuple[str, ...]
    count: tuple[str, ...]
    checks: dict[str, list[Check]]
    objects: dict[str, Path]


@dataclass(frozen=True)
class Execution:
    """What one pass over the data gave.

    Attributes
    ----------
    files : dict of str to Path
        The Parquet file of each computed snapshot.
    profiles : dict of str to Profile
        What is in each of them.
    outcomes : dict of str to list of Outcome
        What became of the checks of each snapshot that has some.
    n_rows : dict of str to int
        The rows of each counted stage.
    bad : pl.DataFrame or None
        The cells set aside, as the source describes them, if it was read.
    execute_s : float
        Wall time of the pass, in seconds.
    """

    files: dict[str, Path]
    profiles: dict[str, Profile]
    outcomes: dict[str, list[Outcome]]
    n_rows: dict[str, int]
    bad: pl.DataFrame | None
    execute_s: float


def snapshot_frames(plan: Plan) -> dict[str, pl.LazyFrame]:
    """Return the lazy frame of each snapshot, sorted by its key."""
    return {name: node.lf.sort(node.stage.key) for name, node in plan.snapshots.items()}


def execute(
    plan: Plan, work: Work, bad: pl.LazyFrame | None, folder: Path
) -> Execution:
    """Run a plan on the streaming engine; shared stages are computed once.

    Parameters
    ----------
    plan : Plan
        The composed graph.
    work : Work
        Which parts of it to compute, count and check.
    bad : pl.LazyFrame or None
        The cells the source sets aside, collected in the same pass; None if the plan
        starts at snapshots.
    folder : Path
        An existing, empty folder: receives ``<snapshot>.parquet`` per snapshot.

    Returns
    -------
    Execution
        Files and figures.

    Raises
    ------
    polars.exceptions.PolarsError, OSError
        If the data cannot be read or a file not written; part of the files may be
        there then.
    """
    frames = snapshot_frames(plan)
    snapshots = {name: frames[name] for name in work.compute}
    files = {name: folder / f"{name}.parquet" for name in snapshots}
    # One aggregation per snapshot: each further branch is planned anew.
    figures_of = {
        name: lf.select(
            *figures(plan.snapshots[name].schema),
            *(check.failures for check in work.checks.get(name, ())),
        )
        for name, lf in snapshots.items()
    }
    alike = plan.alike(work.count)
    profiled = {alike[plan.snapshots[name].stage.name]: name for name in snapshots}
    counted = {
        alike[name]: plan.nodes[name].lf.select(pl.len())
        for name in work.count
        if alike[name] not in profiled
    }
    looked_at = {**figures_of, **failures(work)}
    started = time.perf_counter()
    results = iter(
        collect_all(
            [
                *(sink(lf, files[name]) for name, lf in snapshots.items()),
                *looked_at.values(),
                *counted.values(),
                *([] if bad is None else [bad]),
            ]
        )
    )
    execute_s = time.perf_counter() - started
    for _ in files:
        next(results)
    rows = {name: next(results) for name in looked_at}
    profiles = {
        name: read_profile(
            plan.snapshots[name].schema,
            rows[name],
            None if is_large(rows[name][N_ROWS].item()) else read_parquet(path),
        )
        for name, path in files.items()
    }
    n_rows = {first: next(results).item() for first in counted}
    n_rows |= {first: profiles[name].n_rows for first, name in profiled.items()}
    return Execution(
        files,
        profiles,
        {
            name: judge(work.checks[name], row)
            for name, row in rows.items()
            if work.checks.get(name)
        },
        {name: n_rows[alike[name]] for name in work.count},
        None if bad is None else next(results),
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
