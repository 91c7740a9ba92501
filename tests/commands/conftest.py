"""A project that has run, for the commands that ask."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.commands.cli import main
from tests.conftest import PROJECT, ROOT

SOURCE = ("source=csv", "source.path=data/raw.csv")
SLOW = ("polars", "numpy", "duckdb", "omegaconf", "yaml")
"""What a command takes tenths of a second to import."""


def invoke(root: Path, *args: str, stdin: str | None = None) -> Result:
    """Run a command in a project's folder."""
    before = Path.cwd()
    os.chdir(root)
    try:
        return CliRunner().invoke(main, args, input=stdin)
    finally:
        os.chdir(before)


def told(result: Result) -> str:
    """Write all that a command says."""
    return f"{result.exit_code} {result.stdout} {result.stderr}"


def invoke_lightly(
    root: Path, *commands: Sequence[str], slow: Sequence[str] = SLOW
) -> list[str]:
    """Run commands as one process that imports nothing slow; write what each says."""
    code = (
        "import sys; from click.testing import CliRunner\n"
        "from pipeline.commands.cli import main\n"
        f"for words in {[[*words] for words in commands]}:\n"
        "    told = CliRunner().invoke(main, words)\n"
        "    print(f'{told.exit_code} {told.stdout} {told.stderr}', end='\\0')\n"
        f"found = {{*{slow}}} & {{*sys.modules}}\n"
        "assert not found, found\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\0")[:-1]


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
