"""Fresh processes, and what the kernel says they took.

This module and its importers stay small and import no dataframes: on Linux, a child's
peak memory is at least that of the process it was forked from.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

ROOT = Path(__file__).parents[1]

STEADY = {
    "POLARS_MAX_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # All allocators would give memory back, and the next call fault it in again.
    "_RJEM_MALLOC_CONF": (
        "narenas:1,dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0"
    ),
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""For CPU times that differ little from process to process."""


@dataclass(frozen=True)
class Timing:
    """One run: CPU seconds, wall seconds, peak memory in MiB.

    The peak is that of the largest process, where a process has started others.
    """

    cpu_s: float
    wall_s: float
    peak_mib: float


def environment() -> dict[str, str]:
    """Return what a fresh process finds: this project, its modules compiled once."""
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "PYTHONPATH": str(ROOT)}


def run_process(
    *args: str | Path,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    codes: tuple[int, ...] = (0,),
) -> tuple[str, Timing]:
    """Run Python with arguments, as `run_binary` does."""
    return run_binary(sys.executable, *args, cwd=cwd, env=env, codes=codes)


def run_binary(
    *command: str | Path,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    codes: tuple[int, ...] = (0,),
) -> tuple[str, Timing]:
    """Run a program; return what it printed, and the kernel's figures.

    If it ends with none of the exit codes, the benchmark stops, with what it wrote to
    standard error.
    """
    started = time.perf_counter()
    with TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**environment(), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout:
            output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            errors.seek(0)
            said = errors.read().decode(errors="replace")
            failed = " ".join(map(str, command))
            raise SystemExit(f"{said}benchmark stopped: {failed} failed")
    timing = Timing(usage.ru_utime + usage.ru_stime, wall_s, usage.ru_maxrss / 1024)
    return output, timing


def synthetic(scale: int = 1, *words: str) -> Path:
    """Make the synthetic data if they are not there."""
    words = ("use=synthetic", f"scale={scale}", *words)
    output, _ = run_process("-m", "pipeline", "data", *words)
    return ROOT / output.split()[0]
