"""The lineage in words, as a diagram, and for other programs."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any, TypeAlias

from pipeline.errors import LineageError
from pipeline.lineage import DIRECT, INDIRECT, KINDS, UNKNOWN, Edge, trace
from pipeline.lineage.diagram import column_diagram, stage_diagram, to_dot, to_mermaid
from pipeline.lineage.openlineage import to_openlineage
from pipeline.lineage.paths import (
    columns_of,
    downstream,
    find_column,
    find_columns,
    find_stage,
    origins,
    upstream,
)
from pipeline.plan.plan import Plan

FORMATS = ("text", "mermaid", "dot", "json", "openlineage")

VALUE = (*DIRECT, UNKNOWN)
"""The kinds that lead to what a value is, or may be, made of."""

_Walk: TypeAlias = Callable[..., list[Edge]]

# So many columns of a list are shown.
_N_SHOWN = 4


def show(plan: Plan, name: str | None, format_: str, *, forward: bool = False) -> str:
    """Show the stages, or the way from a column back to the source or forward.

    Parameters
    ----------
    plan : Plan
        The composed graph; nothing is read.
    name : str or None
        ``snapshot.column``, ``stage.column``, or a snapshot or stage alone: all of its
        columns. None shows the stages.
    format_ : str
        Of `FORMATS`. 'openlineage' is of all snapshots.
    forward : bool
        Show what depends on the column, not what it depends on.

    Returns
    -------
    str
        Of several lines, without the last line's end.

    Raises
    ------
    LineageError
        If there is no such column, or the format cannot show what is asked.
    """
    edges = trace(plan)
    if forward and name is None:
        raise LineageError(
            "lineage: --downstream of what?\n"
            "hint: name a column, such as 'source.Mean Cost'"
        )
    if format_ == "openlineage":
        if name is not None:
            raise LineageError(
                f"lineage: openlineage is of all snapshots, not of '{name}' alone\n"
                "hint: leave the column out, or take --format json"
            )
        return json.dumps(to_openlineage(plan, edges), indent=2)
    if name is None:
        return _show_plan(plan, edges, format_)
    if format_ == "text" and "." not in name and not forward:
        return describe_stage(plan, edges, name)
    walk = downstream if forward else upstream
    if format_ == "json":
        found = [asdict(edge) for edge in walk(plan, edges, name)]
        direction = "downstream" if forward else "upstream"
        return json.dumps({"column": name, direction: found}, indent=2)
    if format_ == "text":
        say = describe_forward if forward else describe_column
        return say(plan, edges, name)
    at = find_columns(plan, name)
    diagram = column_diagram(plan, at, walk(plan, edges, name, VALUE), forward=forward)
    return to_dot(diagram) if format_ == "dot" else to_mermaid(diagram)


def _show_plan(plan: Plan, edges: Sequence[Edge], format_: str) -> str:
    """Show all stages, and in JSON all edges."""
    if format_ == "json":
        return json.dumps(_as_json(plan, edges), indent=2)
    if format_ == "text":
        return describe_plan(plan, edges)
    diagram = stage_diagram(plan)
    return to_dot(diagram) if format_ == "dot" else to_mermaid(diagram)


def _as_json(plan: Plan, edges: Sequence[Edge]) -> dict[str, Any]:
    """Put stages and edges in plain lists."""
    stages = [
        {
            "name": name,
            "transform": node.stage.transform.name,
            "inputs": list(node.stage.inputs),
            "snapshot": node.stage.snapshot,
            "columns": node.schema.names(),
        }
        for name, node in plan.nodes.items()
    ]
    return {"stages": stages, "edges": [asdict(edge) for edge in edges]}


def describe_plan(plan: Plan, edges: Sequence[Edge]) -> str:
    """List the stages, their inputs and snapshots, and whose lineage is unknown."""
    unknown = {edge.stage for edge in edges if edge.kind == UNKNOWN}
    width = max(map(len, plan.nodes))
    lines = [
        f"{name:{width}} <- {', '.join(node.stage.inputs)}"
        + (f"  => snapshot {node.stage.snapshot}" if node.stage.snapshot else "")
        + ("  (in part unknown)" if name in unknown else "")
        for name, node in plan.nodes.items()
    ]
    return "\n".join(lines)


def describe_stage(plan: Plan, edges: Sequence[Edge], name: str) -> str:
    """List the columns of a stage, and the source columns each is made of."""
    stage = find_stage(plan, name)
    found = origins(plan, edges)
    names = columns_of(plan, stage)
    width = max(map(len, names))
    return "\n".join(
        f"{column:{width}} <- {_sources(found[stage, column])}" for column in names
    )


def _sources(deps: Iterable[tuple[str, str]]) -> str:
    """Name the source columns a value is made of, or else those that decide it."""
    deps = list(deps)
    sure = [column for column, kind in deps if kind in DIRECT]
    unknown = [column for column, kind in deps if kind == UNKNOWN]
    rest = list(dict.fromkeys(column for column, _ in deps))
    if sure or unknown:
        doubt = f"perhaps {_list(unknown)}" if unknown else ""
        return ", ".join(part for part in (", ".join(sure), doubt) if part)
    return f"{', '.join(rest)} (indirect)" if rest else "constant"


def describe_column(plan: Plan, edges: Sequence[Edge], name: str) -> str:
    """Tell what a column is made of, stage by stage back; what decides it, briefly."""
    at = find_column(plan, name)
    value = _backwards(upstream(plan, edges, name, VALUE))
    rest = _backwards(upstream(plan, edges, name, (*INDIRECT, UNKNOWN)))
    on_way = {at, *((edge.input, edge.input_column) for edge in value)}
    decided = [
        edge
        for edge in _backwards(_only_indirect(edges))
        if (edge.stage, edge.column) in on_way
    ]
    return "\n".join(
        [
            f"{name} <- {_sources(origins(plan, edges)[at])}",
            *_made_of(value),
            *_section("what else decides its value:", decided),
            *_section("which rows there are, and their order:", _rows(rest)),
        ]
    )


def describe_forward(plan: Plan, edges: Sequence[Edge], name: str) -> str:
    """Tell what is made of a column, stage by stage; what it decides, briefly."""
    at = find_column(plan, name)
    value = downstream(plan, edges, name, VALUE)
    on_way = {at, *((edge.stage, edge.column) for edge in value)}
    lines = [name, *_made_of(value)]
    for snapshot, node in plan.snapshots.items():
        reached = [c for c in node.schema if (node.stage.name, c) in on_way]
        if reached:
            lines.append(f"in snapshot {snapshot}: {', '.join(reached)}")
    rest = [
        edge
        for edge in _only_indirect(edges)
        if (edge.input, edge.input_column) in on_way
    ]
    decided = [edge for edge in rest if edge.column is not None]
    lines += _section("what else it decides the value of:", decided)
    title = "where it decides which rows there are, or their order:"
    return "\n".join([*lines, *_section(title, _rows(rest))])


def _backwards(edges: Iterable[Edge]) -> list[Edge]:
    """Put the last stage first; within a stage the order stays."""
    stages = [list(group) for _, group in groupby(edges, lambda edge: edge.stage)]
    return [edge for stage in stages[::-1] for edge in stage]


def _rows(edges: Iterable[Edge]) -> list[Edge]:
    """Select what decides the rows of a stage."""
    return [edge for edge in edges if edge.column is None]


def _only_indirect(edges: Sequence[Edge]) -> list[Edge]:
    """Select where a column decides about another, and is not in its value as well."""
    direct = {_ends(edge) for edge in edges if edge.kind in DIRECT}
    return [
        edge
        for edge in edges
        if (edge.kind in INDIRECT and _ends(edge) not in direct)
        or (edge.kind == UNKNOWN and edge.column is None)
    ]


def _ends(edge: Edge) -> tuple[str, str | None, str, str]:
    """Take an edge without its kind."""
    return edge.stage, edge.column, edge.input, edge.input_column


def _made_of(edges: Iterable[Edge]) -> list[str]:
    """Write what each column is made of; leave out those that are passed on as is."""
    lines: list[tuple[str, str]] = []
    for (stage, column), group in groupby(edges, lambda e: (e.stage, e.column)):
        of = list(group)
        is_same = [(e.input_column, e.kind) for e in of] == [(column, DIRECT[0])]
        if column is not None and not is_same:
            lines.append((stage, f"{column} <- {_by_kind(of)}"))
    return _aligned(lines)


def _section(title: str, edges: Iterable[Edge]) -> list[str]:
    """Write by stage which columns are affected by which."""
    lines: list[tuple[str, str]] = []
    for stage, group in groupby(edges, lambda edge: edge.stage):
        of = list(group)
        columns = list(dict.fromkeys(edge.column for edge in of if edge.column))
        affected = f"{_list(columns)} by " if columns else ""
        lines.append((stage, affected + _by_kind(of)))
    return [title, *_aligned(lines)] if lines else []


def _by_kind(edges: Iterable[Edge]) -> str:
    """List columns by the ways they matter."""
    kinds: dict[str, set[str]] = {}
    for edge in edges:
        kinds.setdefault(edge.input_column, set()).add(edge.kind)
    columns: dict[str, list[str]] = {}
    for column, found in kinds.items():
        ways = ", ".join(kind for kind in KINDS if kind in found)
        columns.setdefault(ways, []).append(column)
    return "; ".join(f"{_list(names)} ({ways})" for ways, names in columns.items())


def _list(names: Sequence[str]) -> str:
    """List the first names, and say how many there are more."""
    more = f" and {len(names) - _N_SHOWN} more" if len(names) > _N_SHOWN else ""
    return ", ".join(names[:_N_SHOWN]) + more


def _aligned(lines: Sequence[tuple[str, str]]) -> list[str]:
    """Indent lines under a title, with the stages in a column."""
    width = max((len(stage) for stage, _ in lines), default=0)
    return [f"  {stage:{width}}  {text}" for stage, text in lines]
