"""Which columns are known before their period begins, as far as the stages tell.

A transformation that makes columns of periods before the row's own names them, beside
its function::

    def past(config: Config) -> list[str]:
        return [name + config.suffix for name in config.columns]

What is computed of known columns, row by row, is known as well; so is what
`panel.known` names. Everything else is of the row's own period: a model that is given
it knows the future.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from pipeline.errors import SchemaError
from pipeline.lineage.graph import Edge
from pipeline.lineage.value import UNKNOWN
from pipeline.plan.plan import Node, Plan
from pipeline.plan.settings import Stage
from pipeline.transforms import PastOnly

Why: TypeAlias = Literal["key", "past", "named"]
"""Why a column is known: it names the row, or is made of what does; it is made of the
past; it is named."""

_ROW_BY_ROW = ("identity", "transformation", "conditional")
"""The ways to depend on a column that look at no other row, as most do."""


def settled(plan: Plan, stage: Stage) -> Stage:
    """Fill in what a stage's settings leave to the plan of the stages before it.

    Raises
    ------
    SchemaError
        If a column is named as known that is not there.
    """
    config = stage.config
    if not isinstance(config, PastOnly) or config.columns is not None:
        return stage
    given = plan.schema(stage.inputs[0])
    for name in config.known:
        if name not in given:
            raise SchemaError(f'`known` names "{name}", which is no column')
    known = why_known(plan, stage)
    columns = [name for name in given if name not in known]
    return dataclasses.replace(
        stage, config=msgspec.structs.replace(config, columns=columns)
    )


def why_known(plan: Plan, stage: Stage) -> dict[str, Why]:
    """Say which columns of the first input of a stage with `PastOnly` are known."""
    config = stage.config
    assert isinstance(config, PastOnly)
    named: dict[str, Why] = dict.fromkeys(config.known, "named")
    named |= dict.fromkeys([*config.keys, config.time], "key")
    return trace_known(plan, stage.inputs[0], named)


def trace_known(plan: Plan, stage: str, named: Mapping[str, Why]) -> dict[str, Why]:
    """Follow what is known before its period down to a stage, or ``source``.

    `named` are columns that are known wherever they occur.
    """
    found: dict[str, dict[str, Why]] = {
        source: {name: named[name] for name in plan.schema(source) if name in named}
        for source in plan.sources
    }
    for name, node in plan.upstream([stage]).items():
        found[name] = _of_stage(node, plan.edges(name), found, named)
    return found[stage]


def _of_stage(
    node: Node,
    edges: Sequence[Edge],
    found: Mapping[str, Mapping[str, Why]],
    named: Mapping[str, Why],
) -> dict[str, Why]:
    """Tell which columns of a stage are known, given those of its inputs."""
    past = node.stage.transform.past
    made_of_past: dict[str, Why] = dict.fromkeys(
        past(node.stage.config) if past else [], "past"
    )
    why: dict[str, Why | None] = {
        column: named.get(column)
        or made_of_past.get(column)
        or _of_edges(column, [edge for edge in edges if edge.column == column], found)
        for column in node.schema
    }
    return {column: reason for column, reason in why.items() if reason}


def _of_edges(
    column: str, edges: Sequence[Edge], found: Mapping[str, Mapping[str, Why]]
) -> Why | None:
    """Tell whether a column is known that is made of others; None if it is not."""
    if any(edge.kind == UNKNOWN for edge in edges):
        # What cannot be followed is taken to hand on the columns it was given, and to
        # make new ones of their own period.
        edges = [edge for edge in edges if edge.input_column == column]
        reasons = {found[edge.input].get(column) for edge in edges}
    else:
        reasons = {
            found[edge.input].get(edge.input_column)
            if edge.kind in _ROW_BY_ROW
            else None
            for edge in edges
        }
    # A column of nothing may be a count of rows.
    if not reasons or None in reasons:
        return None
    if "named" in reasons:
        return "named"
    return "past" if "past" in reasons else "key"
