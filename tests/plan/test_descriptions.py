"""What columns mean goes where they go, and no further."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.lineage.value import DIRECT
from pipeline.plan.compose import compose_declared
from pipeline.plan.descriptions import describe, undescribed
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Settings, load_settings
from pipeline.run.run import check
from pipeline.snapshots.records import PREDICTIONS, QUARANTINE, Description
from pipeline.sources.scan import BAD_SCHEMA
from tests.conftest import LEAN, PROJECT, ROOT

Described = Callable[..., tuple[Settings, Plan, dict[str, dict[str, str]]]]


@pytest.fixture
def described(tmp_path: Path) -> Described:
    """Describe the columns of the lean project, as a file says."""

    def described(
        text: str, *overrides: str
    ) -> tuple[Settings, Plan, dict[str, dict[str, str]]]:
        if not (tmp_path / "configs").exists():
            shutil.copytree(LEAN / "configs", tmp_path / "configs")
        (tmp_path / "configs" / "columns.yaml").write_text(text)
        settings = load_settings(tmp_path, overrides=overrides)
        plan = check(settings)
        said = {
            stage: {column: str(what) for column, what in columns.items()}
            for stage, columns in describe(settings, plan).items()
            if stage in plan.nodes or stage in plan.sources
        }
        return settings, plan, said

    return described


def test_a_description_follows_renamed_and_lagged_columns(described: Described) -> None:
    _, _, said = described(
        "Mean Cost: {description: What it cost., unit: US dollars}", "source=csv"
    )
    cost = "What it cost. (US dollars)"
    assert said == {
        "source": {"Mean Cost": cost},
        "sanitize_column_names": {"mean_cost": cost},
        "drop_rare_drgs": {"mean_cost": cost},
        "drop_description_columns": {"mean_cost": cost},
        "drgs": {},
        "lag_columns": {
            "mean_cost": cost,
            "mean_cost_lag1": "What it cost, 1 period before (US dollars)",
        },
    }


def test_lags_say_how_long_ago_and_of_what(described: Described) -> None:
    words = ("lag_columns.periods=[1,3]", "lag_columns.by=row")
    _, _, said = described("mean_cost: Cost\nmean_cost_lag1: Other\n", *words)
    assert said["lag_columns"] == {
        "mean_cost": "Cost",
        "mean_cost_lag1": "Other",
        "mean_cost_lag3": "Cost, 3 rows before",
    }


def test_a_name_that_means_two_things_is_told_apart_by_stage_or_snapshot(
    described: Described,
) -> None:
    text = "mean_cost: A\ndischarges.mean_cost: B\nlag_columns.mean_cost: C\n"
    _, _, said = described(text)
    assert [columns.get("mean_cost") for columns in said.values()] == [
        *(None, "A", None, "B", "B", "C"),
    ]
    assert said["lag_columns"]["mean_cost_lag1"] == "B, 1 period before"


def test_what_is_computed_has_no_description_of_what_it_is_computed_of() -> None:
    said = {"Year": "y", "Discharges": "n", "Mean Cost": "c", "Median Cost": "m"}
    given = {name: Description(what) for name, what in said.items()}
    settings = replace(load_settings(PROJECT), descriptions=given)
    plan = compose_declared(settings)
    found = describe(settings, plan)
    assert {
        name: {c: what.description for c, what in found[node.stage.name].items()}
        for name, node in plan.snapshots.items()
    } == {
        "drgs": {},
        "facilities": {},
        "discharges": {
            name: given[name.replace("_", " ").title()].description
            for name in ("year", "discharges", "mean_cost", "median_cost")
        },
        "facility_drg_year": {"year": "y"},
        "features": {"year": "y"},
    }


def test_a_lag_is_of_the_one_column_that_the_plan_shows() -> None:
    plan = compose_declared(load_settings(ROOT))
    lagged = {
        (name, *pair)
        for name, node in plan.nodes.items()
        if (ask := node.stage.transform.lagged)
        for pair in ask(node.stage.config).items()
    }
    assert lagged
    assert lagged == {
        (edge.stage, edge.column, edge.input_column)
        for stage in {stage for stage, *_ in lagged}
        for edge in plan.edges(stage)
        if edge.kind in DIRECT and edge.kind != "identity"
    }


def test_all_published_columns_of_the_shipped_project_are_described() -> None:
    settings = load_settings(ROOT)
    plan = check(settings)
    assert undescribed(plan, describe(settings, plan)) == []
    assert "drgs.apr_drg_code" in undescribed(plan, {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Mean Csot: x", "has such a column; did you mean 'Mean Cost'?"),
        ("lag_columns.mean_cost_lag2: x", "'lag_columns' has no column"),
        ("Year: 2017", "Year: expected str, found 2017"),
        ("Year:", "Year: expected str, found None"),
        ("Year: {description: x, units: y}", "did you mean 'unit'?"),
        ("Year: {unit: y}", "a value is required"),
        ("[Year]", "expected a mapping at the top"),
    ],
)
def test_what_is_wrong_is_refused(described: Described, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"configs/columns\.yaml") as error:
        described(text)
    assert said in str(error.value)


def test_another_configuration_may_lack_what_is_described(described: Described) -> None:
    _, plan, said = described("mean_cost_lag1: Cost before", "lag_columns.periods=2")
    assert "mean_cost_lag2" in plan.nodes["lag_columns"].schema
    assert not any(said.values())


def test_what_no_stage_makes_is_described_too(described: Described) -> None:
    settings, plan, _ = described("Year: Year\n")
    found = describe(settings, plan)
    assert found[PREDICTIONS]["year"].description == "Year"
    assert found[PREDICTIONS]["prediction"]
    assert {*found[QUARANTINE]} == {*BAD_SCHEMA.names()} - {"record"} | {
        "source",
        "line",
    }
