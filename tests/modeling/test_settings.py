from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.modeling.settings import load_modeling
from tests.conftest import PROJECT


def mistakes(*overrides: str, root: Path = PROJECT) -> str:
    with pytest.raises(ConfigError) as caught:
        load_modeling(root, overrides=overrides)
    return str(caught.value)


def test_names_of_the_panel_are_taken_from_the_pipeline() -> None:
    settings = load_modeling(PROJECT, overrides=("panel.target=w_median_cost",))
    assert settings.modeling.target == "w_median_cost"
    assert settings.modeling.past == ["w_median_cost_rolling2", "w_median_cost_lag1"]
    assert settings.models["rolling_mean"].params["columns"] == [
        "w_median_cost_rolling2"
    ]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "models.ridge.space={}",
            "models.ridge.space: expected keys and values, found {}, which takes out"
            " none of those in configs/models/ridge.yaml",
        ),
        (
            "models.rigde.kind=ridge",
            "models.rigde: expected one of last_value, lightgbm, random_forest, ridge,"
            " rolling_mean, found 'rigde'; did you mean 'ridge'?",
        ),
        (
            "models.ridge.params.alfa=1",
            "models.ridge.params.alfa: unknown field; did you mean 'alpha'?",
        ),
        (
            "modeling.entity=[facility_id, apr_drg_code, model]",
            "modeling.entity: 'model' is a column of every forecast, expected another",
        ),
        ("models.ridge.params.alpha=-1", "models.ridge.params.alpha: expected float"),
        (
            "models.lightgbm.space.num_leave={kind: int, low: 7, high: 9}",
            "models.lightgbm.space.num_leave: unknown parameter; did you mean",
        ),
        (
            "models.lightgbm.space.feature_fraction.high=1.5",
            "models.lightgbm.space.feature_fraction.high: expected float <= 1.0",
        ),
        (
            "models.lightgbm.space.rounds.step=7",
            "models.lightgbm.space.rounds: expected high - low in steps of 7",
        ),
        (
            "models.lightgbm.params.boosting=dart",
            "expected one of gbdt, rf, found 'dart'",
        ),
        (
            "models.random_forest.params.bagging_fraction=1",
            "models.random_forest.params: expected bagging_fraction below 1",
        ),
        ("models.ridge.kind=rigde", "found 'rigde'; did you mean 'ridge'?"),
        ("modeling.backtest.windows=0", "modeling.backtest.windows: expected int >= 1"),
        (
            "modeling.known=[w_total_median_profit]",
            "modeling.known: 'w_total_median_profit' is `modeling.target`, too",
        ),
        ("modeling.target=year", "modeling.target: 'year' is `time`, or of `entity`"),
        ("models.ridge.target.kind=log", "models.ridge.target.kind: expected one of"),
        (
            "models.ridge.target={kind: asinh, scale: 0}",
            "models.ridge.target.scale: expected float > 0",
        ),
        ("models.lightgbm.categorical=[county]", "apr_drg_code, found 'county'"),
        (
            "modeling.model=ligthgbm",
            "ridge, rolling_mean, found 'ligthgbm'; did you mean 'lightgbm'?",
        ),
        ("modeling.baselines=[last_valu]", "found 'last_valu'; did you mean"),
        ("modeling.features=feature", "found 'feature'; did you mean 'features'?"),
        (
            "modeling.features=discharges",
            "modeling.features: expected a snapshot that is made of `modeling.panel`,"
            " 'discharges', found 'discharges'",
        ),
        ("modeling.panel=rows", "modeling.panel: expected one of drgs, facilities"),
        ("modeling.cluster=county", "modeling.cluster: expected one of facility_id"),
        ("modeling.split.valid=2014", "expected train before valid before test"),
        ("modeling.split={train: 5, valid: 0, test: 2}", "numbers of periods, each at"),
        ("modeling.split={train: 5, valid: 1, test: [1, 2]}", "or periods by name"),
        ("modeling.split.test=[2015, 2017]", "expected train before valid before test"),
        ("modeling.split.train=[2014, 2010]", "expected train before valid"),
        ("modeling.split.train=[2010]", "modeling.split.train: expected array"),
        ("modeling.coverage=1", "modeling.coverage: expected float < 1"),
        ("modeling.metric=mse", "expected one of mae, rmse, found 'mse'"),
        (
            "models.A={kind: ridge, target: {kind: none}, params: {alpha: 1}}",
            "models.A",
        ),
        ("modeling.seed=-1", "modeling.seed: expected int >= 0"),
        ("modeling.bootstrap.samples=99", "expected int >= 100, found 99"),
        ("modeling.study.trial=3", "unknown field; did you mean 'trials'?"),
        (
            "modeling.name=A b",
            "modeling.name: expected a name of lower case letters, digits",
        ),
    ],
)
def test_mistake_is_named_with_what_was_expected(override: str, expected: str) -> None:
    text = mistakes(override)
    assert text.startswith("configuration: 1 mistake\n  command line: m")
    assert expected in text


def test_windows_need_their_name_for_themselves() -> None:
    taken = ("modeling.slices.columns=[window]", "modeling.slices.thirds.window=[a]")
    load_modeling(PROJECT, overrides=taken)
    text = mistakes(*taken, "modeling.backtest.windows=2")
    assert "modeling.slices.columns: 'window' is what tells the windows" in text
    assert "modeling.slices.thirds: 'window' is what tells the windows" in text


def test_all_mistakes_are_reported_at_once() -> None:
    text = mistakes(
        "modeling.split.valid=2014",
        "modeling.coverage=2",
        "models.ridge.params.alpha=x",
        "models.lightgbm.space.rounds.low=0",
        "models.last_value.kind=best",
    )
    assert text.startswith("configuration: 5 mistakes\n")


def test_mistake_in_a_file_names_the_file(project: Path) -> None:
    path = project / "configs" / "models" / "ridge.yaml"
    path.write_text("kind: ridge\ntarget: {kind: asinh}\n")
    expected = (
        "configs/models/ridge.yaml: models.ridge.target.scale: a value is required"
    )
    assert expected in mistakes(root=project)


def test_a_file_is_all_a_new_model_takes(project: Path) -> None:
    path = project / "configs" / "models" / "plain.yaml"
    path.write_text("kind: ridge\ntarget: {kind: difference}\nparams: {alpha: 1}\n")
    assert load_modeling(project).models["plain"].params == {"alpha": 1}
