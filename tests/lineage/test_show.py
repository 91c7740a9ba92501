"""Lineage as users see it."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.commands.cli import main
from pipeline.lineage import ir
from pipeline.lineage.graph import Edge, Lineage
from pipeline.lineage.show import show
from pipeline.plan.plan import Plan
from tests.conftest import PROJECT


def invoke(*args: str) -> Result:
    before = Path.cwd()
    os.chdir(PROJECT)
    try:
        return CliRunner().invoke(main, ["lineage", *args, "source=csv"])
    finally:
        os.chdir(before)


@pytest.mark.parametrize("asked", ["predictions", "predictions.lower"])
def test_the_forecast_has_no_lineage_but_the_features_have(asked: str) -> None:
    said = invoke(asked).stderr
    assert said.startswith("error: lineage: 'predictions' is what a model makes of all")
    assert (
        "\nhint: the lineage ends at the features: `pipeline lineage features`" in said
    )


def test_words_lead_from_a_feature_to_the_source(lineage: Lineage) -> None:
    lines = show(lineage, "features.w_mean_cost_lag1", "text").splitlines()
    assert lines[:6] == [
        "features.w_mean_cost_lag1 <- Discharges, Mean Cost",
        "  lag_columns            w_mean_cost_lag1 <- w_mean_cost (transformation)",
        "  agg_severities         w_mean_cost <- discharges, mean_cost (aggregation)",
        "  sanitize_column_names  discharges <- Discharges (identity)",
        "  sanitize_column_names  mean_cost <- Mean Cost (identity)",
        "what else decides its value:",
    ]
    assert lines[6].endswith("by year, facility_id, apr_drg_code (conditional)")
    assert lines[7] == "which rows there are, and their order:"


def test_words_lead_from_the_source_to_the_snapshots(lineage: Lineage) -> None:
    lines = show(lineage, "source.Mean Cost", "text", forward=True).splitlines()
    [reached] = [line for line in lines if line.startswith("in snapshot discharges")]
    columns = "mean_cost, mean_profit, total_mean_profit, total_mean_cost"
    assert reached == f"in snapshot discharges: {columns}"
    assert any("mean_profit <- mean_cost (transformation)" in line for line in lines)
    assert lines[-2] == "where it decides which rows there are, or their order:"


def test_a_snapshot_alone_lists_what_its_columns_are_made_of(lineage: Lineage) -> None:
    lines = [
        line.split("<-") for line in show(lineage, "discharges", "text").splitlines()
    ]
    found = {column.strip(): made_of.strip() for column, made_of in lines}
    assert found["total_mean_cost"] == "Discharges, Mean Cost"
    assert list(found) == lineage.columns_of(lineage.snapshots["discharges"])


def test_stages_without_a_column(lineage: Lineage) -> None:
    lines = show(lineage, None, "text").splitlines()
    assert len(lines) == len(lineage.stages)
    assert lines[-1].startswith("drop_non_lag_columns")
    assert lines[-1].endswith("<- rolling_columns  => snapshot features")


def test_json_holds_all_edges_or_those_of_a_column(lineage: Lineage) -> None:
    found = json.loads(show(lineage, None, "json"))
    assert [Edge(**edge) for edge in found["edges"]] == lineage.edges
    assert [stage["name"] for stage in found["stages"]] == list(lineage.stages)
    of_column = json.loads(show(lineage, "drgs.apr_drg_code", "json"))["upstream"]
    assert {edge["stage"] for edge in of_column} == {"sanitize_column_names", "drgs"}


def test_json_of_a_snapshot_alone_is_that_of_all_its_columns(lineage: Lineage) -> None:
    names = ["drgs", *(f"drgs.{column}" for column in lineage.columns_of("drgs"))]
    whole, *each = (json.loads(show(lineage, n, "json"))["upstream"] for n in names)
    assert all(edge in whole for edges in each for edge in edges)
    assert all(any(edge in edges for edges in each) for edge in whole)


def test_what_is_unknown_is_said(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ir, "VERSION", (0, 0))
    lineage = plan.lineage()
    assert show(lineage, None, "text").count("(in part unknown)") == len(plan.nodes)
    words = show(lineage, "discharges.mean_cost", "text")
    assert words.startswith("discharges.mean_cost <- perhaps Year, Facility Id, ")
    assert "(unknown)" in words
    [way] = json.loads(show(lineage, None, "openlineage"))[0]["facets"][
        "columnLineage"
    ]["fields"]["apr_drg_code"]["inputFields"][0]["transformations"]
    assert "unknown" in way["description"]


def test_command_takes_a_column_a_profile_and_overrides() -> None:
    result = invoke("features.w_mean_cost_lag2", "lag_columns.periods=2")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("features.w_mean_cost_lag2 <- Discharges, Mean")
    origin = invoke("features", "--profile", "origin")
    assert "yearly_discharge_bin " in origin.output


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["features.w_mean_cost_lg1"], "did you mean 'w_mean_cost_lag1'?"),
        (["--downstream"], "--downstream of what?"),
        (["features.year", "--format", "openlineage"], "is of all snapshots"),
        (["features.year", "features.x"], "expected one column"),
    ],
)
def test_command_mistakes_say_what_was_expected(args: list[str], part: str) -> None:
    result = invoke(*args)
    assert result.exit_code != 0
    assert part in result.stderr
