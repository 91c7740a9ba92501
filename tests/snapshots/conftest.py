from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.snapshots.diff.diff import Diff, diff
from tests.commands.test_cli import SOURCE, invoke
from tests.conftest import ROOT, TWO_ROWS

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


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two rows, after its first run; only to be read."""
    root = tmp_path_factory.mktemp("published")
    (root / "data").mkdir()
    (root / "configs").symlink_to(ROOT / "configs")
    (root / "data" / "raw.csv").write_text(TWO_ROWS)
    assert invoke(root, "run", *SOURCE).exit_code == 0
    return root
