from pathlib import Path

import duckdb
import pytest

from pipeline.snapshots.store import Store, open_store
from tests.commands.test_cli import SOURCE, invoke
from tests.conftest import LEAN, TWO_ROWS, make_project


def ask(store: Store, sql: str) -> list[tuple[object, ...]]:
    """Ask the catalog as any DuckDB client does."""
    with duckdb.connect(store.catalog, read_only=True) as con:
        return con.execute(sql).fetchall()


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two rows, after its first run; only to be read."""
    root = tmp_path_factory.mktemp("published")
    (root / "data").mkdir()
    (root / "configs").symlink_to(LEAN / "configs")
    (root / "data" / "raw.csv").write_text(TWO_ROWS)
    assert invoke(root, "run", *SOURCE).exit_code == 0
    return root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A lean project to run and to spoil."""
    return make_project(tmp_path, n_rows=3000, of=LEAN)


@pytest.fixture
def store(project: Path) -> Store:
    return open_store(project)
