from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.snapshots.diff import Diff, diff

Compare = Callable[..., Diff]


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """Compare two tables of a few rows, given as columns, written as objects."""

    def compare(
        before: Mapping[str, Any] | pl.DataFrame,
        after: Mapping[str, Any] | pl.DataFrame,
        *key: str,
        **options: Any,
    ) -> Diff:
        paths = tmp_path / "before.parquet", tmp_path / "after.parquet"
        for path, table in zip(paths, (before, after), strict=True):
            pl.DataFrame(table).write_parquet(path)
        return diff(*paths, key, **options)

    return compare
