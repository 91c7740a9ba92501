"""Sources: how raw data becomes a typed LazyFrame with the declared columns."""

from pipeline.sources.bad_rows import describe_bad, refuse_too_many
from pipeline.sources.source import (
    SourceConfig,
    declared,
    diagnose,
    fetch,
    guard,
    number_lines,
    read,
    reads,
    scan,
)

__all__ = [
    "SourceConfig",
    "declared",
    "describe_bad",
    "diagnose",
    "fetch",
    "guard",
    "number_lines",
    "read",
    "reads",
    "refuse_too_many",
    "scan",
]
