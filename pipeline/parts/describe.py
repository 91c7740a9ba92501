"""Say in words how a plan would be executed where that is not one pass."""

from collections.abc import Iterator

from pipeline.errors import PipelineError
from pipeline.parts.layout import Layout, Round, lay_out
from pipeline.parts.sizes import fits, memory_of, shown_size
from pipeline.plan import Plan
from pipeline.settings import QUARANTINE, SOURCE, EngineSettings
from pipeline.task import Task


def describe_execution(
    engine: EngineSettings, plan: Plan, task: Task, most_rows: float | None
) -> list[str]:
    """Say who computes a task, in how many parts and in which rounds.

    Parameters
    ----------
    engine : EngineSettings
        What is asked for.
    plan : Plan
        With the schema of every stage.
    task : Task
        What would be computed.
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
        plan.snapshots[name].stage.name
        for name in task.names("computed")
        if name != QUARANTINE
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
