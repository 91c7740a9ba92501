"""Lineage by hand: every kind of node, and columns of the shipped pipeline."""

import time
from collections.abc import Callable
from typing import Literal, TypeAlias

import polars as pl
import pytest

from pipeline.errors import LineageError
from pipeline.lineage import DIRECT, INDIRECT, UNKNOWN, Edge, ir, trace, trace_function
from pipeline.lineage.paths import downstream, origins, upstream
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Settings, load_settings
from pipeline.run.run import check
from tests.conftest import PROJECT

A = pl.Schema(
    {
        "a": pl.Int64(),
        "b": pl.Int64(),
        "c": pl.Int64(),
        "s": pl.Struct({"x": pl.Int64, "y": pl.Int64}),
        "l": pl.List(pl.Int64),
    }
)
B = pl.Schema({"a": pl.Int64(), "b": pl.Int64(), "d": pl.Int64()})

Deps = dict[str | None, set[str]]


def deps(function: Callable[..., pl.LazyFrame], *schemas: pl.Schema) -> Deps:
    """Write edges briefly as ``input.column:kind``, by column; A needs no name."""
    inputs = list(zip(("A", "B"), schemas or (A,), strict=False))
    found: Deps = {None: set()}
    for edge in trace_function(function, inputs, stage="result"):
        name = edge.input_column if edge.input == "A" else f"B.{edge.input_column}"
        found.setdefault(edge.column, set()).add(f"{name}:{edge.kind}")
    return found


def column(expr: pl.Expr) -> set[str]:
    """Trace one expression, as a column of its own."""
    return deps(lambda lf: lf.with_columns(expr.alias("z"))).get("z", set())


def _without_beside(deps: set[str]) -> set[str]:
    """Leave out where a column decides about a value that it is in as well."""
    names = {name for name in A for kind in DIRECT if f"{name}:{kind}" in deps}
    return deps - {f"{name}:conditional" for name in names}


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (pl.col("a"), {"a:identity"}),
        (pl.lit(1), set()),
        (pl.lit(pl.Series([1, 2])).first(), set()),
        (pl.lit([1, 2]), set()),
        (pl.col("a") + pl.col("b"), {"a:transformation", "b:transformation"}),
        (pl.col("a").cast(pl.String), {"a:transformation"}),
        (pl.col("a").sum(), {"a:aggregation"}),
        (pl.col("a").sum() * pl.col("b"), {"a:aggregation", "b:transformation"}),
        (pl.col("a").quantile(0.5), {"a:aggregation"}),
        (pl.col("a").shift(1).fill_null(0), {"a:transformation"}),
        (
            pl.when(pl.col("a") > 0).then("b").otherwise("c"),
            {"a:conditional", "b:transformation", "c:transformation"},
        ),
        (
            pl.col("a").sum().over("b", order_by="c"),
            {"a:aggregation", "b:window", "c:window"},
        ),
        (
            pl.col("a").filter(pl.col("b") > 0).sum(),
            {"a:aggregation", "b:filter"},
        ),
        (pl.col("a").sort_by("b"), {"a:transformation", "b:sort"}),
        (pl.col("a").sort(), {"a:transformation"}),
        (pl.col("a").gather(pl.col("b")), {"a:transformation", "b:conditional"}),
        (pl.col("a").get(pl.col("b").max()), {"a:transformation", "b:conditional"}),
        (
            pl.col("a").slice(0, pl.col("b").max()).sum(),
            {"a:aggregation", "b:conditional"},
        ),
        (
            pl.sum("a").rolling("b", period="2i"),
            {"a:aggregation", "b:window"},
        ),
        (pl.col("l").explode().sum(), {"l:aggregation"}),
        (pl.col("l").list.len(), {"l:transformation"}),
        (pl.col("l").list.get(0), {"l:transformation"}),
        (pl.col("s").struct.field("x"), {"s:transformation"}),
        (pl.col("l").list.eval(pl.element() * 2), {"l:transformation"}),
        (2 * pl.col("l").list.eval(2 * pl.element()), {"l:transformation"}),
        (pl.col("l").list.agg(pl.element().sum()), {"l:aggregation"}),
        (
            pl.col("l").list.eval(pl.element() + 1).list.eval(pl.element() + 1),
            {"l:transformation"},
        ),
        # Within an expression, Polars does not tell the names of a struct's fields.
        (
            pl.struct("a", "b").struct.field("b"),
            {"a:transformation", "b:transformation"},
        ),
    ],
    # Sets are written in another order by every process.
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_expression(expr: pl.Expr, expected: set[str]) -> None:
    assert _without_beside(column(expr)) == expected


@pytest.mark.parametrize(
    "expr",
    [
        pl.col("a").map_elements(lambda x: x, return_dtype=pl.Int64),
        pl.col("a").map_batches(lambda s: s, return_dtype=pl.Int64),
        pl.col("a") + pl.fold(0, lambda x, y: x + y, ["b"]),
        pl.col("a").cast(pl.String).cast(pl.Categorical).cat.len_chars(),
        pl.col("l").list.eval(pl.len()),
        pl.col("s").struct.with_fields(pl.field("x") + 1),
    ],
    ids=["map_elements", "map_batches", "fold", "categorical", "eval", "with_fields"],
)
def test_what_polars_does_not_show_may_depend_on_every_column(expr: pl.Expr) -> None:
    unknown = {dep.split(":")[0] for dep in column(expr) if dep.endswith(":unknown")}
    direct = {dep.split(":")[0] for dep in column(expr) if not dep.endswith("unknown")}
    assert unknown | direct == set(A)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(
            lambda lf: lf.select(pl.col("a").alias("z"), "b"),
            {"z": {"a:identity"}, "b": {"b:identity"}, None: set()},
            id="select",
        ),
        pytest.param(
            lambda lf: lf.select(pl.col("a").filter(pl.col("b") > 0)),
            {
                "a": {"a:transformation", "b:filter"},
                None: {"a:filter", "b:filter"},
            },
            id="select-fewer-rows",
        ),
        pytest.param(
            lambda lf: lf.select("a").rename({"a": "z"}),
            {"z": {"a:identity"}, None: set()},
            id="rename",
        ),
        pytest.param(
            lambda lf: lf.filter(pl.col("b") > 0).select("a"),
            {"a": {"a:identity"}, None: {"b:filter"}},
            id="filter",
        ),
        pytest.param(
            lambda lf: lf.drop_nulls(["b", "c"]).select("a"),
            {"a": {"a:identity"}, None: {"b:filter", "c:filter"}},
            id="drop-nulls",
        ),
        pytest.param(
            lambda lf: lf.sort("b", pl.col("c") * 2).select("a").head(3),
            {"a": {"a:identity"}, None: {"b:sort", "c:sort"}},
            id="sort-and-slice",
        ),
        pytest.param(
            lambda lf: lf.unique(["b"]).select("a"),
            {"a": {"a:identity"}, None: {"b:group_by"}},
            id="distinct",
        ),
        pytest.param(
            lambda lf: lf.select("a", "b").unique().select("a"),
            {"a": {"a:identity"}, None: {"a:group_by", "b:group_by"}},
            id="distinct-rows",
        ),
        pytest.param(
            lambda lf: lf.group_by("a").agg(pl.col("b").sum(), pl.len().alias("n")),
            {
                "a": {"a:identity"},
                "b": {"b:aggregation"},
                "n": {"a:group_by"},
                None: {"a:group_by"},
            },
            id="group-by",
        ),
        pytest.param(
            lambda lf: (
                lf.group_by("a")
                .agg(r=pl.struct("b", pl.col("c").alias("w")))
                .select(
                    x=pl.col("r").list.get(0).struct.field("w"),
                    n=pl.col("r").list.len(),
                    e=pl.when(pl.col("r").list.len() > 2)
                    .then("r")
                    .list.eval(pl.element().struct.field("b").sum())
                    .list.first(),
                )
            ),
            {
                "x": {"c:aggregation"},
                "e": {"b:aggregation"},
                None: {"a:group_by"},
            },
            id="list-of-structs",
        ),
        pytest.param(
            lambda lf: lf.group_by("a").agg(
                n=pl.struct(pl.col("b").filter(pl.col("c") > 0)).implode().list.len()
            ),
            {
                "a": {"a:identity"},
                "n": {"b:filter", "c:filter"},
                None: {"a:group_by"},
            },
            id="length-of-a-filtered-list",
        ),
        pytest.param(
            lambda lf: lf.select(z=pl.struct("a", "b")).unnest("z"),
            {"a": {"a:identity"}, "b": {"b:identity"}, None: set()},
            id="unnest",
        ),
        pytest.param(
            lambda lf: lf.select(z=pl.struct("a", "b"), a="c").unnest(
                "z", separator="."
            ),
            {
                "a": {"c:identity"},
                "z.a": {"a:identity"},
                "z.b": {"b:identity"},
                None: set(),
            },
            id="unnest-with-separator",
        ),
        pytest.param(
            lambda lf: lf.select("a", "l").explode("l"),
            {"a": {"a:identity"}, "l": {"l:transformation"}, None: {"l:filter"}},
            id="explode",
        ),
        pytest.param(
            lambda lf: lf.unpivot(on=["b", "c"], index="a"),
            {
                "a": {"a:identity"},
                "value": {"b:transformation", "c:transformation"},
                None: set(),
            },
            id="unpivot",
        ),
        pytest.param(
            lambda lf: lf.filter(pl.col("b") > 0).with_row_index("i").select("i"),
            {"i": {"b:filter"}, None: {"b:filter"}},
            id="row-index",
        ),
        pytest.param(
            lambda lf: lf.cache().set_sorted("a").select("a"),
            {"a": {"a:identity"}, None: set()},
            id="cache-and-hint",
        ),
        pytest.param(
            lambda lf: pl.concat([lf.select("a"), lf.select(a="b")]),
            {"a": {"a:identity", "b:identity"}, None: set()},
            id="union",
        ),
        pytest.param(
            lambda lf: pl.concat(
                [lf.select("a"), lf.filter(pl.col("c") > 0).select("b")],
                how="horizontal",
            ),
            {"a": {"a:identity"}, "b": {"b:identity"}, None: {"c:filter"}},
            id="side-by-side",
        ),
        pytest.param(
            lambda lf: lf.select("a", "b").join(
                pl.LazyFrame({"a": [1], "name": ["x"]}), on="a"
            ),
            {"a": {"a:identity"}, "b": {"b:identity"}, None: {"a:join"}},
            id="join-with-constants",
        ),
    ],
)
def test_node(function: Callable[[pl.LazyFrame], pl.LazyFrame], expected: Deps) -> None:
    found = deps(function)
    assert {name: _without_beside(of) for name, of in found.items()} == expected


How: TypeAlias = Literal["inner", "left", "right", "full", "semi", "anti"]
LEFT = {"a": {"a:identity"}, "b": {"b:identity"}}


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("inner", LEFT | {"b_right": {"B.b:identity"}, "d": {"B.d:identity"}}),
        ("left", LEFT | {"b_right": {"B.b:identity"}, "d": {"B.d:identity"}}),
        (
            "right",
            {
                "b": {"b:identity"},
                "a": {"B.a:identity"},
                "b_right": {"B.b:identity"},
                "d": {"B.d:identity"},
            },
        ),
        (
            "full",
            LEFT
            | {
                "a_right": {"B.a:identity"},
                "b_right": {"B.b:identity"},
                "d": {"B.d:identity"},
            },
        ),
        ("semi", LEFT),
        ("anti", LEFT),
    ],
)
def test_join(how: How, expected: Deps) -> None:
    found = deps(lambda x, y: x.select("a", "b").join(y, on="a", how=how), A, B)
    assert found == expected | {None: {"a:join", "B.a:join"}}


def test_join_keys_that_are_coalesced_come_from_both() -> None:
    found = deps(
        lambda x, y: x.select("a").join(y, on="a", how="full", coalesce=True), A, B
    )
    assert found["a"] == {"a:identity", "B.a:identity"}


def test_join_by_comparison() -> None:
    found = deps(
        lambda x, y: x.select("a").join_where(y.select("d"), pl.col("a") > pl.col("d")),
        A,
        B,
    )
    assert found["d"] == {"B.d:identity"}
    assert found[None] == {"a:filter", "B.d:filter"}


def test_two_inputs_of_the_same_columns_are_told_apart() -> None:
    found = deps(lambda x, y: y.select("a").join(x.select("a", "b"), on="a"), B, B)
    assert found["a"] == {"B.a:identity"}
    assert found["b"] == {"b:identity"}


def test_merged_rows_come_from_both_and_are_sorted_by_the_key() -> None:
    found = deps(lambda x, y: x.merge_sorted(y, "a"), B, B)
    assert found["d"] == {"d:identity", "B.d:identity"}
    assert found[None] == {"a:sort", "B.a:sort"}


UNKNOWN_FRAMES = {
    "udf": lambda lf: lf.select("a", "b").map_batches(lambda df: df),
    "asof": lambda lf: lf.select("a").join_asof(lf.select("a", "b"), on="a"),
    "dynamic": lambda lf: lf.group_by_dynamic("a", every="2i").agg(pl.sum("b")),
    "group-udf": lambda lf: lf.group_by("a").map_groups(
        lambda df: df, schema={"a": pl.Int64}
    ),
}


@pytest.mark.parametrize("function", UNKNOWN_FRAMES.values(), ids=UNKNOWN_FRAMES)
def test_unknown_node_may_depend_on_every_column(
    function: Callable[[pl.LazyFrame], pl.LazyFrame],
) -> None:
    everything = {f"{name}:unknown" for name in A}
    found = deps(function)
    assert set(found) > {None}
    assert all(of == everything for of in found.values())


def test_unknown_node_leaves_what_comes_beside_it_known() -> None:
    found = deps(
        lambda lf: lf.map_batches(lambda df: df, schema=A).select("a", z=pl.lit(1))
    )
    assert found["a"] == {f"{name}:unknown" for name in A}
    assert "z" not in found


@pytest.fixture(scope="module")
def plan() -> Plan:
    return check(load_settings(PROJECT, overrides=("source=csv", "source.path=absent")))


@pytest.fixture(scope="module")
def edges(plan: Plan) -> list[Edge]:
    return trace(plan)


def test_nothing_is_unknown_in_what_is_shipped(
    shipped_settings: Callable[..., Settings],
) -> None:
    for profile in (None, "origin"):
        found = trace(check(shipped_settings(profile=profile)))
        assert not [edge for edge in found if edge.kind == UNKNOWN]


def test_another_version_of_the_view_makes_everything_unknown(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ir, "VERSION", (0, 0))
    assert {edge.kind for edge in trace(plan)} == {UNKNOWN}


def test_trace_is_the_same_every_time(plan: Plan, edges: list[Edge]) -> None:
    assert trace(plan) == edges
    assert len(set(edges)) == len(edges)


def test_trace_is_quick(plan: Plan) -> None:
    seconds: list[float] = []
    for _ in range(3):
        started = time.process_time()
        trace(plan)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.3


PAST = {"Year", "Facility Id", "APR DRG Code"}


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
    plan: Plan, edges: list[Edge], name: str, direct: set[str], indirect: set[str]
) -> None:
    snapshot, column = name.split(".")
    stage = plan.snapshots[snapshot].stage.name
    found = origins(plan, edges)[stage, column]
    assert {source for source, kind in found if kind in DIRECT} == direct
    assert {s for s, kind in found if kind in INDIRECT} - direct == indirect


def test_rows_of_features_depend_on_no_name_nor_on_the_surgical_code(
    plan: Plan, edges: list[Edge]
) -> None:
    found = {source for source, _ in origins(plan, edges)["drop_non_lag_columns", None]}
    every = set(plan.source.collect_schema())
    assert every - found == {
        "Facility Name",
        "APR DRG Description",
        "APR Severity of Illness Description",
        "APR Medical Surgical Code",
        "APR Medical Surgical Description",
    }


def test_upstream_and_downstream_see_the_same_ways(
    plan: Plan, edges: list[Edge]
) -> None:
    for column in plan.snapshots["features"].schema:
        back = upstream(plan, edges, f"features.{column}", DIRECT)
        for source in {e.input_column for e in back if e.input == "source"}:
            forth = downstream(plan, edges, f"source.{source}", DIRECT)
            assert ("drop_non_lag_columns", column) in {
                (e.stage, e.column) for e in forth
            }


def test_upstream_has_the_rows_of_every_stage_before(
    plan: Plan, edges: list[Edge]
) -> None:
    found = upstream(plan, edges, "features.year")
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
    plan: Plan, edges: list[Edge], name: str, part: str
) -> None:
    with pytest.raises(LineageError) as caught:
        upstream(plan, edges, name)
    assert part in str(caught.value)
