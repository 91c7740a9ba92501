"""The graph of stages: which need which, and which have as many rows."""

from collections.abc import Callable

import polars as pl
import pytest

from pipeline import sources
from pipeline.engine.one_pass import snapshot_frames
from pipeline.plan.compose import compose
from pipeline.plan.plan import Plan, has_as_many_rows, never_read
from pipeline.plan.settings import Settings


def golden_plan(settings: Settings) -> Plan:
    source = sources.scan(settings.source, settings.root).frames()[0]
    return compose(source, settings.stages)


def test_all_snapshots_share_one_scan_of_the_source(
    golden_settings: Callable[..., Settings],
) -> None:
    plan = golden_plan(golden_settings())
    frames = snapshot_frames(plan)
    counts = [node.lf.select(pl.len()) for node in plan.nodes.values()]
    explained = pl.explain_all([*frames.values(), *counts])
    assert len(frames) > 1
    assert explained.lower().count("csv scan") == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda lf: lf.with_columns(z=pl.col("x") * 2, w=pl.col("y").shift(1)),
        lambda lf: lf.rename({"x": "z"}),
        lambda lf: lf.sort("x"),
        lambda lf: lf.select(pl.col("x") + pl.col("y").max()),
    ],
    ids=["with_columns", "rename", "sort", "select"],
)
def test_what_changes_columns_only_is_seen_to_keep_all_rows(
    change: Callable[[pl.LazyFrame], pl.LazyFrame],
) -> None:
    given = never_read(pl.Schema({"x": pl.Int64, "y": pl.Int64}))
    assert has_as_many_rows(change(given), given)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda lf: lf.filter(pl.col("x") > 1), id="filter"),
        pytest.param(lambda lf: lf.drop_nulls(), id="drop_nulls"),
        pytest.param(lambda lf: lf.head(1), id="head"),
        pytest.param(lambda lf: lf.slice(1), id="slice"),
        pytest.param(lambda lf: lf.tail(1), id="tail"),
        pytest.param(lambda lf: lf.unique("x"), id="unique"),
        pytest.param(lambda lf: lf.gather_every(2), id="gather_every"),
        pytest.param(lambda lf: lf.select(pl.col("x").max()), id="max"),
        pytest.param(lambda lf: lf.select(pl.col("x").head(1)), id="select head"),
        pytest.param(lambda lf: lf.select(pl.lit(1)), id="literal"),
        pytest.param(lambda lf: lf.group_by("x").agg(pl.len()), id="group_by"),
        pytest.param(lambda lf: lf.join(lf.select("x"), on="x"), id="join"),
        pytest.param(lambda lf: lf.join(lf, on="x", how="left"), id="left join"),
        pytest.param(
            lambda lf: lf.with_columns(pl.concat_list("x", "y")).explode("x"),
            id="explode",
        ),
        pytest.param(lambda lf: pl.concat([lf, lf]), id="concat"),
        pytest.param(lambda lf: lf.map_batches(lambda df: df.head(1)), id="Python"),
    ],
)
def test_what_may_change_the_number_of_rows_is_not_taken_to_keep_it(
    change: Callable[[pl.LazyFrame], pl.LazyFrame],
) -> None:
    given = never_read(pl.Schema({"x": pl.Int64, "y": pl.Int64}))
    assert not has_as_many_rows(change(given), given)


def test_upstream_stops_at_what_is_there(
    golden_settings: Callable[..., Settings],
) -> None:
    plan = golden_plan(golden_settings())
    for name, node in plan.nodes.items():
        needed = {name}.union(*(plan.upstream([i]) for i in node.stage.inputs))
        assert {*plan.upstream([name])} == needed
        assert plan.upstream([name], leaves=[name]) == {}
        assert [*plan.upstream([name], leaves=node.stage.inputs)] == [name]


def test_downstream_is_the_other_way_round(
    golden_settings: Callable[..., Settings],
) -> None:
    plan = golden_plan(golden_settings())
    for name in plan.nodes:
        using = {other for other in plan.nodes if name in plan.upstream([other])}
        assert {*plan.downstream(name)} == using


def test_stages_that_only_change_columns_are_alike(
    golden_settings: Callable[..., Settings],
) -> None:
    plan = golden_plan(golden_settings())
    alike = plan.alike(plan.nodes)
    assert alike["total_mean_cost"] == alike["drop_description_columns"]
    assert alike["drop_rare_drgs"] == "drop_rare_drgs"
    counts = {
        name: node.lf.select(pl.len()).collect().item()
        for name, node in plan.nodes.items()
    }
    assert all(counts[name] == counts[first] for name, first in alike.items())


def test_lineage_knows_every_stage_with_its_columns(
    golden_settings: Callable[..., Settings],
) -> None:
    plan = golden_plan(golden_settings())
    lineage = plan.lineage()
    assert {n: s.columns for n, s in lineage.stages.items()} == {
        name: node.schema.names() for name, node in plan.nodes.items()
    }
    assert lineage.source == plan.source.collect_schema().names()
    assert lineage.snapshots == {n: s.stage.name for n, s in plan.snapshots.items()}
    assert lineage.edges == [edge for name in plan.nodes for edge in plan.edges(name)]
