from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture
def golden_settings() -> Callable[..., Settings]:
    """Settings that read the golden raw rows, by profile and overrides."""

    def settings(*overrides: str, profile: str | None = None) -> Settings:
        source = ("source=csv", f"source.path={GOLDEN / 'raw.csv'}")
        return load_settings(ROOT, profile=profile, overrides=(*source, *overrides))

    return settings
