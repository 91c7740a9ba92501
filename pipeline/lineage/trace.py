"""Follow a function of lazy frames from its inputs' columns to its output's.

The function is applied to empty frames, and the plan that Polars makes of it is
followed from the inputs up. No data is read. What cannot be followed, such as a
function of the user's, is called unknown: it may depend on every input column.
"""

from collections.abc import Callable, Sequence

import polars as pl

from pipeline.lineage.graph import Edge
from pipeline.lineage.ir import Ir, Node, NotFollowed
from pipeline.lineage.nodes import Frame, Walk
from pipeline.lineage.value import (
    DIRECT,
    KINDS,
    NOTHING,
    UNKNOWN,
    Deps,
    Value,
    strongest,
)


def trace_function(
    function: Callable[..., pl.LazyFrame],
    inputs: Sequence[tuple[str, pl.Schema]],
    *,
    stage: str,
) -> list[Edge]:
    """Derive the column lineage of a function that takes a lazy frame per input.

    Inputs are given with their names; `stage` names the result. The edges are in the
    order of `graph.Lineage`.
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
