"""Sources: how raw data becomes a typed LazyFrame with the declared columns."""

from pipeline.sources.source import (
    KINDS,
    SourceConfig,
    columns_in,
    columns_of,
    declared,
    describe_bad,
    fetch,
    guard,
    is_asked,
    read,
    read_fetched,
    reads,
    refuse_too_many,
    scan,
)

__all__ = [
    "KINDS",
    "SourceConfig",
    "columns_in",
    "columns_of",
    "declared",
    "describe_bad",
    "fetch",
    "guard",
    "is_asked",
    "read",
    "read_fetched",
    "reads",
    "refuse_too_many",
    "scan",
]
