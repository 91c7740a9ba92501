"""What figures were measured on: commit, versions and machine."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from benchmarks.processes import ROOT

LIBRARIES = ("polars", "duckdb", "pandas", "numpy", "pyarrow")


def commit() -> str:
    """Name the commit, with a ``+`` if files differ from it; empty outside of git."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + (
            "+" if git("status", "--porcelain", "--untracked-files=no") else ""
        )
    except FileNotFoundError:
        return ""


def versions() -> dict[str, str]:
    """Return the versions of Python and of the contenders' libraries."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def machine() -> dict[str, str | int]:
    """Describe the processor and the memory."""
    info = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (info.read_text().splitlines() if info.exists() else [])
        if line.startswith("model name")
    ]
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(pages / 2**30),
    }
