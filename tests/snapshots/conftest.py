from pathlib import Path

import pytest

from tests.commands.test_cli import SOURCE, invoke
from tests.conftest import PROJECT, TWO_ROWS


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two rows, after its first run; only to be read."""
    root = tmp_path_factory.mktemp("published")
    (root / "data").mkdir()
    (root / "configs").symlink_to(PROJECT / "configs")
    (root / "data" / "raw.csv").write_text(TWO_ROWS)
    assert invoke(root, "run", *SOURCE).exit_code == 0
    return root
