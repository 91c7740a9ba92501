"""Whole runs in each way: one pass, part by part, Spark; many parts, many files.

Each run is a command of its own in an empty project, on Parquet files. CPU time and
memory are those of all its processes, as Linux tells them ten times a second: Spark's
are the JVM's and its workers'.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.figures import ROWS, Runs, figures_of, interleave
from benchmarks.processes import Timing, environment, run_process, synthetic
from benchmarks.projects import make_project
from benchmarks.records import BenchmarkFigure

SCALE, MANY = "whole run", "many parts, many files"
ONE_PASS, PARTS, SPARK = "one pass", "part by part", "Spark, local[2]"
NULL_JOB = "Spark's own start: a job that does nothing"
N_FILES = 2500
_EVERY_S = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20

MEMORY_GIB = 8
"""Of a run part by part."""

_LARGEST_PASS = 20
"""Times the published rows that one pass and a one-machine cluster are tried on."""

_NULL_JOB = (
    "from pyspark import SparkContext; s = SparkContext('local[2]');"
    " s.parallelize(range(2), 2).map(str).collect(); s.stop()"
)
"""Tasks for numbers, as ours; without Spark's SQL, which starts for longer."""


def scale(sizes: Sequence[float], n_runs: int) -> Iterator[BenchmarkFigure]:
    """Time more and more rows."""
    for size in map(round, sizes):
        file = synthetic(size, "format=parquet")
        runs: Runs = {n: partial(_run, file, *words) for n, words in _ways(size)}
        if SPARK in runs:
            runs = {**runs, NULL_JOB: partial(_watch, "-c", _NULL_JOB)}
        yield from figures_of(SCALE, ROWS * size, interleave(runs, n_runs))


def parts(n_runs: int) -> Iterator[BenchmarkFigure]:
    """Time a million rows in more parts than they need, and in thousands of files."""
    file = synthetic(1, "format=parquet")
    with tempfile.TemporaryDirectory() as name:
        cut = ("-m", "benchmarks.prepare", "split", file, name, str(N_FILES))
        run_process(*cut)
        runs: Runs = {
            "8 parts": partial(_run, file, "engine.partitions=8"),
            "200 parts": partial(_run, file, "engine.partitions=200"),
            "one file": partial(_run, file),
            f"{N_FILES:,} files": partial(_run, Path(name, "*.parquet")),
        }
        yield from figures_of(MANY, ROWS, interleave(runs, n_runs))


def _ways(size: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """List the ways to run so many times the published rows."""
    # As many parts as fit in memory; on few rows several, to see what they cost.
    parts = "auto" if size > _LARGEST_PASS else "4"
    if size <= _LARGEST_PASS:
        yield ONE_PASS, ("engine.partitions=1",)
    yield PARTS, (f"engine.partitions={parts}", f"engine.memory={MEMORY_GIB}GiB")
    if size <= _LARGEST_PASS and find_spec("pyspark") is not None:
        yield SPARK, ("engine=spark", f"engine.memory={MEMORY_GIB}GiB")


def _run(file: Path, *words: str) -> Timing:
    """Run the pipeline once, from nothing."""
    with tempfile.TemporaryDirectory() as name:
        project = make_project(Path(name, "project"), file)
        timing = _watch("-m", "pipeline", "run", *words, cwd=project)
        shutil.rmtree(project)
    return timing


def _watch(*words: str, cwd: Path | None = None) -> Timing:
    """Run Python once, and watch all its processes."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    seconds: dict[int, float] = {}
    peak_mib = 0.0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        taken, mib = _look_at(process.pid)
        for pid, cpu_s in taken.items():
            seconds[pid] = max(cpu_s, seconds.get(pid, 0))
        peak_mib = max(peak_mib, mib)
        time.sleep(_EVERY_S)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"benchmark stopped: {' '.join(words)} failed")
    # The kernel's sum has the last moments, and only children that were waited for.
    cpu_s = max(sum(seconds.values()), usage.ru_utime + usage.ru_stime)
    return Timing(cpu_s, wall_s, peak_mib)


def _look_at(root: int) -> tuple[dict[int, float], float]:
    """Read the CPU seconds of a process and all below it, and their memory in MiB."""
    parents: dict[int, int] = {}
    cpu_s: dict[int, float] = {}
    mib: dict[int, float] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # The name, in brackets, may hold anything.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(folder.name)
        parents[pid] = int(fields[1])
        cpu_s[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
        mib[pid] = int(fields[21]) * _PAGE_MIB
    ours = {root}
    while more := {p for p, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return (
        {pid: cpu_s[pid] for pid in ours if pid in cpu_s},
        sum(mib.get(pid, 0) for pid in ours),
    )
