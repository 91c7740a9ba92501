import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from pipeline.plan.settings import Settings, load_settings

settings.register_profile("thorough", max_examples=1000)

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"

# Where what a run publishes matters more than what it computes.
TWO_ROWS = """Year,Facility Id,Facility Name,APR DRG Code,APR DRG Description,\
APR Severity of Illness Code,APR Severity of Illness Description,\
APR Medical Surgical Code,APR Medical Surgical Description,Discharges,\
Mean Charge,Median Charge,Mean Cost,Median Cost
2009,1,One,53,Seizure,1,Minor,M,Medical,600,4.0,3.0,2.0,1.0
2010,1,One,53,Seizure,1,Minor,M,Medical,700,8.0,7.0,6.0,5.0
"""


@pytest.fixture
def golden_settings() -> Callable[..., Settings]:
    """Settings that read the golden raw rows, by profile and overrides."""

    def settings(*overrides: str, profile: str | None = None) -> Settings:
        source = ("source=csv", f"source.path={GOLDEN / 'raw.csv'}")
        return load_settings(ROOT, profile=profile, overrides=(*source, *overrides))

    return settings


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project to run and to spoil, with the golden rows as data/raw.csv."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    shutil.copytree(ROOT / "queries", tmp_path / "queries")
    (tmp_path / "data").mkdir()
    shutil.copy(GOLDEN / "raw.csv", tmp_path / "data" / "raw.csv")
    return tmp_path


@pytest.fixture
def load(project: Path) -> Callable[..., Settings]:
    """Load the settings of `project`, reading its data/raw.csv."""

    def settings(*overrides: str, profile: str | None = None) -> Settings:
        words = ("source=csv", "source.path=data/raw.csv", *overrides)
        return load_settings(project, profile=profile, overrides=words)

    return settings
