import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from pipeline.modeling.data import current_features
from pipeline.modeling.settings import ModelingSettings, load_modeling
from pipeline.modeling.tracking import environment, store_uri
from tests.conftest import GOLDEN, ROOT

Load: TypeAlias = Callable[..., ModelingSettings]


def load_in(root: Path, *overrides: str) -> ModelingSettings:
    """Settings of the profile `ci` that read the golden rows of a project."""
    words = ("source=csv", "source.path=data/raw.csv", *overrides)
    return load_modeling(root, profile="ci", overrides=words)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with snapshots and an empty store of MLflow's, made once: seconds."""
    root = tmp_path_factory.mktemp("prepared")
    shutil.copytree(ROOT / "configs", root / "configs")
    (root / "data").mkdir()
    shutil.copy(GOLDEN / "raw.csv", root / "data" / "raw.csv")
    current_features(load_in(root))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        from mlflow import MlflowClient

        (root / ".pipeline" / "mlflow").mkdir()
        MlflowClient(store_uri(root)).search_experiments()
    return root


@pytest.fixture
def ml(prepared: Path, tmp_path: Path) -> Load:
    """Load the settings of a copy of the prepared project."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return lambda *overrides: load_in(tmp_path, *overrides)
