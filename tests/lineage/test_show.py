"""Lineage as users see it."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.commands.cli import main
from pipeline.lineage import Edge, ir, trace
from pipeline.lineage.openlineage import to_openlineage
from pipeline.lineage.show import show
from pipeline.plan.plan import Plan
from pipeline.plan.settings import load_settings
from pipeline.run.run import check
from tests.conftest import PROJECT


@pytest.fixture(scope="module")
def plan() -> Plan:
    return check(load_settings(PROJECT, overrides=("source=csv", "source.path=absent")))


def invoke(*args: str) -> Result:
    before = Path.cwd()
    os.chdir(PROJECT)
    try:
        return CliRunner().invoke(main, ["lineage", *args, "source=csv"])
    finally:
        os.chdir(before)


def test_words_lead_from_a_feature_to_the_source(plan: Plan) -> None:
    lines = show(plan, "features.w_mean_cost_lag1", "text").splitlines()
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


def test_words_lead_from_the_source_to_the_snapshots(plan: Plan) -> None:
    lines = show(plan, "source.Mean Cost", "text", forward=True).splitlines()
    [reached] = [line for line in lines if line.startswith("in snapshot discharges")]
    columns = "mean_cost, mean_profit, total_mean_profit, total_mean_cost"
    assert reached == f"in snapshot discharges: {columns}"
    assert any("mean_profit <- mean_cost (transformation)" in line for line in lines)
    assert lines[-2] == "where it decides which rows there are, or their order:"


def test_a_snapshot_alone_lists_what_its_columns_are_made_of(plan: Plan) -> None:
    lines = [line.split("<-") for line in show(plan, "discharges", "text").splitlines()]
    found = {column.strip(): made_of.strip() for column, made_of in lines}
    assert found["total_mean_cost"] == "Discharges, Mean Cost"
    assert list(found) == plan.snapshots["discharges"].schema.names()


def test_stages_without_a_column(plan: Plan) -> None:
    lines = show(plan, None, "text").splitlines()
    assert len(lines) == len(plan.nodes)
    assert lines[-1].startswith("drop_non_lag_columns")
    assert lines[-1].endswith("<- rolling_columns  => snapshot features")


@pytest.mark.parametrize(
    ("name", "forward"),
    [
        (None, False),
        ("features.year", False),
        ("source.Year", True),
        ("drgs", False),
        ("drgs", True),
    ],
)
def test_diagrams_draw_each_box_that_an_arrow_names(
    plan: Plan, name: str | None, forward: bool
) -> None:
    mermaid = show(plan, name, "mermaid", forward=forward).splitlines()
    boxes = {line.split("[")[0].strip() for line in mermaid if "[" in line}
    arrows = [line.split() for line in mermaid if "-->" in line]
    assert mermaid[0] == "flowchart LR"
    assert boxes == {end for arrow in arrows for end in (arrow[0], arrow[-1])}
    dot = show(plan, name, "dot", forward=forward)
    assert dot.count("->") == len(arrows)
    assert dot.count("{") == dot.count("}") == 1


def test_diagram_leaves_out_stages_that_pass_a_column_on(plan: Plan) -> None:
    mermaid = show(plan, "features.w_mean_cost_lag1", "mermaid")
    assert "drop_rare_drgs" not in mermaid
    assert "agg_severities.w_mean_cost" in mermaid
    assert "snapshot features.w_mean_cost_lag1" in mermaid


def test_json_holds_all_edges_or_those_of_a_column(plan: Plan) -> None:
    found = json.loads(show(plan, None, "json"))
    assert [Edge(**edge) for edge in found["edges"]] == trace(plan)
    assert [stage["name"] for stage in found["stages"]] == list(plan.nodes)
    of_column = json.loads(show(plan, "drgs.apr_drg_code", "json"))["upstream"]
    assert {edge["stage"] for edge in of_column} == {"sanitize_column_names", "drgs"}


def test_json_of_a_snapshot_alone_is_that_of_all_its_columns(plan: Plan) -> None:
    names = ["drgs", *(f"drgs.{column}" for column in plan.snapshots["drgs"].schema)]
    whole, *each = (json.loads(show(plan, n, "json"))["upstream"] for n in names)
    assert all(edge in whole for edges in each for edge in edges)
    assert all(any(edge in edges for edges in each) for edge in whole)


def test_openlineage_has_a_facet_per_snapshot_with_every_column(plan: Plan) -> None:
    datasets = json.loads(show(plan, None, "openlineage"))
    assert [dataset["name"] for dataset in datasets] == list(plan.snapshots)
    source = plan.source.collect_schema()
    types = {
        "DIRECT": {"IDENTITY", "TRANSFORMATION", "AGGREGATION"},
        "INDIRECT": {
            *("JOIN", "GROUP_BY", "FILTER", "SORT", "WINDOW", "CONDITIONAL"),
        },
    }
    for dataset in datasets:
        facet = dataset["facets"]["columnLineage"]
        assert "/1-2-0/" in facet["_schemaURL"]
        assert list(facet["fields"]) == list(plan.snapshots[dataset["name"]].schema)
        fields = [f for of in facet["fields"].values() for f in of["inputFields"]]
        for field in [*fields, *facet["dataset"]]:
            assert field["namespace"] == dataset["namespace"]
            assert field["name"] == "source"
            assert field["field"] in source
            for way in field["transformations"]:
                assert way["subtype"] in types[way["type"]]


def test_openlineage_of_a_feature_by_hand(plan: Plan) -> None:
    features = to_openlineage(plan, trace(plan))[-1]["facets"]["columnLineage"]
    found = {
        (f["field"], way["type"], way["subtype"])
        for f in features["fields"]["yearly_discharge_bin_lag1"]["inputFields"]
        for way in f["transformations"]
    }
    assert found == {
        ("Discharges", "DIRECT", "AGGREGATION"),
        ("Year", "INDIRECT", "WINDOW"),
    }
    assert "Facility Name" not in {field["field"] for field in features["dataset"]}


def test_what_is_unknown_is_said(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ir, "VERSION", (0, 0))
    assert show(plan, None, "text").count("(in part unknown)") == len(plan.nodes)
    words = show(plan, "discharges.mean_cost", "text")
    assert words.startswith("discharges.mean_cost <- perhaps Year, Facility Id, ")
    assert "(unknown)" in words
    [way] = json.loads(show(plan, None, "openlineage"))[0]["facets"]["columnLineage"][
        "fields"
    ]["apr_drg_code"]["inputFields"][0]["transformations"]
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
