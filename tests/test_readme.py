"""The README's transformation works as it stands there, in a copy of the project."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.transforms import transform_names
from tests.conftest import GOLDEN, ROOT
from tests.documents import fill_in_transformation


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the new transformation, in which nothing has been run."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("pipeline", "configs", "tests/transforms"):
        shutil.copytree(ROOT / name, folder / name)
    if (ROOT / "transforms").is_dir():
        shutil.copytree(ROOT / "transforms", folder / "transforms")
    shutil.copy(ROOT / "pyproject.toml", folder)
    if "add_trend" not in transform_names(ROOT):  # whoever follows the README has it
        python(folder, "-m", "pipeline", "new-transform", "add_trend")
    fill_in_transformation(folder)
    return folder


def python(project: Path, *words: str) -> str:
    """Run Python in a project, on its own code; return what it printed."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_own_test_passes(clone: Path) -> None:
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--noconftest")
    python(clone, *words, "tests/transforms/test_add_trend.py")


@pytest.mark.parametrize("n_parts", [1, 3])
def test_its_column_reaches_the_features(clone: Path, n_parts: int) -> None:
    source = ("source=csv", f"source.path={GOLDEN / 'raw.csv'}")
    words = ("run", "--force", *source, f"engine.partitions={n_parts}")
    python(clone, "-m", "pipeline", *words)
    made = "w_mean_cost_lag1 - w_mean_cost_rolling2"
    is_it = f"bool_and(w_mean_cost_trend IS NOT DISTINCT FROM {made})"
    sql = f"SELECT count(w_mean_cost_trend) > 0, {is_it} FROM features"
    found = python(clone, "-m", "pipeline", "sql", "--format", "csv", sql)
    assert found.splitlines()[1] == "true,true"


def test_its_column_comes_of_the_source(clone: Path) -> None:
    source = ("source=csv", f"source.path={GOLDEN / 'raw.csv'}")
    column = "features.w_mean_cost_trend"
    found = python(clone, "-m", "pipeline", "lineage", column, *source)
    assert "Mean Cost" in found
