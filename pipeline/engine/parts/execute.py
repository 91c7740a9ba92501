"""Execute a plan part by part, within a memory budget; a killed run goes on."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from pipeline.contracts.checks import judge
from pipeline.engine.one_pass import Execution, Work, collect_all, failures
from pipeline.engine.parts.assemble import in_order, write
from pipeline.engine.parts.layout import lay_out
from pipeline.engine.parts.sizes import (
    MOST,
    bounds_of,
    refuse_too_large,
    row_bytes,
    values_of,
)
from pipeline.engine.parts.work import (
    Job,
    Slice,
    compute,
    facts_before,
    merge_facts,
    read,
    wholes,
)
from pipeline.files.folder import Folder
from pipeline.files.parquet import read_parquet
from pipeline.log import LOG, progress
from pipeline.plan.plan import Plan, compose_again
from pipeline.sources.scan import MOST_BAD

if TYPE_CHECKING:
    from pipeline.snapshots.profile import Profile

_SAY_EVERY_S = 5

Tasks: TypeAlias = Mapping[int, Callable[[], None]]
"""What is left to do, by its number."""

Runner: TypeAlias = Callable[[str, Tasks, int], None]
"""Does tasks, here or on other machines; is told what they are, and of how many."""


@dataclass(frozen=True)
class Splitting:
    """How to execute part by part.

    Attributes
    ----------
    folder : Folder
        Where parts are written, and found again if a run was killed. Its path says
        what is computed.
    n_parts : int
        Into how many.
    memory : int
        Bytes that a part may take.
    run : callable
        Does the tasks of a round.
    """

    folder: Folder
    n_parts: int
    memory: int
    run: Runner


def run_here(what: str, tasks: Tasks, of: int) -> None:
    """Do one task after the other; say how far it is every few seconds."""
    started = said = time.perf_counter()
    for number, task in enumerate(tasks.values(), start=of - len(tasks) + 1):
        with progress(f"{what}: {number} of {of}"):
            task()
        now = time.perf_counter()
        is_due = number == of or now - said > _SAY_EVERY_S
        level = logging.INFO if is_due else logging.DEBUG
        LOG.log(level, "%s: %d of %d, %.1f s", what, number, of, now - started)
        said = now if is_due else said


def execute_parts(
    plan: Plan,
    work: Work,
    slices: Sequence[Slice],
    folder: Path,
    splitting: Splitting,
    accept: Callable[[pl.DataFrame], bool],
) -> Execution | None:
    """Compute what `pipeline.engine.one_pass.execute` computes, to the last bit.

    Parameters
    ----------
    plan, work, folder
        As there.
    slices : sequence of Slice
        What the plan starts at.
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
    bad = None
    job = _begin(plan, work, slices, splitting)
    finished = job.finished()
    if finished:
        LOG.info(
            "going on with what an earlier run finished: %d of %d parts",
            len(finished),
            sum(map(job.n_items, range(len(job.layout.rounds)))),
        )
    tasks = {i: partial(read, job, i, slice_) for i, slice_ in enumerate(slices)}
    for number in range(len(job.layout.rounds)):
        if number > 0:
            tasks = {i: partial(compute, job, number, i) for i in range(job.n_parts)}
        left = {i: t for i, t in tasks.items() if (number, i) not in finished}
        splitting.run(_told(job, number), left, len(tasks))
        merge_facts(job, number)
        if number == 0:
            bad = _bad(job)
            if bad is not None and not accept(bad):
                return None
    facts = facts_before(job, len(job.layout.rounds))
    small = wholes(job, facts)
    files: dict[str, Path] = {}
    profiles: dict[str, Profile] = {}
    broken = failures(work)
    outcomes = {
        name: judge(work.checks[name], row)
        for name, row in zip(broken, collect_all([*broken.values()]), strict=True)
    }
    for name in work.compute:
        stage = plan.snapshots[name].stage
        if stage.name in small:
            lf = small[stage.name].sort(stage.key)
        else:
            lf = in_order(_parts(job, stage.name), stage.key, job.layout.column)
        LOG.info("putting %s together", name)
        files[name] = folder / f"{name}.parquet"
        checks = work.checks.get(name, [])
        profiles[name], found = write(
            files[name], lf, plan.snapshots[name].schema, checks
        )
        if checks:
            outcomes[name] = found
    return Execution(
        files,
        profiles,
        outcomes,
        _n_rows(plan, work, job, small),
        bad,
        time.perf_counter() - started,
    )


def _begin(
    plan: Plan, work: Work, slices: Sequence[Slice], splitting: Splitting
) -> Job:
    """Lay the job out, and see how many rows each value of its column has."""
    given = tuple(dict.fromkeys(slice_.name for slice_ in slices))
    publish = [plan.snapshots[name].stage.name for name in work.compute]
    layout = lay_out(plan, work.count, given, publish)
    names = {
        *layout.wholes,
        *(n for r in layout.rounds for n in (*r.stages, *r.starts)),
    }
    nodes = {name: plan.nodes[name] for name in plan.nodes if name in names}
    job = Job(
        splitting.folder,
        layout,
        {name: node.stage for name, node in nodes.items()},
        {name: plan.schema(name) for name in (*given, *nodes)},
        len(slices),
    )
    if not layout.rounds[0].spills:
        return job
    # Bad rows are counted, too: only the column that decides need be read then.
    whole = compose_again(
        plan,
        _unjudged(plan, slices),
        {s.name: s.lf for s in slices if s.stream is None},
    )
    frames = [whole.lf(name) for name in layout.rounds[0].spills]
    with progress("counting rows"):
        values = values_of(frames, layout.column, splitting.folder)
    refuse_too_large(values, row_bytes(plan, given), splitting.memory)
    job = replace(job, bounds=bounds_of(values, splitting.n_parts))
    LOG.info(
        "%s rows in %d parts, split by %s",
        f"{values[MOST].sum():,}",
        job.n_parts,
        layout.column,
    )
    return job


def _unjudged(plan: Plan, slices: Sequence[Slice]) -> pl.LazyFrame:
    """Return all rows of the source, bad ones among them."""
    columns = plan.source.collect_schema().names()
    parts = [s.lf.select(columns) for s in slices if s.stream is not None]
    return pl.concat(parts) if parts else plan.source


def _told(job: Job, number: int) -> str:
    """Say what a round does."""
    rounds = job.layout.rounds
    round_ = f"round {number + 1} of {len(rounds)}"
    if number == 0:
        return f"{round_}, reading files"
    if not rounds[number].stages:
        return f"{round_}, sorting parts"
    return f"{round_}, parts up to {rounds[number].stages[-1]}"


def _bad(job: Job) -> pl.DataFrame | None:
    """Read the cells that were set aside; None if no source was read.

    Where they are too many, not all: what was read is refused.
    """
    cells: list[pl.DataFrame] = []
    n_rows = 0
    for file in job.files(job.all_done(0), "bad.parquet"):
        cells.append(read_parquet(file))
        n_rows += cells[-1].n_unique("record") if cells[-1].height else 0
        if n_rows >= MOST_BAD:
            break
    return pl.concat(cells) if cells else None


def _n_rows(
    plan: Plan, work: Work, job: Job, small: Mapping[str, pl.LazyFrame]
) -> dict[str, int]:
    """Add up the rows of each stage over all items, and of the small tables."""
    total = {
        name: int(lf.select(pl.len()).collect().item()) for name, lf in small.items()
    }
    for number in range(len(job.layout.rounds)):
        for item in job.all_done(number):
            for name, n_rows in item.n_rows.items():
                total[name] = total.get(name, 0) + n_rows
    alike = plan.alike(work.count)
    return {name: total[alike[name]] for name in work.count}


def _parts(job: Job, stage: str) -> list[str]:
    """List the parts of a snapshot in their order."""
    [number] = [i for i, r in enumerate(job.layout.rounds) if stage in r.snapshots]
    return job.files(job.all_done(number), f"snapshot-{stage}.parquet")
