"""``just bench``: the pipeline against its rivals, interleaved, in fresh processes.

This process stays small and imports no dataframes: on Linux, a child's peak memory is
at least that of the process it was forked from.

Two tasks are timed. CSV to the features as a frame, without imports: by the pipeline,
vectorised pandas, packed NumPy, hand-written DuckDB SQL, and the origin's
group-by-apply (on some of the facilities, scaled by their groups). And the whole
command `just run`, imports and publication included, against a bare Polars script of
the same expressions. All that use Polars have the allocator's settings of the
pipeline's commands. Results are compared once, to 1e-9, before anything is timed; a
failure stops it all.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.allocator import reuse_freed_memory

ROOT = Path(__file__).parents[1]
RIVALS = ["pandas_vectorised", "numpy_packed", "duckdb_sql"]


@dataclass(frozen=True)
class Timing:
    """One run: CPU seconds, wall seconds, peak memory of the process in MiB."""

    cpu_s: float
    wall_s: float
    peak_mib: float


def run_process(*args: str | Path) -> tuple[str, Timing]:
    """Run Python with arguments; return what it printed, and the kernel's figures."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *args], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"benchmark stopped: {' '.join(map(str, args))} failed")
    timing = Timing(usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 1024)
    return output, timing


def run_contender(name: str, csv: Path, *out: Path) -> Timing:
    """Time CSV to features once; the clock is the contender's own."""
    output, process = run_process("-m", "benchmarks.contenders", name, csv, *out)
    figures = json.loads(output.splitlines()[-1])
    return Timing(figures["cpu_s"], figures["wall_s"], process.peak_mib)


def interleave(
    runs: dict[str, Callable[[], Timing]], n_runs: int
) -> dict[str, list[Timing]]:
    """Time each in turn, round after round, so that a slow minute is shared."""
    timings: dict[str, list[Timing]] = {name: [] for name in runs}
    for _ in range(n_runs):
        for name, run in runs.items():
            timings[name].append(run())
    return timings


def print_table(timings: dict[str, list[Timing]], base: str) -> None:
    """Print median figures, and the ratio to `base` pair by pair."""
    heads = ["CPU s", "wall s", "peak MiB", "CPU x", "wall x"]
    print(" " * 20, *(f"{head:>8}" for head in heads))
    for name, runs in timings.items():
        cpu_s, wall_s, peak = (
            statistics.median(getattr(run, field) for run in runs)
            for field in ("cpu_s", "wall_s", "peak_mib")
        )
        pairs = list(zip(runs, timings[base], strict=True))
        cpu_x = statistics.median(run.cpu_s / other.cpu_s for run, other in pairs)
        wall_x = statistics.median(run.wall_s / other.wall_s for run, other in pairs)
        figures = f"{cpu_s:8.2f} {wall_s:8.2f} {peak:8.0f} {cpu_x:8.2f} {wall_x:8.2f}"
        print(f"{name:20} {figures}")


def main() -> None:
    """Time both tasks, and print two tables."""
    parser = argparse.ArgumentParser(prog="just bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each contender")
    parser.add_argument(
        "--csv", type=Path, help="default: the full-size synthetic data"
    )
    args = parser.parse_args()
    reuse_freed_memory()
    csv = args.csv or _synthetic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outputs = [folder / f"{name}.parquet" for name in ["pipeline", *RIVALS]]
        for output in outputs:
            run_contender(output.stem, csv, output)
        print(csv.name, run_process("-m", "benchmarks.prepare", "compare", *outputs)[0])

        runs = {n: lambda n=n: run_contender(n, csv) for n in ["pipeline", *RIVALS]}
        timings = interleave(runs, args.runs)
        print(f"CSV to features, median of {args.runs} interleaved runs")
        print_table(timings, "pipeline")

        part = folder / "part.csv"
        share = float(run_process("-m", "benchmarks.prepare", "cut", csv, part)[0])
        origin = run_contender("pandas_origin", part)
        whole_s = origin.cpu_s / share
        ours_s = statistics.median(run.cpu_s for run in timings["pipeline"])
        print(
            f"pandas_origin: {origin.cpu_s:.1f} CPU s on {share:.1%} of the groups;"
            f" scaled to all {whole_s:,.0f}, {whole_s / ours_s:,.0f} times as much\n"
        )

        bare = folder / "bare"
        run_process("-m", "benchmarks.bare", "write", csv, bare)
        whole = (
            "-m",
            "pipeline",
            "run",
            "--force",
            "source=csv",
            f"source.path={csv.absolute()}",
        )
        timings = interleave(
            {
                "bare Polars script": lambda: run_process(
                    "-m", "benchmarks.bare", "run", bare
                )[1],
                "just run": lambda: run_process(*whole)[1],
                "pipeline --help": lambda: run_process("-m", "pipeline", "--help")[1],
            },
            args.runs,
        )
        print(f"the whole command, median of {args.runs} interleaved runs")
        print_table(timings, "bare Polars script")


def _synthetic() -> Path:
    """Make the full-size synthetic data if it is not there."""
    output, _ = run_process("-m", "pipeline", "data")
    return ROOT / output.split()[0]


if __name__ == "__main__":
    main()
