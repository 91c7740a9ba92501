"""Which columns a column comes from, derived from the plan itself, stage by stage.

Each stage's transformation is applied to empty frames of its inputs' columns, and the
plan that Polars makes of it is followed from the inputs up. No data is read. What
cannot be followed, such as a function of the user's, is called unknown: it may depend
on every input column of the stage.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from pipeline.lineage import ir
from pipeline.lineage.ir import Ir, Node, NotFollowed
from pipeline.lineage.nodes import Frame, Walk
from pipeline.lineage.value import (
    DIRECT,
    INDIRECT,
    KINDS,
    NOTHING,
    UNKNOWN,
    Deps,
    Value,
    strongest,
)
from pipeline.plan.settings import SOURCE, Stage

if TYPE_CHECKING:
    from pipeline.plan.plan import Plan

__all__ = [
    "DIRECT",
    "INDIRECT",
    "KINDS",
    "UNKNOWN",
    "Edge",
    "trace",
    "trace_function",
    "trace_stage",
]


@dataclass(frozen=True)
class Edge:
    """That a column of a stage depends on a column of one of its inputs.

    Attributes
    ----------
    stage : str
        Name of the stage.
    column : str or None
        The column that depends; None for all columns, by way of which rows there are
        and how they are arranged.
    input : str
        An input of the stage: another stage or ``source``.
    input_column : str
        The column it depends on.
    kind : str
        The way, of `KINDS`. Direct: 'identity' (as it is, perhaps renamed),
        'transformation' (computed, row by row or from other rows) and 'aggregation'
        (from a group's rows). Indirect: 'join', 'group_by' (also distinct rows),
        'filter' (also rows made by exploding), 'sort', 'window' (what ``over`` and
        ``rolling`` divide and order by) and 'conditional' (what decides in ``when`` and
        in look-ups). 'unknown': it may depend on it, in whatever way.
    """

    stage: str
    column: str | None
    input: str
    input_column: str
    kind: str


def trace(plan: "Plan") -> list[Edge]:
    """Derive the column lineage of every stage.

    Parameters
    ----------
    plan : Plan
        The composed graph; nothing is read.

    Returns
    -------
    list of Edge
        By stage in the order of the plan, by column as in its schema, with those of the
        rows last, by input column and kind. Of the direct ways in which a column
        depends on another, the one furthest from identity.
    """
    schemas = {name: node.schema for name, node in plan.nodes.items()}
    schemas[SOURCE] = plan.source.collect_schema()
    return [
        edge
        for node in plan.nodes.values()
        for edge in trace_stage(
            node.stage,
            [(input_, schemas[input_]) for input_ in node.stage.inputs],
            node.digest,
        )
    ]


_Schema: TypeAlias = tuple[tuple[str, pl.DataType], ...]
_Key: TypeAlias = tuple[object, str, str, tuple[tuple[str, _Schema], ...]]
_traced: dict[_Key, list[Edge]] = {}
"""By all that decides them: a plan is composed more than once in a process."""


def trace_stage(
    stage: Stage, inputs: Sequence[tuple[str, pl.Schema]], digest: str
) -> list[Edge]:
    """Derive the column lineage of one stage, once.

    Parameters
    ----------
    stage : Stage
        Its transformation and settings.
    inputs : sequence of (str, pl.Schema)
        What each input is called, and its columns.
    digest : str
        Hash of what the stage does to them.

    Returns
    -------
    list of Edge
        As of `trace`.
    """
    given = tuple((name, tuple(schema.items())) for name, schema in inputs)
    key = (ir.VERSION, stage.name, digest, given)
    if key not in _traced:
        _traced[key] = trace_function(stage.apply, inputs, stage=stage.name)
    return _traced[key]


def trace_function(
    function: Callable[..., pl.LazyFrame],
    inputs: Sequence[tuple[str, pl.Schema]],
    *,
    stage: str,
) -> list[Edge]:
    """Derive the column lineage of one function of lazy frames.

    Parameters
    ----------
    function : callable
        Takes a lazy frame per input. It is applied to empty ones.
    inputs : sequence of (str, pl.Schema)
        What each input is called, and its columns.
    stage : str
        What the result is called.

    Returns
    -------
    list of Edge
        As of `trace`.
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
