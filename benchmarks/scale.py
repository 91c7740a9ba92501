"""``just bench-scale`` runs the pipeline on more and more rows, in each way it can.

Each run is a command of its own in an empty project, on one Parquet file. CPU time and
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

from benchmarks.bench import ROWS, echo, figures_of, interleave, record_of
from benchmarks.processes import Timing, environment, synthetic
from benchmarks.records import BenchmarkFigure, BenchmarkRecord
from benchmarks.samplers import make_project

SCALE = "whole run"
ONE_PASS, PARTS, SPARK = "one pass", "part by part", "Spark, local[2]"
_EVERY_S = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20

MEMORY_GIB = 8
"""Of a run part by part."""

_LARGEST_PASS = 20
"""Times the published rows that one pass and a one-machine cluster are tried on."""


def scale(sizes: Sequence[int], n_runs: int) -> BenchmarkRecord:
    """Measure all sizes; prints a line per figure."""
    figures: list[BenchmarkFigure] = []
    for size in sizes:
        file = synthetic(size, "format=parquet")
        runs = {name: partial(_run, file, *words) for name, words in _ways(size)}
        timings = interleave(runs, n_runs)
        figures += echo(figures_of(SCALE, ROWS * size, timings))
    return record_of(figures)


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
    """Run the pipeline once, from nothing, and watch all its processes."""
    with tempfile.TemporaryDirectory() as name:
        project = make_project(Path(name, "project"))
        command = [
            *(sys.executable, "-m", "pipeline", "run", "source=parquet"),
            *(f"source.path={file}", *words),
        ]
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=project,
            env=environment(),
            stdout=subprocess.DEVNULL,
        )
        seconds: dict[int, float] = {}
        peak_mib = 0.0
        while process.poll() is None:
            taken, mib = _look_at(process.pid)
            for pid, cpu_s in taken.items():
                seconds[pid] = max(cpu_s, seconds.get(pid, 0))
            peak_mib = max(peak_mib, mib)
            time.sleep(_EVERY_S)
        wall_s = time.perf_counter() - started
        if process.returncode:
            raise SystemExit(f"benchmark stopped: {' '.join(command)} failed")
        shutil.rmtree(project)
    return Timing(sum(seconds.values()), wall_s, peak_mib)


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
