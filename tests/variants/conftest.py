"""A lean project with a run, and a sweep beside it: made once, only to be copied."""

import shutil
from pathlib import Path

import pytest

from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from pipeline.variants.sweep import sweep
from tests.conftest import LEAN, make_project

WORDS = ("lag_columns.periods=1,2", "drop_rare_drgs.min_total=20,40")


def make_published(root: Path) -> Path:
    """A project whose configuration names its file, with one run."""
    make_project(root, n_rows=3000, of=LEAN)
    file = root / "configs" / "pipeline.yaml"
    yaml = file.read_text()
    file.write_text(
        yaml.replace("source: csv\n", "source: {use: csv, path: data/raw.csv}\n")
    )
    run(load_settings(root))
    return root


MODELING = """panel: discharges
entity: [facility_id, apr_drg_code]
target: mean_cost
known: []
past: [mean_cost_lag1]
split: {train: 3, valid: 1, test: 1} # few
model: last
baselines: [last]
"""


def add_model(root: Path) -> None:
    """Let a project have settings of models."""
    (root / "configs" / "models").mkdir()
    (root / "configs" / "modeling.yaml").write_text(MODELING)
    (root / "configs" / "models" / "last.yaml").write_text(
        "kind: known_value\nparams: {columns: [mean_cost_lag1]} # one\n"
    )


@pytest.fixture(scope="session")
def swept_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_published(tmp_path_factory.mktemp("swept"))
    sweep(root, WORDS)
    return root


@pytest.fixture
def swept(swept_once: Path, tmp_path: Path) -> Path:
    """A project with a run, and four variants: 1 and 2 periods, 20 and 40 cases."""
    root = tmp_path / "project"
    shutil.copytree(swept_once, root, symlinks=True)
    return root
