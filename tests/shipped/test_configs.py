"""Every file of configs/ loads, and every transformation has its files."""

import pytest

from pipeline.modeling.settings import load_modeling
from pipeline.plan.settings import load_settings
from pipeline.sources import kinds_of
from pipeline.transforms import defaults_of, transform_names
from tests.conftest import ROOT

CONFIGS = ROOT / "configs"
PROFILES = sorted(path.stem for path in (CONFIGS / "profiles").glob("*.yaml"))
SOURCES = sorted(path.stem for path in (CONFIGS / "sources").glob("*.yaml"))
KINDS = kinds_of(ROOT)
WORDS = {
    "duckdb": ("source.path=a.duckdb", "source.query=from t"),
    "sql": ("source.uri=sqlite:a.db", "source.query=select 1"),
}


@pytest.mark.parametrize("profile", [None, *PROFILES])
def test_every_profile_loads_with_every_model(profile: str | None) -> None:
    assert load_settings(ROOT, profile=profile).stages
    settings = load_modeling(ROOT, profile=profile)
    files = sorted(path.stem for path in (CONFIGS / "models").glob("*.yaml"))
    assert list(settings.models) == files
    assert {settings.modeling.model, *settings.modeling.baselines} <= set(files)
    assert settings.modeling.key == ["facility_id", "apr_drg_code", "year"]


@pytest.mark.parametrize("source", sorted({*SOURCES, *KINDS}))
def test_every_source_loads(source: str) -> None:
    words = (f"source={source}", *WORDS.get(source, ()))
    settings = load_settings(ROOT, overrides=words)
    assert settings.tree["source"]["kind"] == source
    # A kind's YAML shows all there is to set.
    assert source not in KINDS or {*settings.tree["source"]} == {
        *settings.source.__struct_fields__,
        "kind",
    }


def test_every_transformation_has_its_three_files() -> None:
    for name in transform_names():
        assert defaults_of(name).is_file()
        assert (ROOT / "tests" / "transforms" / f"test_{name}.py").is_file()


def test_a_target_has_models_and_baselines_of_its_own() -> None:
    settings = load_modeling(ROOT, overrides=("panel.target=w_mean_cost",))
    assert settings.modeling.name == "w_mean_cost"
    profile = load_modeling(ROOT, profile="ci", overrides=("panel.target=w_mean_cost",))
    assert profile.modeling.name == "w_mean_cost_ci"
    past = ["w_mean_cost_rolling2", "w_mean_cost_lag1"]
    assert profile.modeling.past == past
    assert profile.models["rolling_mean"].params["columns"] == past[:1]
