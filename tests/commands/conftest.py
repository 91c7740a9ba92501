"""A project that has run, for the commands that ask."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.commands.cli import main
from tests.conftest import LEAN, PROJECT, ROOT, make_project

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


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project of two runs that differ, in a folder with an odd name."""
    root = make_project(tmp_path_factory.mktemp("odd 'name' <b>"), 200, of=LEAN)
    for words in ((), ("drop_rare_drgs.min_total=1",)):
        assert invoke(root, "run", *SOURCE, *words).exit_code == 0
    return root
