"""A lazy Polars feature pipeline for panel data, with snapshots in DuckDB.

From Python, ``from pipeline import Project``; `import pipeline` alone costs nothing.
"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.errors import PipelineError
    from pipeline.project import Project

__all__ = ["PipelineError", "Project"]

# Before anything loads OpenMP, of which a process may hold several: threads that wait
# for others spin on a busy machine, and make a fit of a second last half a minute.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def __getattr__(name: str) -> Any:
    """Import what is asked for, and not before."""
    if name == "Project":
        from pipeline.project import Project

        return Project
    if name == "PipelineError":
        from pipeline.errors import PipelineError

        return PipelineError
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
