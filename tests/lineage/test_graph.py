"""The graph of columns, and ways through it: back, forth, and to the source."""

import pytest

from pipeline.errors import LineageError
from pipeline.lineage.graph import (
    SOURCE,
    Edge,
    Lineage,
    TracedStage,
    downstream,
    origins,
    upstream,
)
from pipeline.lineage.value import DIRECT, INDIRECT
from pipeline.plan.plan import Plan

PAST = {"Year", "Facility Id", "APR DRG Code"}


def test_columns_are_those_of_a_stage_or_of_the_source() -> None:
    stages = {
        "tidy": TracedStage("rename", [SOURCE], None, ["a"]),
        "sums": TracedStage("sum", ["tidy"], "totals", ["b", "c"]),
    }
    lineage = Lineage(["A"], stages, [])
    assert lineage.columns_of(SOURCE) == ["A"]
    assert lineage.columns_of("sums") == ["b", "c"]
    assert lineage.snapshots == {"totals": "sums"}


@pytest.mark.parametrize(
    ("name", "direct", "indirect"),
    [
        ("features.year", {"Year"}, set()),
        ("features.sum_discharges_lag1", {"Discharges"}, PAST),
        (
            "features.severity_2_portion_lag1",
            {"Discharges"},
            PAST | {"APR Severity of Illness Code"},
        ),
        ("features.w_mean_cost_lag1", {"Mean Cost", "Discharges"}, PAST),
        (
            "features.w_mean_profit_rolling2",
            {"Mean Charge", "Mean Cost", "Discharges"},
            PAST,
        ),
        ("features.w_median_charge_lag1", {"Median Charge"}, PAST | {"Discharges"}),
        (
            "features.w_total_median_profit",
            {"Median Charge", "Median Cost", "Discharges"},
            set(),
        ),
        ("features.yearly_discharge_bin_lag1", {"Discharges"}, {"Year"}),
        ("features.year_drg_count_lag1", set(), {"Year", "APR DRG Code"}),
        ("features.ratio_drg_facility_vs_year_lag1", set(), PAST),
        ("facilities.facility_name", {"Facility Name"}, set()),
        ("discharges.total_mean_cost", {"Mean Cost", "Discharges"}, set()),
    ],
)
def test_origins_of_shipped_columns(
    lineage: Lineage, name: str, direct: set[str], indirect: set[str]
) -> None:
    snapshot, column = name.split(".")
    stage = lineage.snapshots[snapshot]
    found = origins(lineage)[stage, column]
    assert {source for (_, source), kind in found if kind in DIRECT} == direct
    assert {s for (_, s), kind in found if kind in INDIRECT} - direct == indirect


def test_rows_of_features_depend_on_no_name_nor_on_the_surgical_code(
    plan: Plan, lineage: Lineage
) -> None:
    found = {
        source for (_, source), _ in origins(lineage)["drop_non_lag_columns", None]
    }
    every = set(plan.source.collect_schema())
    assert every - found == {
        "Facility Name",
        "APR DRG Description",
        "APR Severity of Illness Description",
        "APR Medical Surgical Code",
        "APR Medical Surgical Description",
    }


def test_upstream_and_downstream_see_the_same_ways(
    plan: Plan, lineage: Lineage
) -> None:
    for column in plan.snapshots["features"].schema:
        back = upstream(lineage, f"features.{column}", DIRECT)
        for source in {e.input_column for e in back if e.input == "source"}:
            forth = downstream(lineage, f"source.{source}", DIRECT)
            assert ("drop_non_lag_columns", column) in {
                (e.stage, e.column) for e in forth
            }


def test_upstream_has_the_rows_of_every_stage_before(
    plan: Plan, lineage: Lineage
) -> None:
    found = upstream(lineage, "features.year")
    assert (
        Edge("drop_rare_drgs", None, "total_mean_cost", "discharges", "filter") in found
    )
    assert not {edge.stage for edge in found} & {"drgs", "facilities"}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("fetures.year", "no snapshot or stage 'fetures'; did you mean 'features'?"),
        ("features.yaer", "'features' has no column 'yaer'; did you mean 'year'?"),
        ("w_mean_cost_lag1", "such as features.w_mean_cost_lag1"),
    ],
)
def test_unknown_names_say_what_was_meant(
    lineage: Lineage, name: str, part: str
) -> None:
    with pytest.raises(LineageError) as caught:
        upstream(lineage, name)
    assert part in str(caught.value)
