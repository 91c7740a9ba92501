"""From timings of interleaved runs to figures: medians, spreads, ratios."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

import click

from benchmarks.processes import Timing
from benchmarks.records import BenchmarkFigure, Spread

ROWS = 1_081_672
"""Of the synthetic data at scale 1."""

Runs = Mapping[str, Callable[[], Timing]]
"""Per contender, what times it once."""


def interleave(runs: Runs, n_runs: int) -> dict[str, list[Timing]]:
    """Time each in turn, round after round."""
    timings: dict[str, list[Timing]] = {name: [] for name in runs}
    for _ in range(n_runs):
        for name, run in runs.items():
            timings[name].append(run())
    return timings


def figures_of(
    task: str, n_rows: int, timings: Mapping[str, Sequence[Timing]]
) -> list[BenchmarkFigure]:
    """Summarise the runs; ratios are to the first contender, pair by pair."""
    base = next(iter(timings.values()))
    figures: list[BenchmarkFigure] = []
    for name, runs in timings.items():
        pairs = list(zip(runs, base, strict=True))
        figure = BenchmarkFigure(
            task=task,
            contender=name,
            n_rows=n_rows,
            n_runs=len(runs),
            cpu_s=spread(run.cpu_s for run in runs),
            wall_s=spread(run.wall_s for run in runs),
            peak_mib=spread(run.peak_mib for run in runs),
            cpu_x=median(run.cpu_s / other.cpu_s for run, other in pairs),
            wall_x=median(run.wall_s / other.wall_s for run, other in pairs),
        )
        figures.append(figure)
    return figures


def spread(values: Iterable[float]) -> Spread:
    """Take median, least and largest."""
    taken = sorted(values)
    return Spread(median(taken), taken[0], taken[-1])


def echo(figure: BenchmarkFigure) -> None:
    """Print a line."""
    cells = [
        f"{figure.n_rows:>10,} rows",
        f"{figure.cpu_s.median:8.3f} CPU s" if figure.cpu_s else "",
        f"{figure.cpu_x:8.2f} x" if figure.cpu_x else "",
        f"{figure.wall_s.median:8.3f} s" if figure.wall_s else "",
        f"{figure.peak_mib.median:6.0f} MiB" if figure.peak_mib else "",
    ]
    click.echo(f"{figure.task:32} {figure.contender:20} {' '.join(cells)}")
