"""``just bench`` times tasks in fresh processes, each contender's runs interleaved.

Every contender runs once before any runs again, so that a slow minute of the machine is
shared, and ratios are taken within a round.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks import commands, days, features, samplers, scale, serving
from benchmarks.figures import echo
from benchmarks.machine import commit, machine, versions
from benchmarks.records import BenchmarkFigure, BenchmarkRecord


@dataclass(frozen=True)
class Task:
    """What is measured together, under a heading of the report."""

    heading: str
    measure: Callable[..., Iterator[BenchmarkFigure]]
    """Given the sizes, if there are some, and how often each contender runs."""
    sizes: tuple[float, ...] = ()
    """Times the published rows, where they can be chosen."""


TASKS: Mapping[str, Task] = {
    "everyday": Task("Everyday commands", commands.everyday),
    "commands": Task("Whole commands", commands.commands),
    "features": Task("From CSV to features", features.features, (0.1, 1, 10)),
    "transformations": Task("One transformation", samplers.transformations),
    "parts": Task("Many parts, many files", scale.parts),
    "scale": Task("More rows than memory", scale.scale, (1, 10)),
    "pipeline": Task("From nothing to a forecast", commands.pipeline),
    "serving": Task("A served request", serving.serving),
    "days": Task("A panel of days", days.days),
}
"""In the order of the report."""


def bench(task: Task, n_runs: int, sizes: Sequence[float] = ()) -> BenchmarkRecord:
    """Measure a task; prints a line per figure."""
    asked = (sizes or task.sizes, n_runs) if task.sizes else (n_runs,)
    figures: list[BenchmarkFigure] = []
    for figure in task.measure(*asked):
        echo(figure)
        figures.append(figure)
    return BenchmarkRecord(
        measured_at=datetime.now(UTC).replace(microsecond=0),
        commit=commit(),
        versions=versions(),
        machine=machine(),
        figures=figures,
    )
