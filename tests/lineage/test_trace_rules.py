"""What the columns and rows of a plan depend on, by hand: every kind of node."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import polars as pl
import pytest

from tests.lineage.conftest import A, B, Deps, deps, without_beside


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
    assert {name: without_beside(of) for name, of in found.items()} == expected


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


@pytest.mark.parametrize("by", [None, "b"])
def test_join_as_of_takes_what_is_nearest(by: str | None) -> None:
    found = deps(
        lambda x, y: x.select("a", "b").join_asof(
            y.select("a", "b", "d"), on="a", by=by
        ),
        A,
        B,
    )
    assert found["a"] == {"a:identity"}
    assert found["d"] == {"B.d:identity"}
    keys = ("a", "b") if by else ("a",)
    assert found[None] == {f"{of}{key}:join" for of in ("", "B.") for key in keys}


def test_join_by_comparison() -> None:
    found = deps(
        lambda x, y: x.select("a").join_where(y.select("d"), pl.col("a") > pl.col("d")),
        A,
        B,
    )
    assert found["d"] == {"B.d:identity"}
    assert found[None] == {"a:filter", "B.d:filter"}


def test_merged_rows_come_from_both_and_are_sorted_by_the_key() -> None:
    found = deps(lambda x, y: x.merge_sorted(y, "a"), B, B)
    assert found["d"] == {"d:identity", "B.d:identity"}
    assert found[None] == {"a:sort", "B.a:sort"}


UNKNOWN_FRAMES = {
    "udf": lambda lf: lf.select("a", "b").map_batches(lambda df: df),
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
