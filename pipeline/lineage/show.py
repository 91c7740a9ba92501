"""The lineage in words, as a diagram, and for other programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby

from pipeline.errors import LineageError
from pipeline.lineage.diagram import column_diagram, stage_diagram, to_dot, to_mermaid
from pipeline.lineage.graph import (
    SOURCE,
    Column,
    Edge,
    Lineage,
    downstream,
    example_of,
    find_column,
    find_columns,
    find_stage,
    origins,
    upstream,
)
from pipeline.lineage.openlineage import to_openlineage
from pipeline.lineage.value import DIRECT, INDIRECT, KINDS, UNKNOWN

VALUE = (*DIRECT, UNKNOWN)
"""The kinds that lead to what a value is, or may be, made of."""

# So many columns of a list are shown.
_N_SHOWN = 4


def show(
    lineage: Lineage,
    name: str | None,
    format_: str,
    *,
    forward: bool = False,
    descriptions: Mapping[str, Mapping[str, object]] | None = None,
) -> str:
    """Show the stages, or the way from a column back to the source or forward.

    `name` is ``snapshot.column``, ``stage.column``, or a snapshot or stage alone, for
    all of its columns; None shows the stages. Formats are text, mermaid, dot, json, and
    openlineage, which is of all snapshots. What columns mean is said by stage and
    column; text and openlineage show it. A LineageError if there is no such column, or
    the format cannot show what is asked.
    """
    if forward and name is None:
        raise LineageError(
            "lineage: --downstream of what?\n"
            f"hint: name a column, such as {example_of(lineage)}"
        )
    if format_ == "openlineage":
        if name is not None:
            raise LineageError(
                f"lineage: openlineage is of all snapshots, not of '{name}' alone\n"
                "hint: leave the column out, or take --format json"
            )
        return json.dumps(to_openlineage(lineage, descriptions or {}), indent=2)
    if format_ == "json":
        return _to_json(lineage, name, forward=forward)
    if format_ == "text":
        shown = _to_text(lineage, name, forward=forward)
        return f"{_meaning(lineage, name, descriptions or {})}{shown}"
    if name is None:
        diagram = stage_diagram(lineage)
    else:
        edges = (downstream if forward else upstream)(lineage, name, VALUE)
        at = find_columns(lineage, name)
        diagram = column_diagram(lineage, at, edges, forward=forward)
    return to_dot(diagram) if format_ == "dot" else to_mermaid(diagram)


def _to_json(lineage: Lineage, name: str | None, *, forward: bool) -> str:
    """Write all stages and edges, or the edges of a way."""
    if name is None:
        stages = [{"name": n} | asdict(stage) for n, stage in lineage.stages.items()]
        edges = [asdict(edge) for edge in lineage.edges]
        return json.dumps({"stages": stages, "edges": edges}, indent=2)
    found = (downstream if forward else upstream)(lineage, name)
    direction = "downstream" if forward else "upstream"
    shown = {"column": name, direction: [asdict(edge) for edge in found]}
    return json.dumps(shown, indent=2)


def _meaning(
    lineage: Lineage, name: str | None, descriptions: Mapping[str, Mapping[str, object]]
) -> str:
    """Say what a column means, in a line of its own; nothing where that is not said."""
    if name is None or "." not in name:
        return ""
    stage, column = find_column(lineage, name)
    said = descriptions.get(stage, {}).get(column)
    return "" if said is None else f"{name}: {said}\n"


def _to_text(lineage: Lineage, name: str | None, *, forward: bool) -> str:
    """Say it in words."""
    if name is None:
        return describe_stages(lineage)
    if forward:
        return describe_forward(lineage, name)
    return (describe_column if "." in name else describe_stage)(lineage, name)


def describe_stages(lineage: Lineage) -> str:
    """List the stages, their inputs and snapshots, and whose lineage is unknown."""
    unknown = {edge.stage for edge in lineage.edges if edge.kind == UNKNOWN}
    width = max(map(len, lineage.stages))
    return "\n".join(
        f"{name:{width}} <- {', '.join(stage.inputs)}"
        + (f"  => snapshot {stage.snapshot}" if stage.snapshot else "")
        + ("  (in part unknown)" if name in unknown else "")
        for name, stage in lineage.stages.items()
    )


def describe_stage(lineage: Lineage, name: str) -> str:
    """List the columns of a stage, and the source columns each is made of."""
    stage = find_stage(lineage, name)
    found = origins(lineage)
    names = lineage.columns_of(stage)
    width = max(map(len, names))
    return "\n".join(
        f"{column:{width}} <- {_sources(found[stage, column])}" for column in names
    )


def _sources(found: Iterable[tuple[Column, str]]) -> str:
    """Name the source columns a value is made of, or else those that decide it."""
    deps = [
        (at.column if at.stage == SOURCE else ".".join(at), kind) for at, kind in found
    ]
    sure = [column for column, kind in deps if kind in DIRECT]
    unknown = [column for column, kind in deps if kind == UNKNOWN]
    rest = list(dict.fromkeys(column for column, _ in deps))
    if sure or unknown:
        doubt = f"perhaps {_list(unknown)}" if unknown else ""
        return ", ".join(part for part in (", ".join(sure), doubt) if part)
    return f"{', '.join(rest)} (indirect)" if rest else "constant"


def describe_column(lineage: Lineage, name: str) -> str:
    """Tell what a column is made of, stage by stage back; what decides it, briefly."""
    at = find_column(lineage, name)
    value = _backwards(upstream(lineage, name, VALUE))
    rest = _backwards(upstream(lineage, name, (*INDIRECT, UNKNOWN)))
    on_way = {at, *((edge.input, edge.input_column) for edge in value)}
    decided = [
        edge
        for edge in _backwards(_only_indirect(lineage.edges))
        if (edge.stage, edge.column) in on_way
    ]
    return "\n".join(
        [
            f"{name} <- {_sources(origins(lineage)[at])}",
            *_made_of(value),
            *_section("what else decides its value:", decided),
            *_section("which rows there are, and their order:", _rows(rest)),
        ]
    )


def describe_forward(lineage: Lineage, name: str) -> str:
    """Tell what is made of a column, stage by stage; what it decides, briefly."""
    at = find_column(lineage, name)
    value = downstream(lineage, name, VALUE)
    on_way = {at, *((edge.stage, edge.column) for edge in value)}
    lines = [name, *_made_of(value)]
    for snapshot, stage in lineage.snapshots.items():
        reached = [c for c in lineage.columns_of(stage) if (stage, c) in on_way]
        if reached:
            lines.append(f"in snapshot {snapshot}: {', '.join(reached)}")
    rest = [
        edge
        for edge in _only_indirect(lineage.edges)
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
