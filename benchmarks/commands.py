"""Whole commands, imports included: those that write, and those one types all day."""

import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from benchmarks import samplers
from benchmarks.figures import ROWS, Runs, figures_of, interleave
from benchmarks.processes import Timing, run_binary, run_process, synthetic
from benchmarks.projects import make_project
from benchmarks.records import BenchmarkFigure

COMMANDS, EVERYDAY = "whole commands", "everyday commands"
PIPELINE = "from nothing to the forecast"
BARE, CLI = "bare Polars script", "the DuckDB CLI, the same statement"


def commands(n_runs: int) -> Iterator[BenchmarkFigure]:
    """Time what computes or publishes, each round in a project of its own."""
    with tempfile.TemporaryDirectory() as name:
        runs = _writing(Path(name), n_runs)
        yield from figures_of(COMMANDS, ROWS, interleave(runs, n_runs))


def everyday(n_runs: int) -> Iterator[BenchmarkFigure]:
    """Time what asks, in a project that has run twice, each once before it counts."""
    with tempfile.TemporaryDirectory() as name:
        project = make_project(Path(name, "project"), synthetic())
        for words in (("rolling_columns.window=3",), ()):
            _command(project, "run", *words)()
        runs = {
            name: _command(project, *asked)
            for name, asked in samplers.asks(project).items()
        }
        if binary := duckdb_cli():
            store = project / ".pipeline" / "snapshots.duckdb"
            asked = ("-readonly", str(store), samplers.STATEMENT)
            runs = {CLI: lambda: run_binary(binary, *asked)[1], **runs}
        interleave(runs, 1)
        yield from figures_of(EVERYDAY, ROWS, interleave(runs, n_runs))


def pipeline(n_runs: int) -> Iterator[BenchmarkFigure]:
    """Time all of it, from nothing to the forecast, in projects of their own."""
    csv = synthetic()

    def run() -> Timing:
        with tempfile.TemporaryDirectory() as name:
            project = make_project(Path(name, "project"), csv)
            return _command(project, "pipeline")()

    yield from figures_of(PIPELINE, ROWS, interleave({"just pipeline": run}, n_runs))


def duckdb_cli() -> Path | None:
    """Find DuckDB's own command line, if it is installed."""
    found = find_spec("duckdb_cli")
    return Path(found.origin).with_name("duckdb") if found and found.origin else None


def _writing(folder: Path, n_runs: int) -> Runs:
    """Name the commands that write, in their order; the first makes the project."""
    csv = synthetic()
    plans = folder / "plans"
    run_process("-m", "benchmarks.bare", "write", csv, plans)
    projects = (make_project(folder / str(i), csv) for i in range(n_runs))
    project = folder

    def start() -> Timing:
        nonlocal project
        project = next(projects)
        return run_process("-m", "benchmarks.bare", "run", plans, project / "bare")[1]

    def run(*words: str) -> Callable[[], Timing]:
        return lambda: _command(project, *words)()

    return {
        BARE: start,
        "first just run": run("run"),
        "just run --force": run("run", "--force"),
        "last stages changed": run("run", "rolling_columns.window=3"),
        "just diff": run("diff", "features", "previous", "latest"),
        "publish: back to before": run("run"),
        "just restore": run("restore", "-1"),
    }


def _command(project: Path, *words: str) -> Callable[[], Timing]:
    """Run a command in a project; differences and mistakes are answers, too."""
    asked = ("-m", "pipeline", *words)
    return lambda: run_process(*asked, cwd=project, codes=(0, 1, 2))[1]
