"""Execute a plan part by part, within a memory budget; a killed run goes on."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from pipeline.contracts.checks import outcomes_of
from pipeline.engine.one_pass import Execution, Work, collect_all, failures
from pipeline.engine.parts.assemble import in_order, write
from pipeline.engine.parts.layout import lay_out
from pipeline.engine.parts.sizes import (
    MOST,
    bounds_of,
    refuse_too_large,
    row_bytes,
    values_of,
    worth_it,
)
from pipeline.engine.parts.work import Done, Parts, Slice
from pipeline.files.arrow import scan_arrow
from pipeline.files.folder import Folder
from pipeline.log import LOG
from pipeline.plan.compose import compose_again
from pipeline.plan.plan import Plan
from pipeline.progress import doing, each, numbered
from pipeline.sources.scan import MOST_BAD

if TYPE_CHECKING:
    from pipeline.snapshots.profile import Profile

_SAY_EVERY_S = 5

Todo: TypeAlias = Mapping[int, Callable[[], None]]
"""What is left to do of a round, by the number of the slice or part."""

Runner: TypeAlias = Callable[[str, Todo, int], None]
"""Does it, here or on other machines; is told what it is, and of how many."""


@dataclass(frozen=True)
class Splitting:
    """How to execute part by part."""

    folder: Folder
    """Where parts are written, and found again if a run was killed: named for it."""
    n_parts: int
    memory: int
    """Bytes that a part may take."""
    run: Runner


def run_here(what: str, todo: Todo, of: int) -> None:
    """Do one part after the other; say how far it is every few seconds."""
    started = said = time.perf_counter()
    first = of - len(todo) + 1
    items = numbered(todo.values(), what, of, first)
    for number, do in enumerate(items, start=first):
        do()
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

    `slices` are what the plan starts at. `accept` looks at the cells that were set
    aside before anything else is computed; the result is None if it says no.
    """
    started = time.perf_counter()
    bad = None
    parts = _begin(plan, work, slices, splitting)
    finished = parts.finished()
    rounds = range(len(parts.layout.rounds))
    if finished:
        LOG.info(
            "going on with what an earlier run finished: %d of %d parts",
            len(finished),
            sum(map(parts.n_items, rounds)),
        )
    for number in rounds:
        if number == 0:
            items = [partial(parts.read, i, slice_) for i, slice_ in enumerate(slices)]
        else:
            items = [partial(parts.compute, number, i) for i in range(parts.n_parts)]
        todo = {i: do for i, do in enumerate(items) if (number, i) not in finished}
        splitting.run(_told(parts, number), todo, len(items))
        parts.merge_facts(number)
        if number == 0:
            bad = _bad(parts)
            if bad is not None and not accept(bad):
                return None
    done = [item for number in rounds for item in parts.all_done(number)]
    small = parts.wholes(parts.facts(len(rounds)))
    files: dict[str, Path] = {}
    profiles: dict[str, Profile] = {}
    broken = failures(work)
    outcomes = {
        name: outcomes_of(work.checks[name], row)
        for name, row in zip(broken, collect_all([*broken.values()]), strict=True)
    }
    for name in each(work.compute, "putting snapshots together"):
        stage = plan.snapshots[name].stage
        LOG.info("putting %s together", name)
        if stage.name in small:
            df = small[stage.name].sort(stage.key).collect()
        else:
            sorted_ = parts.files(done, f"snapshot-{stage.name}.arrow")
            near = parts.folder.near(sorted_, folder / f"parts-{stage.name}")
            to = folder / f"sorted-{stage.name}.arrow"
            df = in_order(near, stage.key, parts.layout.column, to)
        files[name] = folder / f"{name}.parquet"
        checks = work.checks.get(name, [])
        profiles[name], found = write(files[name], df, stage.key, checks)
        if checks:
            outcomes[name] = found
    return Execution(
        files,
        profiles,
        outcomes,
        _n_rows(plan, work, done, small),
        bad,
        time.perf_counter() - started,
    )


def _begin(
    plan: Plan, work: Work, slices: Sequence[Slice], splitting: Splitting
) -> Parts:
    """Lay the rounds out, and see how many rows each value of their column has."""
    given = tuple(dict.fromkeys(slice_.name for slice_ in slices))
    publish = [plan.snapshots[name].stage.name for name in work.compute]
    layout = lay_out(plan, work.count, given, publish)
    parts = Parts(
        splitting.folder,
        layout,
        {name: node.stage for name, node in plan.nodes.items()},
        {name: plan.schema(name) for name in (*given, *plan.nodes)},
        len(slices),
    )
    if not layout.rounds[0].spills:
        return parts
    # Bad rows are counted, too: only the column that decides need be read then.
    snapshots = {s.name: s.lf for s in slices if s.stream is None}
    columns = plan.source.collect_schema().names()
    read = [s.lf.select(columns) for s in slices if s.stream is not None]
    rows = pl.concat(read) if read else plan.source
    whole = compose_again(plan, rows, snapshots)
    frames = [whole.lf(name) for name in layout.rounds[0].spills]
    with doing("counting rows"):
        values = values_of(frames, layout.column, splitting.folder)
    n_rows, width = int(values[MOST].sum()), row_bytes(plan, given)
    refuse_too_large(values, width, splitting.memory)
    n_parts = worth_it(splitting.n_parts, n_rows, width)
    parts = replace(parts, bounds=bounds_of(values, n_parts))
    LOG.info(
        "%s rows in %d parts, split by %s",
        f"{n_rows:,}",
        parts.n_parts,
        layout.column,
    )
    return parts


def _told(parts: Parts, number: int) -> str:
    """Say what a round does."""
    rounds = parts.layout.rounds
    round_ = f"round {number + 1} of {len(rounds)}"
    if number == 0:
        return f"{round_}, reading files"
    if not rounds[number].stages:
        return f"{round_}, sorting parts"
    return f"{round_}, parts up to {rounds[number].stages[-1]}"


def _bad(parts: Parts) -> pl.DataFrame | None:
    """Read the cells that were set aside; None if no source was read.

    Where they are too many, not all: what was read is refused.
    """
    cells: list[pl.DataFrame] = []
    n_rows = 0
    for file in parts.files(parts.all_done(0), "bad.arrow"):
        cells.append(scan_arrow(file).collect())
        n_rows += cells[-1].n_unique("record") if cells[-1].height else 0
        if n_rows >= MOST_BAD:
            break
    return pl.concat(cells) if cells else None


def _n_rows(
    plan: Plan, work: Work, done: Iterable[Done], small: Mapping[str, pl.LazyFrame]
) -> dict[str, int]:
    """Add up the rows of each stage over all items, and of the small tables."""
    total = Counter(
        {name: lf.select(pl.len()).collect().item() for name, lf in small.items()}
    )
    for item in done:
        total.update(item.n_rows)
    alike = plan.alike(work.count)
    return {name: total[alike[name]] for name in work.count}
