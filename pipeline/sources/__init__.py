"""Sources: how raw data becomes a typed LazyFrame with the declared columns."""

from pipeline.sources.source import (
    SourceConfig,
    columns_in,
    columns_of,
    declared,
    describe_bad,
    fetch,
    guard,
    is_asked,
    kinds_of,
    parse_once,
    read,
    read_fetched,
    reads,
    refuse_too_many,
    scan,
    type_of,
)

__all__ = [
    "SourceConfig",
    "columns_in",
    "columns_of",
    "declared",
    "describe_bad",
    "fetch",
    "guard",
    "is_asked",
    "kinds_of",
    "parse_once",
    "read",
    "read_fetched",
    "reads",
    "refuse_too_many",
    "scan",
    "type_of",
]
