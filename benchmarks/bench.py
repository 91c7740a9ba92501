"""``just bench`` times tasks in fresh processes, each contender's runs interleaved.

Every contender runs once before any runs again, so that a slow minute of the machine is
shared, and ratios are taken within a round.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from benchmarks import commands, days, features, samplers, scale, serving
from benchmarks.figures import echo
from benchmarks.machine import commit, machine, versions
from benchmarks.records import BenchmarkFigure, BenchmarkRecord

Measure = Callable[[int], Iterator[BenchmarkFigure]]

OF_SIZES: Mapping[str, Callable[[Sequence[float], int], Iterator[BenchmarkFigure]]] = {
    "features": features.features,
    "scale": scale.scale,
}
"""Tasks whose rows can be chosen, as times the published ones."""

TASKS: Mapping[str, Measure] = {
    "everyday": commands.everyday,
    "commands": commands.commands,
    "features": lambda n_runs: features.features((0.1, 1, 10), n_runs),
    "transformations": samplers.transformations,
    "parts": scale.parts,
    "scale": lambda n_runs: scale.scale((1, 10), n_runs),
    "pipeline": commands.pipeline,
    "serving": serving.serving,
    "days": days.days,
}
"""What is measured, in the order of the report."""


def bench(task: str, n_runs: int, sizes: Sequence[float] = ()) -> BenchmarkRecord:
    """Measure a task; prints a line per figure."""
    measured = OF_SIZES[task](sizes, n_runs) if sizes else TASKS[task](n_runs)
    figures: list[BenchmarkFigure] = []
    for figure in measured:
        echo(figure)
        figures.append(figure)
    return BenchmarkRecord(
        measured_at=datetime.now(UTC).replace(microsecond=0),
        commit=commit(),
        versions=versions(),
        machine=machine(),
        figures=figures,
    )
