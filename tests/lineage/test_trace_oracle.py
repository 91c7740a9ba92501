"""Lineage against what happens: change a column's values, see which columns change."""

from collections.abc import Callable, Container, Iterator

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline import sources
from pipeline.lineage.graph import Edge
from pipeline.lineage.trace import trace_function
from pipeline.lineage.value import DIRECT, UNKNOWN
from pipeline.plan.compose import compose
from pipeline.plan.settings import SOURCE, Settings, Stage
from pipeline.transforms import transform_names
from tests.transforms.panels import SECOND, SETTINGS, inputs_of, panel, stage_of

Function = Callable[[pl.LazyFrame], pl.LazyFrame]


def changes(df: pl.DataFrame, column: str) -> Iterator[pl.DataFrame]:
    """Put other values in a column: in another order, other ones, and gaps."""
    values = df[column]
    yield df.with_columns(values.shuffle(seed=1))
    yield df.with_columns(pl.when(pl.int_range(pl.len()) % 3 > 0).then(values))
    if values.dtype.is_numeric():
        other = (values * 3 + pl.Series(range(df.height)) % 5 + 1).cast(values.dtype)
        yield df.with_columns(other.alias(column))
    elif values.dtype == pl.String:
        yield df.with_columns(values + "x")


def wrong(edges: list[Edge], before: pl.DataFrame, after: pl.DataFrame) -> set[str]:
    """Name the columns that changed though no edge of `edges` says that they may.

    Where the rows may be others, every column may.
    """
    if any(edge.column is None for edge in edges):
        return set()
    if before.height != after.height:
        return set(before.columns)
    may = {edge.column for edge in edges}
    kept = [name for name in before.columns if name not in may]
    if not kept or before.select(kept).equals(after.select(kept)):
        return set()
    # In any order: a row of the kept columns is the same as before, wherever it is.
    same = before.select(kept).sort(kept).equals(after.select(kept).sort(kept))
    return set() if same else set(kept)


def refute(
    stage: Stage,
    edges: list[Edge],
    frames: dict[str, pl.DataFrame],
    unique: Container[tuple[str, str]] = (),
) -> pl.DataFrame:
    """Fail if an edge of a stage is missing, or a direct one idle; give its rows.

    What is `unique`, by input and column, must stay as it is.
    """

    def apply(frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
        lazy = [df.lazy() for df in frames.values()]
        return stage.apply(*lazy).collect(engine="in-memory")

    before = apply(frames)
    assert before.height > 3
    idle = {
        (edge.input, edge.input_column, edge.column)
        for edge in edges
        if edge.kind in DIRECT
    }
    for input_, of in frames.items():
        for column in [name for name in of.columns if (input_, name) not in unique]:
            at = (input_, column)
            of_column = [e for e in edges if (e.input, e.input_column) == at]
            for df in changes(of, column):
                after = apply({**frames, input_: df})
                assert wrong(of_column, before, after) == set(), (stage.name, at)
                idle -= {
                    (*at, name)
                    for name in before.columns
                    if not before[name].sort().equals(after[name].sort())
                }
    assert idle == set(), stage.name
    return before


@pytest.mark.parametrize(
    "profile",
    [None, pytest.param("origin", marks=pytest.mark.slow)],
    ids=["default", "origin"],
)
def test_what_changes_in_a_shipped_stage_has_an_edge_and_direct_edges_are_real(
    shipped_settings: Callable[..., Settings], profile: str | None
) -> None:
    settings = shipped_settings(profile=profile)
    some = (pl.col("Facility Id") % 2 == 0) & (pl.col("APR DRG Code") % 16 == 0)
    rows = sources.scan(settings.source, settings.root).frames()[0]
    frames = {SOURCE: rows.filter(some).collect()}
    plan = compose(frames[SOURCE].lazy(), settings.stages)
    edges = plan.lineage().edges
    seen: set[str] = set()
    for stage in (node.stage for node in plan.nodes.values()):
        seen.add(stage.transform.name)
        [name] = stage.inputs
        of_stage = [edge for edge in edges if edge.stage == stage.name]

        frames[stage.name] = refute(stage, of_stage, {name: frames[name]})
    assert seen | SETTINGS.keys() >= set(transform_names())


@pytest.mark.parametrize("name", SETTINGS)
def test_what_changes_in_a_panel_s_stage_has_an_edge_and_direct_edges_are_real(
    name: str,
) -> None:
    df = panel(60).with_columns(pl.col("n", "x").fill_null(2))
    frames = {f"input{i}": of for i, of in enumerate(inputs_of(name, df))}
    stage = stage_of(name)
    schemas = [(input_, of.schema) for input_, of in frames.items()]
    edges = trace_function(stage.apply, schemas, stage=name)
    assert UNKNOWN not in {edge.kind for edge in edges}
    keys, _ = SECOND.get(name, ([], None))
    refute(stage, edges, frames, [("input1", key) for key in keys])


COLUMNS = ("a", "b", "c")
STEPS: dict[str, Callable[..., pl.LazyFrame]] = {
    "add": lambda lf, x, y, z: lf.with_columns(pl.col(x) + pl.col(y)),
    "swap": lambda lf, x, y, z: lf.with_columns(pl.col(x).alias(y), pl.col(y).alias(x)),
    "when": lambda lf, x, y, z: lf.with_columns(
        pl.when(pl.col(x) > 1).then(pl.col(y)).otherwise(pl.col(z)).alias(z)
    ),
    "shift": lambda lf, x, y, z: lf.with_columns(pl.col(x).shift(1, fill_value=0)),
    "over": lambda lf, x, y, z: lf.with_columns(pl.col(x).sum().over(y).alias(z)),
    "over-order": lambda lf, x, y, z: lf.with_columns(
        pl.col(x).cum_sum().over(y, order_by=z).alias(x)
    ),
    "rank": lambda lf, x, y, z: lf.with_columns(
        pl.col(x).rank("ordinal").over(y).cast(pl.Int64).alias(z)
    ),
    "filter": lambda lf, x, y, z: lf.filter(pl.col(x) < 3),
    "filter-null": lambda lf, x, y, z: lf.drop_nulls([x]),
    "sort": lambda lf, x, y, z: lf.sort(x, maintain_order=True),
    "head": lambda lf, x, y, z: lf.head(5),
    "unique": lambda lf, x, y, z: lf.unique([x], keep="first", maintain_order=True),
    "index": lambda lf, x, y, z: (
        lf.drop(x).with_row_index(x).select(pl.col(COLUMNS).cast(pl.Int64))
    ),
    "sum": lambda lf, x, y, z: (
        lf.group_by(x, maintain_order=True)
        .agg(pl.col(y).sum(), pl.len().cast(pl.Int64).alias(z))
        .select(COLUMNS)
    ),
    "first": lambda lf, x, y, z: (
        lf.group_by(x, maintain_order=True)
        .agg(pl.col(y).first(), pl.col(z).filter(pl.col(y) > 1).max())
        .select(COLUMNS)
    ),
    "slots": lambda lf, x, y, z: (
        lf.group_by(x, maintain_order=True)
        .agg(r=pl.struct(y, z))
        .select(
            x,
            pl.col("r").list.get(1, null_on_oob=True).struct.field(y),
            pl.col("r").list.len().cast(pl.Int64).alias(z),
        )
        .select(COLUMNS)
    ),
    "evaluate": lambda lf, x, y, z: (
        lf.group_by(x, maintain_order=True)
        .agg(r=pl.struct(y, z))
        .with_columns(
            pl.when(pl.col("r").list.len() > 1)
            .then("r")
            .list.eval(2 * pl.element().struct.field(z).sum())
            .list.first()
            .alias(z),
            pl.col("r")
            .list.eval(
                pl.element().struct.field(y).sort_by(pl.element().struct.field(z))
            )
            .list.first()
            .alias(y),
        )
        .select(COLUMNS)
    ),
    "decide": lambda lf, x, y, z: (
        lf.group_by(y, maintain_order=True)
        .agg(pl.col(x).max(), r=pl.struct(z))
        .with_columns(pl.when(pl.col(x) > 1).then("r").alias("r"))
        .select(
            y,
            pl.col("r").list.get(0).struct.field(z),
            pl.col("r")
            .list.eval(2 * pl.element().struct.field(z))
            .list.first()
            .alias(x),
        )
        .select(COLUMNS)
    ),
    "explode": lambda lf, x, y, z: lf.with_columns(
        pl.concat_list(pl.col(x), pl.col(y)).alias(x)
    ).explode(x),
    "repeat": lambda lf, x, y, z: lf.with_columns(
        pl.col(x).repeat_by(pl.col(y).fill_null(0).clip(1, 3))
    ).explode(x),
    "drop-in-list": lambda lf, x, y, z: (
        lf.group_by(x, maintain_order=True)
        .agg(
            pl.col(y).drop_nulls().implode().list.len().cast(pl.Int64), pl.col(z).max()
        )
        .select(COLUMNS)
    ),
    "semi": lambda lf, x, y, z: lf.join(
        lf.filter(pl.col(y) > 0), on=x, how="semi", maintain_order="left"
    ),
    "left": lambda lf, x, y, z: lf.drop(z).join(
        lf.group_by(x).agg(pl.col(z).max()), on=x, how="left", maintain_order="left"
    ),
    "full": lambda lf, x, y, z: (
        lf.select(x, y)
        .join(
            lf.filter(pl.col(y) > 0).select(x, z),
            on=x,
            how="full",
            coalesce=True,
            maintain_order="left_right",
        )
        .select(COLUMNS)
    ),
    "union": lambda lf, x, y, z: pl.concat([lf, lf.filter(pl.col(x) > 1)]),
    "beside": lambda lf, x, y, z: pl.concat(
        [lf.select(x, y), lf.select(pl.col(z).reverse())], how="horizontal"
    ).select(COLUMNS),
    "unnest": lambda lf, x, y, z: (
        lf.select(x, s=pl.struct(pl.col(z).alias(y), pl.col(y).alias(z)))
        .unnest("s")
        .select(COLUMNS)
    ),
    "unpivot": lambda lf, x, y, z: (
        lf.unpivot(on=[y, z], index=x)
        .select(pl.col(x), pl.col("value").alias(y), pl.col("variable").str.len_bytes())
        .select(x, y, pl.col("variable").cast(pl.Int64).alias(z))
        .select(COLUMNS)
    ),
    "top": lambda lf, x, y, z: lf.select(
        pl.col(COLUMNS).filter(pl.col(x) > pl.col(y).mean())
    ),
    "udf": lambda lf, x, y, z: lf.map_batches(
        lambda df: df.with_columns(df[x].reverse().alias(y))
    ),
    "map": lambda lf, x, y, z: lf.with_columns(
        pl.col(x).map_batches(lambda s: s.reverse(), return_dtype=pl.Int64).alias(y)
    ),
}
VALUE = st.none() | st.integers(0, 4)


@st.composite
def functions(draw: st.DrawFn) -> tuple[list[tuple[str, ...]], Function]:
    """Compose a few steps on columns drawn at random, and say which."""
    steps = [
        (draw(st.sampled_from(sorted(STEPS))), *draw(st.permutations(COLUMNS)))
        for _ in range(draw(st.integers(1, 5)))
    ]

    def function(lf: pl.LazyFrame) -> pl.LazyFrame:
        for step, *columns in steps:
            lf = STEPS[step](lf, *columns)
        return lf

    return steps, function


@hypothesis_settings(max_examples=200, deadline=None)
@given(
    steps=functions(),
    rows=st.lists(st.tuples(VALUE, VALUE, VALUE), min_size=4, max_size=12),
    column=st.sampled_from(COLUMNS),
    data=st.data(),
)
def test_what_changes_in_any_plan_has_an_edge(
    steps: tuple[list[tuple[str, ...]], Function],
    rows: list[tuple[int | None, ...]],
    column: str,
    data: st.DataObject,
) -> None:
    function = steps[1]
    schema = pl.Schema(dict.fromkeys(COLUMNS, pl.Int64()))
    df = pl.DataFrame(rows, schema=schema, orient="row")
    edges = trace_function(function, [(SOURCE, schema)], stage="result")
    of_column = [edge for edge in edges if edge.input_column == column]
    size = st.lists(VALUE, min_size=df.height, max_size=df.height)
    other = df.with_columns(pl.Series(column, data.draw(size), dtype=pl.Int64))
    before, after = (
        function(x.lazy()).collect(engine="in-memory") for x in (df, other)
    )
    assert wrong(of_column, before, after) == set()


LISTS = pl.Schema(
    {"a": pl.Int64(), "b": pl.Int32(), "l": pl.List(pl.Int64), "m": pl.List(pl.Float64)}
)


def elements() -> st.SearchStrategy[pl.Expr]:
    """Draw what may be done to the elements of a list."""
    return st.recursive(
        st.sampled_from([pl.element(), 2 * pl.element(), 1.5 + pl.element()]),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda xy: xy[0] + xy[1]),
            st.tuples(inner, inner).map(lambda xy: xy[0].sort_by(xy[1])),
            st.tuples(inner, inner).map(lambda xy: xy[0].filter(xy[1] > 1)),
            st.tuples(inner, inner).map(lambda xy: pl.when(xy[0] > 2).then(xy[1])),
            inner.map(lambda x: 3 - x.max()),
            inner.map(lambda x: x.cast(pl.Float64)),
        ),
        max_leaves=4,
    )


def list_columns() -> st.SearchStrategy[pl.Expr]:
    """Draw lists, some of them evaluated, one within another."""
    return st.recursive(
        st.sampled_from([pl.col("l"), pl.col("m")]),
        lambda inner: st.one_of(
            st.tuples(inner, elements()).map(lambda xe: xe[0].list.eval(xe[1])),
            st.tuples(inner, inner).map(
                lambda xy: pl.when(xy[0].list.len() > 2).then(xy[1]).otherwise(xy[0])
            ),
            inner.map(lambda x: x.list.head(1 + pl.col("b"))),
            inner.map(lambda x: pl.concat_list(x, pl.col("a"))),
        ),
        max_leaves=4,
    )


@hypothesis_settings(max_examples=200, deadline=None)
@given(exprs=st.lists(list_columns(), min_size=1, max_size=3))
def test_expression_depends_on_the_columns_polars_names_as_its_roots(
    exprs: list[pl.Expr],
) -> None:
    named = {f"z{i}": expr.list.len() + 1 for i, expr in enumerate(exprs)}
    edges = trace_function(
        lambda lf: lf.with_columns(**named), [(SOURCE, LISTS)], stage="result"
    )
    for name, expr in named.items():
        of_name = [edge for edge in edges if edge.column == name]
        if not any(edge.kind == UNKNOWN for edge in of_name):
            assert {edge.input_column for edge in of_name} == set(
                expr.meta.root_names()
            )
