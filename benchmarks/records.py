"""The records of ``just bench``; imports little, for what measures stays small."""

from datetime import datetime

import msgspec

FORMAT = 2
"""Counts the changes to these records; those of another format are not read."""


class Spread(msgspec.Struct, frozen=True):
    """Median, least and largest of some runs."""

    median: float
    low: float
    high: float


class BenchmarkFigure(msgspec.Struct, frozen=True, kw_only=True):
    """What one contender took for one task, over some runs."""

    task: str
    contender: str
    n_rows: int
    """Rows of the source; a single transformation gets a part of them."""
    n_runs: int
    """Interleaved with the other contenders' runs, in fresh processes."""
    cpu_s: Spread | None
    wall_s: Spread | None
    peak_mib: Spread | None
    """CPU seconds of all threads, wall seconds, and peak memory in MiB."""
    cpu_x: float | None
    wall_x: float | None
    """Medians over the rounds of the ratio to the task's first contender."""


class BenchmarkRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run of ``just bench``: when, of which code, on what, and the figures."""

    format: int = FORMAT
    measured_at: datetime
    commit: str
    versions: dict[str, str]
    machine: dict[str, str | int]
    figures: list[BenchmarkFigure]
