"""Say in words what is fresh, and how a run would be executed; no data is read."""

from collections.abc import Collection, Iterator

import polars as pl

from pipeline import sources
from pipeline.engine.one_pass import snapshot_frames
from pipeline.engine.parts.layout import Layout, Round, lay_out
from pipeline.engine.parts.sizes import fits, memory_of, shown_size
from pipeline.errors import PipelineError
from pipeline.plan.compose import compose
from pipeline.plan.plan import Plan
from pipeline.plan.settings import QUARANTINE, SOURCE, EngineSettings, Settings
from pipeline.plan.wiring import Selection
from pipeline.run.compute import is_one_pass, most_rows
from pipeline.run.freshness import is_unpublished, look, statuses_of
from pipeline.run.outline import wrapped
from pipeline.run.run import check
from pipeline.run.task import Task, plan_task
from pipeline.snapshots.store import open_store, read_runs

_ASKED = "of the rows that the query gave last: a run asks again"


def describe_freshness(settings: Settings, selection: Selection) -> str:
    """Say of each snapshot whether it is fresh, why not, what a run would do, and how.

    Parameters
    ----------
    settings : Settings
        The checked configuration; the source's files need not be there.

    Raises
    ------
    PipelineError
        If the rows must be split, and cannot.
    """
    if is_unpublished(settings, selection):
        return no_snapshot(str(selection.only))
    plan = check(settings)
    store = open_store(settings.root)
    runs = read_runs(store)
    current = runs[-1] if runs else None
    wanted = look(settings, plan, store, runs, fetched=False, shared=settings.shared)
    statuses = statuses_of(wanted, store, current)
    task = plan_task(wanted, statuses, selection, store, runs, {})
    width = max(len(status.name) for status in statuses)
    computed = task.compute
    lines: list[str] = []
    for status in statuses:
        reasons = [*status.reasons]
        if selection.force and status.name in computed and status.freshness != "stale":
            reasons.append("computed anyway: --force")
        if status.name in task.waits:
            same = " and ".join(status.fresh_if_same)
            reasons.append(
                f"fresh if {same} come{'s' * (same == status.fresh_if_same[0])}"
                " out as published"
            )
        first, *others = reasons or [""]
        lines.append(f"{status.name:{width}}  {status.freshness:10}  {first}".rstrip())
        lines += [f"{'':{width}}  {'':10}  {reason}" for reason in others]
    n_rows = None
    if wanted.source.files:
        reads = task.reads_source
        scan = sources.scan(settings.source, settings.root) if reads else None
        n_rows = most_rows(task, scan)
    how = ["in one pass: it reads other sources"]
    if not is_one_pass(wanted, task):
        how = _execution(settings.engine, plan, task, n_rows)
    asked = [_ASKED] if any(map(sources.is_asked, settings.sources.values())) else []
    remote = [s.name for s in statuses if s.freshness == "remote"]
    return "\n".join([*asked, *lines, *_todo(task, remote), *wrapped(how)])


def no_snapshot(stage: str) -> str:
    """Say how to see the rows of a stage that publishes none."""
    return f"{stage} publishes no snapshot: `just show {stage}` shows its rows"


def _todo(task: Task, remote: Collection[str]) -> Iterator[str]:
    """Say what a run would do; some snapshots are in the store that clones share."""
    if task.is_nothing:
        yield "nothing to do"
    if task.compute:
        start = [*(["the source"] if task.reads_source else []), *task.leaves]
        yield f"to compute: {', '.join(task.compute)}; starting at {', '.join(start)}"
    if task.waits:
        yield f"to compute then, unless it is fresh: {', '.join(task.waits)}"
    fetched = {name for name, _ in task.reads} & {*remote}
    if fetched:
        yield f"to fetch: {', '.join(name for name in remote if name in fetched)}"
    if restored := [name for name in task.names("restored") if name not in fetched]:
        yield f"to restore: {', '.join(restored)}"
    if only_checked := [n for n in task.check if n in task.names("fresh")]:
        yield f"to check by a contract that changed: {', '.join(only_checked)}"
    if kept := [name for name in task.names("kept") if name not in task.waits]:
        yield f"to leave as published: {', '.join(kept)}"


def optimized_plan(settings: Settings) -> str:
    """Return Polars' optimized plan of all snapshots, as it will be run.

    The source must be there to be scanned, so it is made or fetched first.
    """
    rows: dict[str, pl.LazyFrame] = {}
    for name, config in settings.sources.items():
        sources.fetch(config, settings.root)
        rows[name], _ = sources.scan(config, settings.root).frames()
    plan = compose(rows.pop(SOURCE), settings.stages, rows)
    return pl.explain_all(list(snapshot_frames(plan).values()))


def _execution(
    engine: EngineSettings, plan: Plan, task: Task, most_rows: float | None
) -> list[str]:
    """Say who computes a task, in how many parts and in which rounds.

    Parameters
    ----------
    most_rows : float or None
        What it would begin with, at most; None if the source is not there.

    Returns
    -------
    list of str
        Lines; none if there is nothing to compute, or one pass does it.

    Raises
    ------
    PipelineError
        If the rows must be split, and cannot.
    """
    is_auto = engine.partitions == "auto"
    is_here = engine.use == "polars"
    if not task.stages or (is_here and engine.partitions == 1):
        return []
    given = [*task.leaves, *([SOURCE] if task.reads_source else [])]
    is_known = most_rows is not None
    if is_here and is_auto and is_known and fits(engine, plan, given, most_rows):
        return []
    publish = [
        plan.snapshots[name].stage.name for name in task.compute if name != QUARANTINE
    ]
    memory = f"engine.memory: {shown_size(memory_of(engine))}"
    try:
        layout = lay_out(plan, task.stages, given, publish)
    except PipelineError as error:
        if not is_here or not is_auto:
            raise
        first = str(error).partition("\n")[0]
        return [f"in one pass if its rows fit ({memory}), else refused: {first}"]
    where = f"by {layout.column}; {memory}"
    if not is_here:
        n_parts = "as many parts as its cores need" if is_auto else _parts(engine)
        head = f"on Spark ({engine.master}): {n_parts}, {where}"
    elif is_auto:
        known = "once they are counted" if is_known else "once the source is there"
        head = f"in one pass if its rows fit, else in parts, {where}; decided {known}"
    else:
        head = f"part by part: {_parts(engine)}, {where}"
    return [head, *_rounds(plan, layout)]


def _parts(engine: EngineSettings) -> str:
    """Write the number of parts."""
    return f"{engine.partitions} part{'s' * (engine.partitions != 1)}"


def _rounds(plan: Plan, layout: Layout) -> Iterator[str]:
    """Write a line for each round."""
    snapshots = {node.stage.name: name for name, node in plan.snapshots.items()}
    for number, round_ in enumerate(layout.rounds, start=1):
        yield f"  round {number}: {_round(round_, snapshots)}"


def _round(round_: Round, snapshots: dict[str, str]) -> str:
    """List stages, facts and snapshots of a round."""
    published = [snapshots[stage] for stage in round_.snapshots]
    parts = {
        f"from {', '.join(round_.starts)}": round_.stages or ["rows are only split"],
        "facts": round_.facts,
        "snapshots": published,
    }
    return "; ".join(
        f"{name}: {', '.join(those)}" for name, those in parts.items() if those
    )
