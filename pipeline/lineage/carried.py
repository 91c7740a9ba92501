"""Which columns a function of frames hands on row by row, as they are."""

from collections.abc import Callable, Sequence

import polars as pl

from pipeline.lineage.graph import Column
from pipeline.lineage.ir import Ir, Node, NotFollowed
from pipeline.lineage.trace import Frame, Walk, leaves
from pipeline.lineage.value import DIRECT, NOTHING, Deps, Value

_BY_OTHER_ROWS = {"Distinct", "Slice"}
"""Nodes that choose among rows: which value is handed on depends on other rows."""


def carried(
    function: Callable[..., pl.LazyFrame], inputs: Sequence[tuple[str, pl.Schema]]
) -> dict[str, Column]:
    """Tell where columns are from of which each row has all of one row of an input.

    So a row of the result, and of these columns alone, stands in the input as well.
    Lineage tells that a value is handed on as it is, but not of which row: a frame that
    is joined to itself a period later hands on those of others. What is read of an
    input a second time counts as another's. Nothing is carried where the plan cannot be
    followed.
    """
    frames = [pl.DataFrame(schema=s).clear(i).lazy() for i, (_, s) in enumerate(inputs)]
    lf = function(*frames)
    n_read = 0

    def leaf(node: Node) -> Frame:
        nonlocal n_read
        n_read += 1
        read = known(node)
        return read if n_read == 1 else Frame(dict.fromkeys(read.columns, other), rows)

    known = leaves(inputs)
    rows: Deps = NOTHING
    other = Value(frozenset([(("", ""), DIRECT[1])]))
    names = lf.collect_schema().names()
    # NOTE: As in `trace_function`: any error means that the view is another.
    try:
        view = Ir(lf)
        if any(node.kind in _BY_OTHER_ROWS for node in _spine(view)):
            return {}
        frame = Walk(view, leaf, other).frame(view.root)
        if list(frame.columns) != names:
            raise NotFollowed("names of columns")
    except Exception:
        return {}
    found: dict[str, Column] = {}
    for name, value in frame.columns.items():
        match [*value.total]:
            case [(ref, kind)] if kind == DIRECT[0]:
                found[name] = Column(*ref)
            case _:
                pass
    return found


def _spine(view: Ir) -> list[Node]:
    """List the nodes from the root to the first leaf."""
    nodes = [view.node(view.root)]
    while nodes[-1].inputs:
        nodes.append(view.node(nodes[-1].inputs[0]))
    return nodes
