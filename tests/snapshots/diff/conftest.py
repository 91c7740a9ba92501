from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.snapshots.diff.diff import Diff, diff

DiffTables = Callable[..., Diff]


@pytest.fixture
def diff_tables(tmp_path: Path) -> DiffTables:
    """Diff two tables of a few rows, given as columns, written as objects."""

    def diff_tables(
        before: Mapping[str, Any] | pl.DataFrame,
        after: Mapping[str, Any] | pl.DataFrame,
        *key: str,
        **options: Any,
    ) -> Diff:
        paths = tmp_path / "before.parquet", tmp_path / "after.parquet"
        for path, table in zip(paths, (before, after), strict=True):
            pl.DataFrame(table).write_parquet(path)
        return diff(*paths, key, **options)

    return diff_tables


def counts(d: Diff) -> tuple[int, int, int, int]:
    """Rows added, removed, changed and unchanged."""
    return d.rows.added, d.rows.removed, d.rows.changed, d.rows.unchanged


def repeated(d: Diff) -> tuple[int, int]:
    """Rows with a repeated key, by side."""
    return d.rows.repeated_before, d.rows.repeated_after


def whole_rows(
    diff_tables: DiffTables, *tables: Mapping[str, Any] | pl.DataFrame
) -> Diff:
    """Diff rows that all have one key."""
    same = pl.lit(0).alias("same")
    return diff_tables(*(pl.DataFrame(t).with_columns(same) for t in tables), "same")
