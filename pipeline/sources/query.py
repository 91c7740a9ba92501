"""Rows a database gives to a query: asked for by each run, kept as a Parquet file."""

import filecmp
import hashlib
from pathlib import Path
from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.errors import SourceError
from pipeline.files.state import State
from pipeline.sources.columns import DeclaredColumns
from pipeline.sources.kept import kept


class QuerySource(DeclaredColumns, frozen=True, kw_only=True):
    """Raw rows that a query gives, which have no order."""

    query: Annotated[
        str,
        Meta(
            pattern=r"(?i)^\s*(select|with|from|values|table)\b",
            description="a SELECT",
        ),
    ]

    @property
    def database(self) -> str:
        """Name what is asked, without who asks."""
        raise NotImplementedError


def rows_path(config: QuerySource, root: Path) -> Path:
    """Name the file of the rows a query got last, whoever asked."""
    of = (config.database, config.query)
    hashed = hashlib.sha256(repr(of).encode()).hexdigest()
    return State(root).data / f"query-{hashed[:12]}.parquet"


def keep_rows(rows: pl.DataFrame, path: Path, place: str) -> None:
    """Keep rows, sorted, in a file that stays as it is if they are the same.

    So they are known by their content, whatever the order and the time they came in.
    A SourceError if there are none, or they cannot be written.
    """
    if rows.is_empty():
        raise SourceError(
            f"{place}: the query gives no rows\nfound: 0 rows\nexpected: at least 1\n"
            "hint: look at source.query"
        )
    rows = rows.select(
        pl.col(name).ext.storage() if isinstance(dtype, pl.Extension) else name
        for name, dtype in rows.schema.items()
        if not dtype.is_nested()  # what holds others has no order, and is no cell
    )
    try:
        with kept(path) as part:
            rows.sort(rows.columns).write_parquet(part)
            if path.exists() and filecmp.cmp(part, path, shallow=False):
                part.unlink()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(f"{place}: cannot be kept\nfound: {error}") from error
