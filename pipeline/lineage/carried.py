"""Which columns a function of frames hands on row by row, as they are."""

from collections.abc import Callable, Sequence

import polars as pl

from pipeline.lineage.graph import Column
from pipeline.lineage.ir import Ir, Node

_SAME = {"Cache", "Filter", "SimpleProjection", "Sort"}
"""Nodes that arrange rows, or leave out some for what is in them."""


def carried(
    function: Callable[..., pl.LazyFrame], inputs: Sequence[tuple[str, pl.Schema]]
) -> dict[str, Column]:
    """Tell where columns are from of which each row has all of one row of an input.

    So a row of the result, and of these columns alone, stands in the input as well.
    Lineage tells that a value is handed on as it is, but not of which row: a frame that
    is joined to itself a period later hands on those of others. So only one way through
    the plan counts, that of the first input of each node. Nothing is carried where it
    cannot be followed, nor where rows are chosen for their place among others.
    """
    frames = [pl.DataFrame(schema=s).clear(i).lazy() for i, (_, s) in enumerate(inputs)]
    lf = function(*frames)
    # NOTE: As in `trace_function`: any error means that the view is another.
    try:
        view = Ir(lf)
        node = view.node(view.root)
        found = {name: name for name in lf.collect_schema()}
        while node.inputs and found:
            found = {
                name: before
                for name, at in found.items()
                if (before := _before(view, node, at)) is not None
            }
            node = view.node(node.inputs[0])
    except Exception:
        return {}
    if node.inputs or node.kind != "DataFrameScan":
        return {}
    for i, (name, schema) in enumerate(inputs):
        if node.view.df.height() == i and node.schema == dict(schema):
            return {made: Column(name, at) for made, at in found.items()}
    return {}


def _before(view: Ir, node: Node, name: str) -> str | None:
    """Say what a node's first input calls a column it hands on; None of one it makes.

    Of a join the left rows stay whole, but for keys that may come from either side.
    """
    match node.kind:
        case kind if kind in _SAME:
            return name
        case "HStack" | "Select" | "GroupBy":
            part = {"HStack": "exprs", "Select": "expr", "GroupBy": "keys"}[node.kind]
            made = {root.name: root.expr for root in node.roots(part)}
            if name in made:
                return _column(view, made[name])
            return name if node.kind == "HStack" else None
        case "Join":
            how = node.view.options[0]
            left = view.node(node.inputs[0]).schema
            return name if name in left and how not in ("Right", "Full") else None
        case "HConcat":
            return name if name in view.node(node.inputs[0]).schema else None
        case _:
            return None


def _column(view: Ir, root: int) -> str | None:
    """Name the column that an expression is, under whatever name."""
    expr = view.expr(root)
    while expr.kind == "Alias":
        [part] = expr.parts(("expr",))
        expr = view.expr(part)
    return expr.view.name if expr.kind == "Column" else None
