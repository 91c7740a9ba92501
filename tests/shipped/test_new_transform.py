"""Whoever adds a transformation to the shipped pipeline breaks no test of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.transforms import transform_names
from tests.conftest import ROOT
from tests.documents import fill_in_transformation

# All that is asserted of the shipped project; any other test stands on one of its own.
TESTS = ("tests/shipped", "tests/transforms", "tests/panel", "tests/lineage")


def python(clone: Path, *words: str) -> None:
    """Run Python in a clone, on its own code."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=clone,
        env=os.environ | {"PYTHONPATH": str(clone)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("is_filled_in", [False, True], ids=["scaffold", "filled in"])
def test_a_new_transformation_breaks_nothing(
    tmp_path: Path, is_filled_in: bool
) -> None:
    ignored = shutil.ignore_patterns(".*", "__pycache__", "data")
    clone = shutil.copytree(ROOT, tmp_path / "clone", ignore=ignored)
    if "add_trend" not in transform_names(ROOT):  # whoever follows the README has it
        python(clone, "-m", "pipeline", "new-transform", "add_trend")
    if is_filled_in:
        fill_in_transformation(clone)
    tests = ("-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *TESTS)
    python(clone, *tests)
