"""Execute a plan part by part, within a memory budget; a killed run goes on."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import polars as pl

from pipeline.engine import Execution, Work, Written, write_snapshots
from pipeline.log import LOG
from pipeline.parts import work as parts
from pipeline.parts.assemble import in_order
from pipeline.parts.layout import Layout, lay_out
from pipeline.parts.sizes import bounds_of, refuse_too_large, row_bytes, values_of
from pipeline.parts.work import Job
from pipeline.plan import Plan

Runner: TypeAlias = Callable[[Callable[[int], None], Sequence[int]], None]
"""Calls a function for each of some numbers, here or on other machines."""


@dataclass(frozen=True)
class Splitting:
    """How to execute part by part.

    Attributes
    ----------
    folder : Path
        Where parts are written, and found again if a run of the same key was killed.
    key : str
        Of what is to be computed, and of the parts it is split into.
    n_parts : int
        Into how many.
    memory : int
        Bytes that a run may take.
    """

    folder: Path
    key: str
    n_parts: int
    memory: int


def execute_parts(
    plan: Plan,
    work: Work,
    given: Mapping[str, pl.LazyFrame],
    bad: pl.LazyFrame | None,
    folder: Path,
    splitting: Splitting,
    accept: Callable[[pl.DataFrame], bool],
) -> Execution | None:
    """Compute what `pipeline.engine.execute` computes, to the last bit.

    Parameters
    ----------
    plan, work, bad, folder
        As there.
    given : mapping of str to pl.LazyFrame
        The rows of the source, and of the stages it starts at.
    splitting : Splitting
        Into what, and where.
    accept : callable
        Looks at the cells that were set aside, before anything else is computed.

    Returns
    -------
    Execution or None
        None if `accept` says no.
    """
    started = time.perf_counter()
    publish = [plan.snapshots[name].stage.name for name in work.compute]
    layout = lay_out(plan, work.count, tuple(given), publish)
    job = _open(plan, layout, given, splitting)
    _run_round(job, 0, [0], lambda part: parts.read(job, part, given, bad))
    cells = None if bad is None else _bad(job)
    if cells is not None and not accept(cells):
        return None
    for number in range(1, len(layout.rounds)):
        _run_round(
            job,
            number,
            range(job.n_parts),
            lambda part, number=number: parts.compute(job, number, part),
        )
    written = _assemble(plan, work, job, folder)
    n_rows, alike = parts.counts(job), plan.alike(work.count)
    for name in layout.wholes:
        n_rows[name] = parts.whole(job, name).select(pl.len()).collect().item()
    return Execution(
        written.files,
        written.profiles,
        written.outcomes,
        {name: n_rows[alike[name]] for name in work.count},
        cells,
        time.perf_counter() - started,
    )


def _open(
    plan: Plan,
    layout: Layout,
    given: Mapping[str, pl.LazyFrame],
    splitting: Splitting,
) -> Job:
    """Find the job that was stopped, or begin a new one; older ones are removed."""
    folder = splitting.folder / splitting.key
    for other in splitting.folder.glob("*"):
        if other != folder:
            shutil.rmtree(other)
    shutil.rmtree(folder / "unfinished", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    names = {
        *layout.wholes,
        *(n for r in layout.rounds for n in (*r.stages, *r.starts)),
    }
    nodes = {name: plan.nodes[name] for name in plan.nodes if name in names}
    entering = [plan.lf(name) for name in layout.rounds[0].spills]
    values = values_of(entering, layout.column, folder / "values.parquet")
    refuse_too_large(values, row_bytes(plan), splitting.memory)
    return Job(
        folder,
        layout,
        {name: node.stage for name, node in nodes.items()},
        {name: plan.schema(name) for name in (*given, *nodes)},
        bounds_of(values, splitting.n_parts),
    )


def _run_round(
    job: Job, number: int, items: Sequence[int], run: Callable[[int], None]
) -> None:
    """Compute the parts of a round that are not there yet, then its facts."""
    n_rounds = len(job.layout.rounds)
    for part in items:
        if not parts.is_done(job, number, part):
            run(part)
        LOG.info(
            "round %d of %d: part %d of %d", number + 1, n_rounds, part + 1, len(items)
        )
    parts.merge_facts(job, number)


def _bad(job: Job) -> pl.DataFrame:
    """Read the cells that were set aside."""
    return pl.concat(
        pl.read_parquet(file, glob=False)
        for file in sorted(job.folder.glob("round-0/*/bad.parquet"))
    )


def _assemble(plan: Plan, work: Work, job: Job, folder: Path) -> Written:
    """Write one snapshot after the other, and look what is in it."""
    nothing = replace(work, compute=(), objects={})
    found = write_snapshots(plan, {}, replace(work, compute=()), folder)
    for name in work.compute:
        stage = plan.snapshots[name].stage
        if stage.name in job.layout.wholes:
            lf = parts.whole(job, stage.name).sort(stage.key)
        else:
            lf = in_order(_files(job, stage.name), stage.key, job.layout.column)
        LOG.info("putting together %s", name)
        written = write_snapshots(plan, {name: lf}, nothing, folder)
        found = replace(
            found,
            files=found.files | written.files,
            profiles=found.profiles | written.profiles,
            outcomes=found.outcomes | written.outcomes,
        )
    return found


def _files(job: Job, stage: str) -> list[Path]:
    """List the parts of a snapshot in their order."""
    return sorted(job.folder.glob(f"round-*/*/snapshot-{stage}.parquet"))
