"""CSV to features as a frame: the pipeline, its rivals, and the floor below them.

Results are compared once, to 1e-9, before anything is timed. All that use Polars have
the allocator's settings of the pipeline's commands; imports are not timed.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import click

from benchmarks.figures import ROWS, figures_of, interleave
from benchmarks.processes import Timing, run_process, synthetic
from benchmarks.records import BenchmarkFigure, Spread

FEATURES = "CSV to features"
FLOOR, ORIGIN = "floor", "pandas_origin"
RIVALS = {
    "pipeline": "the pipeline",
    "bare_polars": "bare Polars, the same expressions",
    "duckdb_sql": "hand-written DuckDB SQL",
    "pandas_vectorised": "vectorised pandas, the origin's steps",
    "numpy_packed": "NumPy on packed keys, specialised to this file",
}
NAMES = {
    **RIVALS,
    FLOOR: "floor: Polars reads the numbers and groups the rows, no more",
    ORIGIN: "the origin's group-by-apply, on a part, scaled",
}


def features(sizes: Sequence[float], n_runs: int) -> Iterator[BenchmarkFigure]:
    """Time so many times the published rows.

    The origin's group-by-apply gets some of the facilities, and is scaled by the share
    of the groups they hold; only at the published size, as it grows with the rows.
    """
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            yield from _of_size(size, n_runs, Path(name))


def _of_size(size: float, n_runs: int, folder: Path) -> Iterator[BenchmarkFigure]:
    """Compare, then time."""
    csv = _csv(size, folder)
    outputs = [folder / f"{name}.parquet" for name in RIVALS]
    for output in outputs:
        timed(output.stem, csv, output)
    click.echo(run_process("-m", "benchmarks.prepare", "compare", *outputs)[0].strip())
    runs = {name: partial(timed, name, csv) for name in (*RIVALS, FLOOR)}
    timings = interleave(runs, n_runs)
    n_rows = round(ROWS * size)
    yield from figures_of(FEATURES, n_rows, timings)
    if size == 1:
        part = folder / "part.csv"
        words = ("-m", "benchmarks.prepare", "cut", csv, part, "60")
        share = float(run_process(*words)[0])
        cpu_s = timed(ORIGIN, part).cpu_s / share
        yield BenchmarkFigure(
            task=FEATURES,
            contender=ORIGIN,
            n_rows=n_rows,
            n_runs=1,
            cpu_s=Spread(cpu_s, cpu_s, cpu_s),
            wall_s=None,
            peak_mib=None,
            cpu_x=cpu_s / median(timing.cpu_s for timing in timings["pipeline"]),
            wall_x=None,
        )


def timed(name: str, csv: Path, *out: Path) -> Timing:
    """Run a contender once; the clock is its own."""
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
