"""What READMEs say to write works as it stands there."""

import math
import os
import random
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from pipeline.transforms import transform_names
from tests.conftest import GOLDEN, ROOT
from tests.documents import example, fill_in_transformation


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


@pytest.mark.parametrize("n_parts", [pytest.param(1, marks=pytest.mark.slow), 3])
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


@pytest.mark.slow
def test_a_project_from_nothing_goes_to_a_forecast(tmp_path: Path) -> None:
    (tmp_path / "configs" / "models").mkdir(parents=True)
    for place, after in (
        ("pipeline.yaml", "this is `configs/pipeline.yaml`"),
        ("modeling.yaml", "For a model there is `configs/modeling.yaml`"),
        ("models/ridge.yaml", "baselines: [last_value]"),
        ("models/last_value.yaml", "kind: ridge"),
    ):
        text = example("configs/README.md", after, "yaml")
        (tmp_path / "configs" / place).write_text(text)

    chance = random.Random(1)

    def level(store: int, item: int, month: int) -> int:
        season = 1 + 0.5 * math.sin(month / 12 * 2 * math.pi)
        return round((100 + 40 * store + 25 * item) * season * chance.uniform(0.8, 1.2))

    rows = [
        f"{2020 + m // 12}-{m % 12 + 1:02}-01;S{s};{i};{level(s, i, m)};1,50"
        for s, i, m in product(range(8), range(3), range(49))
    ]
    (tmp_path / "sales.csv").write_text(
        "\n".join(["Month;Store;Item;Sold;Price", *rows, ""])
    )
    few = ("modeling.study.trials=1", "modeling.bootstrap.samples=100")
    python(tmp_path, "-m", "pipeline", "pipeline", *few)
    sql = (
        "select count(*), count(sold_lag12), (select string_agg(distinct month::text)"
        " from predictions) from features"
    )
    found = python(tmp_path, "-m", "pipeline", "sql", "--format", "csv", sql)
    assert found.splitlines()[1] == "1152,888,2024-02-01"
