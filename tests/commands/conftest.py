"""A project that has run, for the commands that ask."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.commands.cli import main
from tests.conftest import PROJECT, ROOT

SOURCE = ("source=csv", "source.path=data/raw.csv")


def invoke(root: Path, *args: str, stdin: str | None = None) -> Result:
    """Run a command in a project's folder."""
    before = Path.cwd()
    os.chdir(root)
    try:
        return CliRunner().invoke(main, args, input=stdin)
    finally:
        os.chdir(before)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after its first run."""
    root = tmp_path_factory.mktemp("published")
    (root / "configs").symlink_to(PROJECT / "configs")
    (root / "queries").symlink_to(PROJECT / "queries")
    (root / "data").symlink_to(ROOT / "tests" / "golden")
    result = invoke(root, "run", *SOURCE)
    assert result.exit_code == 0, result.output
    return root
