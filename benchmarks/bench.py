"""``just bench`` times the pipeline against its rivals, in fresh processes.

Rounds are interleaved: every contender runs once before any runs again, so that a slow
minute of the machine is shared, and ratios are taken within a round. Results are
compared once, to 1e-9, before anything is timed. All that use Polars have the
allocator's settings of the pipeline's commands; single transformations are timed
as in the regression check: the fastest of some calls, on one thread, whose allocators
never give memory back.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import click

from benchmarks import samplers
from benchmarks.machine import commit, machine, versions
from benchmarks.processes import Timing, run_process, synthetic
from benchmarks.records import BenchmarkFigure, BenchmarkRecord, Spread

CONTENDERS = {
    "pipeline": "the pipeline",
    "bare_polars": "bare Polars, the same expressions",
    "duckdb_sql": "hand-written DuckDB SQL",
    "pandas_vectorised": "vectorised pandas, the origin's steps",
    "numpy_packed": "NumPy on packed keys, specialised to this file",
}
ORIGIN = "pandas_origin"
FEATURES, COMMANDS, TRANSFORMS = "CSV to features", "commands", "transformations"
ROWS = 1_081_672
"""Of the synthetic data at scale 1."""

Runs = Mapping[str, Callable[[], Timing]]


def bench(sizes: Sequence[float], n_runs: int) -> BenchmarkRecord:
    """Measure everything; prints a line per figure."""
    figures: list[BenchmarkFigure] = []
    with tempfile.TemporaryDirectory() as name:
        for size in sizes:
            found = features(size, n_runs, Path(name, str(size)))
            figures += echo(found)
        figures += echo(commands(n_runs, Path(name, "commands")))
    figures += echo(transforms(n_runs))
    return record_of(figures)


def record_of(figures: Sequence[BenchmarkFigure]) -> BenchmarkRecord:
    """Say of figures when and on what they were measured."""
    return BenchmarkRecord(
        measured_at=datetime.now(UTC).replace(microsecond=0),
        commit=commit(),
        versions=versions(),
        machine=machine(),
        figures=list(figures),
    )


def features(size: float, n_runs: int, folder: Path) -> Iterator[BenchmarkFigure]:
    """Time CSV to features as a frame, without imports, for times the published rows.

    The origin's group-by-apply gets some of the facilities, and is scaled by the share
    of the groups they hold; only at the published size, as it grows with the rows.
    """
    folder.mkdir()
    csv = _csv(size, folder)
    n_rows = round(ROWS * size)
    outputs = [folder / f"{name}.parquet" for name in CONTENDERS]
    for output in outputs:
        _contender(output.stem, csv, output)
    click.echo(run_process("-m", "benchmarks.prepare", "compare", *outputs)[0].strip())
    runs = {name: lambda name=name: _contender(name, csv) for name in CONTENDERS}
    timings = interleave(runs, n_runs)
    yield from figures_of(FEATURES, n_rows, timings)
    if size == 1:
        part = folder / "part.csv"
        share = float(
            run_process("-m", "benchmarks.prepare", "cut", csv, part, "60")[0]
        )
        cpu_s = _contender(ORIGIN, part).cpu_s / share
        ours = median(timing.cpu_s for timing in timings["pipeline"])
        yield BenchmarkFigure(
            task=FEATURES,
            contender=ORIGIN,
            n_rows=n_rows,
            n_runs=1,
            cpu_s=Spread(cpu_s, cpu_s, cpu_s),
            wall_s=None,
            peak_mib=None,
            cpu_x=cpu_s / ours,
            wall_x=None,
        )


def commands(n_runs: int, folder: Path) -> Iterator[BenchmarkFigure]:
    """Time whole commands, imports included, each round in a project of its own."""
    csv = synthetic()
    words = samplers.source(csv)
    plans = folder / "plans"
    run_process("-m", "benchmarks.bare", "write", csv, plans)
    projects = iter(samplers.make_project(folder / str(i)) for i in range(n_runs))
    project = folder

    def start() -> Timing:
        nonlocal project
        project = next(projects)
        return run_process("-m", "benchmarks.bare", "run", plans, project / "bare")[1]

    def run(*command: str) -> Callable[[], Timing]:
        words = ("-m", "pipeline", *command)
        # The exit code of a diff is 1 where there is a difference.
        return lambda: run_process(*words, cwd=project, codes=(0, 1))[1]

    changed = (*words, "rolling_columns.window=3")
    count = "select count(*) from features"
    runs: Runs = {
        "bare Polars script": start,
        "first just run": run("run", *words),
        "nothing to do": run("run", *words),
        "just run --force": run("run", "--force", *words),
        "last stages changed": run("run", *changed),
        "just diff": run("diff", "features", "previous", "latest"),
        "publish: back to before": run("run", *words),
        "just sql": run("sql", count),
        "--help": run("--help"),
    }
    yield from figures_of(COMMANDS, ROWS, interleave(runs, n_runs))


def transforms(n_runs: int) -> Iterator[BenchmarkFigure]:
    """Time the critical transformations beside their twins, on one thread."""
    rounds: dict[str, list[list[float]]] = {}
    with samplers.workbench() as made:
        for _ in range(n_runs):
            for name, fastest in samplers.time_cases(made.inputs).items():
                rounds.setdefault(name, []).append(fastest)
    for name, taken in rounds.items():
        ours = [r[0] for r in taken]
        twin = [r[1] for r in taken]
        for contender, seconds in (("polars", ours), ("pandas", twin)):
            yield BenchmarkFigure(
                task=f"{TRANSFORMS}: {name}",
                contender=contender,
                n_rows=ROWS,
                n_runs=n_runs,
                cpu_s=_spread(seconds),
                wall_s=None,
                peak_mib=None,
                cpu_x=median(s / o for s, o in zip(seconds, ours, strict=True)),
                wall_x=None,
            )


def interleave(runs: Runs, n_runs: int) -> dict[str, list[Timing]]:
    """Time each in turn, round after round."""
    timings: dict[str, list[Timing]] = {name: [] for name in runs}
    for _ in range(n_runs):
        for name, run in runs.items():
            timings[name].append(run())
    return timings


def _contender(name: str, csv: Path, *out: Path) -> Timing:
    """Time CSV to features once; the clock is the contender's own."""
    output, process = run_process("-m", "benchmarks.contenders", name, csv, *out)
    found = json.loads(output.splitlines()[-1])
    return Timing(found["cpu_s"], found["wall_s"], process.peak_mib)


def _csv(size: float, folder: Path) -> Path:
    """Make a file of so many times the published rows."""
    if size >= 1:
        return synthetic(round(size))
    part = folder / "rows.csv"
    one_in = str(round(1 / size))
    run_process("-m", "benchmarks.prepare", "cut", synthetic(), part, one_in)
    return part


def figures_of(
    task: str, n_rows: int, timings: Mapping[str, Sequence[Timing]]
) -> Iterator[BenchmarkFigure]:
    """Summarise the runs; ratios are to the first contender, pair by pair."""
    base = next(iter(timings.values()))
    for name, runs in timings.items():
        pairs = list(zip(runs, base, strict=True))
        yield BenchmarkFigure(
            task=task,
            contender=name,
            n_rows=n_rows,
            n_runs=len(runs),
            cpu_s=_spread([run.cpu_s for run in runs]),
            wall_s=_spread([run.wall_s for run in runs]),
            peak_mib=_spread([run.peak_mib for run in runs]),
            cpu_x=median(run.cpu_s / other.cpu_s for run, other in pairs),
            wall_x=median(run.wall_s / other.wall_s for run, other in pairs),
        )


def _spread(values: Sequence[float]) -> Spread:
    """Take median, least and largest."""
    return Spread(median(values), min(values), max(values))


def echo(figures: Iterator[BenchmarkFigure]) -> list[BenchmarkFigure]:
    """Print the figures."""
    kept = list(figures)
    for figure in kept:
        cells = [
            f"{figure.n_rows:>10,} rows",
            f"{figure.cpu_s.median:8.3f} CPU s" if figure.cpu_s else "",
            f"{figure.cpu_x:8.2f} x" if figure.cpu_x else "",
            f"{figure.wall_s.median:8.3f} s" if figure.wall_s else "",
            f"{figure.peak_mib.median:6.0f} MiB" if figure.peak_mib else "",
        ]
        click.echo(f"{figure.task:32} {figure.contender:20} {' '.join(cells)}")
    return kept
