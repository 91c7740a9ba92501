"""Follow a function of lazy frames from its inputs' columns to its output's.

The function is applied to empty frames, and the plan that Polars makes of it is
followed node by node from the inputs up. No data is read. What cannot be followed, such
as a function of the user's, is called unknown: it may depend on every input column.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import polars as pl

from pipeline.lineage.expressions import Scope, keeps_rows, value_of
from pipeline.lineage.graph import Edge
from pipeline.lineage.ir import Ir, Node, NotFollowed
from pipeline.lineage.value import (
    DIRECT,
    KINDS,
    NOTHING,
    UNKNOWN,
    Deps,
    Value,
    choose,
    combine,
    field_of,
    strongest,
    through,
)


@dataclass(frozen=True)
class Frame:
    """What the columns of a node depend on, and which rows there are."""

    columns: dict[str, Value]
    rows: Deps


def trace_function(
    function: Callable[..., pl.LazyFrame],
    inputs: Sequence[tuple[str, pl.Schema]],
    *,
    stage: str,
) -> list[Edge]:
    """Derive the column lineage of a function that takes a lazy frame per input.

    Inputs are given with their names; `stage` names the result. The edges are in the
    order of `Lineage`.
    """
    refs = [(name, column) for name, schema in inputs for column in schema]
    order = {ref: position for position, ref in enumerate(refs)}
    everything = Value(frozenset((ref, UNKNOWN) for ref in refs))
    # As many rows as its position tell apart two inputs of the same columns.
    frames = [pl.DataFrame(schema=s).clear(i).lazy() for i, (_, s) in enumerate(inputs)]
    lf = function(*frames)
    frame = _follow(lf, _leaves(inputs), everything)
    deps: dict[str | None, Deps] = {
        name: value.total for name, value in frame.columns.items()
    }
    return [
        Edge(stage, column, *ref, kind)
        for column, found in (deps | {None: frame.rows}).items()
        for ref, kind in sorted(
            strongest(found), key=lambda dep: (order[dep[0]], KINDS.index(dep[1]))
        )
    ]


def _follow(
    lf: pl.LazyFrame, leaf: Callable[[Node], Frame], everything: Value
) -> Frame:
    """Follow a plan; whatever goes wrong in it makes all of it unknown."""
    names = lf.collect_schema().names()
    try:
        view = Ir(lf)
        frame = Walk(view, leaf, everything).frame(view.root)
        if list(frame.columns) != names:
            raise NotFollowed("names of columns")
    # NOTE: The view of the plan is private to Polars, so that any error means no more
    # than that something in it is new; the tests see to it that nothing shipped is.
    except Exception:
        return Frame(dict.fromkeys(names, everything), everything.deps)
    return frame


def _leaves(inputs: Sequence[tuple[str, pl.Schema]]) -> Callable[[Node], Frame]:
    """Tell the inputs by their rows and columns; other frames are constants."""

    def leaf(node: Node) -> Frame:
        for i, (name, schema) in enumerate(inputs):
            if node.view.df.height() == i and node.schema == dict(schema):
                itself = {c: frozenset([((name, c), DIRECT[0])]) for c in schema}
                return Frame({c: Value(deps) for c, deps in itself.items()}, NOTHING)
        return Frame({name: Value() for name in node.schema}, NOTHING)

    return leaf


@dataclass(frozen=True)
class Walk:
    """A plan, what its leaves are, and what may depend on everything."""

    ir: Ir
    leaf: Callable[[Node], Frame]
    """Tells what the columns of a frame in memory are."""
    everything: Value
    """Depends in an unknown way on every input column of the stage."""

    def frame(self, root: int) -> Frame:
        """Tell what a node depends on: on everything where it cannot be followed."""
        node = self.ir.node(root)
        inputs = [self.frame(input_) for input_ in node.inputs]
        try:
            if node.kind not in _RULES:
                raise NotFollowed(node.kind)
            return _RULES[node.kind](self, node, *inputs)
        except NotFollowed:
            unknown = dict.fromkeys(node.schema, self.everything)
            return Frame(unknown, self.everything.deps)

    def values(
        self, node: Node, part: str, frame: Frame, rows: Deps
    ) -> dict[str, Value]:
        """Follow the expressions of a node, by the names of their results."""
        scope = Scope(self.ir, frame.columns, rows, self.everything)
        return {
            name: value_of(scope, expr, node.schema[name])
            for name, expr in node.roots(part)
        }

    def total(self, node: Node, part: str, frame: Frame) -> Deps:
        """Collect all that some expressions of a node depend on."""
        scope = Scope(self.ir, frame.columns, frame.rows, self.everything)
        values = [value_of(scope, expr) for _, expr in node.roots(part)]
        return NOTHING.union(*(value.total for value in values))


_Rule: TypeAlias = Callable[..., Frame]
"""Takes the walk, a node, and the frames of its inputs."""


def _leaf(walk: Walk, node: Node) -> Frame:
    """Ask what a frame in memory is."""
    return walk.leaf(node)


def _same(_: Walk, node: Node, frame: Frame) -> Frame:
    """Keep what is selected; rows may go, but not for what is in them."""
    return Frame({name: frame.columns[name] for name in node.schema}, frame.rows)


def _select(walk: Walk, node: Node, frame: Frame) -> Frame:
    """Make columns; their values may decide how many rows there are."""
    part = "exprs" if node.kind == "Reduce" else "expr"
    columns = walk.values(node, part, frame, frame.rows)
    lengths = [
        through("filter", columns[name].total)
        for name, expr in node.roots(part)
        if not keeps_rows(walk.ir, expr)
    ]
    return Frame(columns, frame.rows.union(*lengths))


def _with_columns(walk: Walk, node: Node, frame: Frame) -> Frame:
    """Add or replace columns."""
    columns = frame.columns | walk.values(node, "exprs", frame, frame.rows)
    return Frame({name: columns[name] for name in node.schema}, frame.rows)


def _filter(walk: Walk, node: Node, frame: Frame) -> Frame:
    """Keep the rows that a predicate names."""
    by = through("filter", walk.total(node, "predicate", frame))
    return Frame(frame.columns, frame.rows | by)


def _sort(walk: Walk, node: Node, frame: Frame) -> Frame:
    """Arrange the rows."""
    by = through("sort", walk.total(node, "by_column", frame))
    return Frame(frame.columns, frame.rows | by)


def _distinct(_: Walk, node: Node, frame: Frame) -> Frame:
    """Keep a row of each group."""
    subset: Sequence[str] | None = node.view.options[1]
    names = list(frame.columns) if subset is None else subset
    keys = NOTHING.union(*(frame.columns[name].total for name in names))
    return Frame(frame.columns, frame.rows | through("group_by", keys))


def _group_by(walk: Walk, node: Node, frame: Frame) -> Frame:
    """Make a row of each group."""
    options = node.view.options
    if options.dynamic is not None or options.rolling is not None:
        raise NotFollowed("windows of time")
    keys = walk.values(node, "keys", frame, frame.rows)
    by = NOTHING.union(*(key.total for key in keys.values()))
    rows = frame.rows | through("group_by", by)
    return Frame(keys | walk.values(node, "aggs", frame, rows), rows)


def _join(walk: Walk, node: Node, left: Frame, right: Frame) -> Frame:
    """Put two frames side by side where their keys match."""
    how, _, _, suffix, coalesce, _ = node.view.options
    if node.view.predicate is not None:
        raise NotFollowed("join")
    left_by: list[str] = []
    right_by: list[str] = []
    if not isinstance(how, str):  # as of: the nearest row of those that agree
        left_by, right_by = ([*(names or ())] for names in how[4:6])
        how = "AsOf"
    by = walk.total(node, "left_on", left) | walk.total(node, "right_on", right)
    by = by.union(*(left.columns[name].total for name in left_by))
    by = by.union(*(right.columns[name].total for name in right_by))
    rows = left.rows | right.rows | through("join", by)
    if how in {"Semi", "Anti"}:
        return Frame(left.columns, rows)
    rest = {name: of for name, of in right.columns.items() if name not in right_by}
    right = Frame(rest, right.rows)
    columns = _side_by_side(node, left, right, how if coalesce else "", suffix)
    if list(columns) != list(node.schema):
        raise NotFollowed("names of a join")
    return Frame(columns, rows)


def _side_by_side(
    node: Node, left: Frame, right: Frame, coalesced: str, suffix: str
) -> dict[str, Value]:
    """Name the columns of both sides; where keys are coalesced, one is left of two."""
    left_on = [name for name, _ in node.roots("left_on")]
    right_on = [name for name, _ in node.roots("right_on")]
    columns = dict(left.columns)
    dropped: list[str] = []
    if coalesced == "Right":
        columns = {name: columns[name] for name in columns if name not in left_on}
    elif coalesced:
        dropped = right_on
    if coalesced == "Full":
        for name, other in zip(left_on, right_on, strict=True):
            either = (left.columns[name].total, right.columns[other].total)
            columns[name] = Value(NOTHING.union(*either))
    for name, value in right.columns.items():
        if name not in dropped:
            columns[name + suffix if name in columns else name] = value
    return columns


def _union(_: Walk, node: Node, *inputs: Frame) -> Frame:
    """Put frames of the same columns below each other."""
    columns = {
        name: Value(NOTHING.union(*(frame.columns[name].total for frame in inputs)))
        for name in node.schema
    }
    rows = NOTHING.union(*(frame.rows for frame in inputs))
    if node.kind == "MergeSorted":
        keys = NOTHING.union(*(columns[name].total for name in node.view.key))
        rows |= through("sort", keys)
    return Frame(columns, rows)


def _beside(_: Walk, __: Node, *inputs: Frame) -> Frame:
    """Put frames of other columns beside each other."""
    columns = {name: v for frame in inputs for name, v in frame.columns.items()}
    return Frame(columns, NOTHING.union(*(frame.rows for frame in inputs)))


def _map(walk: Walk, node: Node, frame: Frame) -> Frame:
    """Follow Polars' own functions of frames; a user's is not shown."""
    name, *arguments = node.view.function
    columns, rows = dict(frame.columns), frame.rows
    match name:
        case "unnest":
            schema = walk.ir.node(node.inputs[0]).schema
            columns |= _fields(schema, columns, *arguments)
        case "explode":
            lists = arguments[0]
            lengths = NOTHING.union(*(columns[name].length for name in lists))
            rows |= through("filter", lengths)
            columns |= {name: choose([columns[name]], NOTHING) for name in lists}
        case "unpivot":
            index, on, variable, value = arguments
            melted = combine((columns[name] for name in on), "transformation")
            columns |= {variable: Value(), value: melted}
            columns |= {name: frame.columns[name] for name in index}
        case "row_index":
            columns[arguments[0]] = Value(rows)
        case "rechunk" | "hint_sorted":
            pass
        case _:
            raise NotFollowed(name)
    return Frame({name: columns[name] for name in node.schema}, rows)


def _fields(
    schema: dict[str, pl.DataType],
    columns: dict[str, Value],
    names: Sequence[str],
    separator: str | None,
) -> dict[str, Value]:
    """Take the fields out of structs, by the names of their columns."""
    fields: dict[str, Value] = {}
    for name in names:
        dtype = schema[name]
        if not isinstance(dtype, pl.Struct):
            raise NotFollowed("unnest")
        prefix = "" if separator is None else name + separator
        for field in dtype.fields:
            fields[prefix + field.name] = field_of(columns[name], field.name)
    return fields


_RULES: dict[str, _Rule] = {
    "Cache": _same,
    "DataFrameScan": _leaf,
    "Distinct": _distinct,
    "Filter": _filter,
    "GroupBy": _group_by,
    "HConcat": _beside,
    "HStack": _with_columns,
    "Join": _join,
    "MapFunction": _map,
    "MergeSorted": _union,
    "Reduce": _select,
    "Select": _select,
    "SimpleProjection": _same,
    "Slice": _same,
    "Sort": _sort,
    "Union": _union,
}
