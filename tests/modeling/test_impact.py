"""What a column feeds, down to models; and what feeds nothing."""

from pathlib import Path

import pytest

from pipeline.errors import LineageError
from pipeline.modeling.impact import describe_impact, describe_unused, impact, unused
from pipeline.modeling.records import all_trainings
from pipeline.modeling.settings import ModelingSettings
from tests.modeling.conftest import LENIENT, load_in


@pytest.fixture(scope="module")
def settings(promoted: Path) -> ModelingSettings:
    return load_in(promoted, *LENIENT)


def test_a_column_of_the_source_is_followed_to_the_models(
    settings: ModelingSettings,
) -> None:
    found = impact(settings.pipeline, settings, "source.Mean Cost")
    of_costs = ("mean_cost", "mean_profit")
    assert found.features
    assert all(any(cost in name for cost in of_costs) for name in found.features)
    assert found.target is None
    assert found.snapshots["features"].rows
    assert not found.snapshots["discharges"].rows
    assert ("discharges", "not_null.mean_cost") in found.checks
    assert ("discharges", "not_null.mean_charge") not in found.checks
    needed = {(use.query, use.column) for use in found.queries if use.is_sure}
    assert ("costliest_drgs", "total_mean_cost") in needed
    assert "severity_mix_by_year" not in {query for query, _ in needed}
    models = {training.model for _, training in all_trainings(settings.root)}
    assert {one.model for one in found.importances} <= models
    groups = {one.group: one.fed for one in found.importances}
    assert groups["w_mean_cost"] == ["w_mean_cost_lag1", "w_mean_cost_rolling2"]
    lines = describe_impact(found)
    assert any("w_mean_cost" in line and "of all importance" in line for line in lines)


def test_a_column_of_the_target_says_so(settings: ModelingSettings) -> None:
    found = impact(settings.pipeline, settings, "discharges.total_median_profit")
    assert found.target == "w_total_median_profit"
    assert "what models learn to predict: w_total_median_profit" in describe_impact(
        found
    )


def test_what_feeds_nothing_is_named(settings: ModelingSettings) -> None:
    found = unused(settings.pipeline, settings)
    assert "source.APR Medical Surgical Description" in found.columns
    assert "source.APR DRG Description" not in found.columns  # in drgs
    assert "source.Mean Cost" not in found.columns
    assert found.stages == []
    assert "discharges.mean_cost" not in found.published
    for column in found.columns:
        assert impact(settings.pipeline, settings, column).snapshots == {}
    assert describe_unused(found)[0] == "columns that no snapshot is made of:"


def test_a_name_that_is_none_is_refused(settings: ModelingSettings) -> None:
    for name, said in (
        ("features.w_mean_cost_lag2", "^impact: .*did you mean 'w_mean_cost_lag1'"),
        ("w_mean_cost_lag1", "^impact: .*mean 'features.w_mean_cost_lag1'"),
    ):
        with pytest.raises(LineageError, match=said):
            impact(settings.pipeline, settings, name)


def test_a_project_without_models_has_none(settings: ModelingSettings) -> None:
    found = impact(settings.pipeline, None, "source.Mean Cost")
    assert found.snapshots["features"].values
    assert (found.features, found.target, found.importances) == ([], None, [])
    idle = unused(settings.pipeline, None)
    assert "features.sum_discharges_lag1" in idle.published
