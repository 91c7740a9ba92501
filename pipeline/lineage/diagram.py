"""Stages and columns as boxes and arrows, in the languages of Mermaid and Graphviz."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.lineage import DIRECT, Edge
from pipeline.lineage.paths import Column
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE


@dataclass(frozen=True)
class Diagram:
    """Boxes and arrows.

    Attributes
    ----------
    boxes : dict of str to str
        The label of each box, by its id.
    arrows : list of (str, str, str)
        From, to, and what stands at the arrow, if anything.
    snapshots : set of str
        The boxes that are published.
    """

    boxes: dict[str, str] = field(default_factory=dict[str, str])
    arrows: list[tuple[str, str, str]] = field(
        default_factory=list[tuple[str, str, str]]
    )
    snapshots: set[str] = field(default_factory=set[str])

    def box(self, label: str) -> str:
        """Return the id of a label's box, and draw it the first time."""
        for id_, known in self.boxes.items():
            if known == label:
                return id_
        id_ = f"n{len(self.boxes)}"
        self.boxes[id_] = label
        return id_

    def arrow(self, start: str, end: str, label: str = "") -> None:
        """Draw an arrow between the boxes of two labels, once."""
        arrow = (self.box(start), self.box(end), label)
        if arrow not in self.arrows:
            self.arrows.append(arrow)


def stage_diagram(plan: Plan) -> Diagram:
    """Draw the stages and the snapshots that are published of them."""
    diagram = Diagram()
    for name, node in plan.nodes.items():
        for input_ in node.stage.inputs:
            diagram.arrow(input_, name)
    for name, node in plan.snapshots.items():
        snapshot = f"snapshot {name}"
        diagram.arrow(node.stage.name, snapshot)
        diagram.snapshots.add(diagram.box(snapshot))
    return diagram


def column_diagram(
    plan: Plan, at: Sequence[Column], edges: Sequence[Edge], *, forward: bool
) -> Diagram:
    """Draw the columns on a way, but for stages that pass a column on as it is.

    Parameters
    ----------
    plan : Plan
        The composed graph.
    at : sequence of Column
        Where the ways begin, or end.
    edges : sequence of Edge
        The ways.
    forward : bool
        They lead from `at` to the snapshots; else from the source to `at`.

    Returns
    -------
    Diagram
        Its boxes are named ``stage.column``.
    """
    passed = {
        (edge.stage, edge.column): (edge.input, edge.input_column)
        for edge in edges
        if edge.kind == DIRECT[0]
        and edge.column == edge.input_column
        and edge.input != SOURCE
    }

    def made(at: tuple[str, str | None]) -> str:
        while at in passed:
            at = passed[at]
        return f"{at[0]}.{at[1]}"

    diagram = Diagram()
    on_way = {(edge.stage, edge.column) for edge in edges}
    for edge in edges:
        end = (edge.stage, edge.column)
        if edge.column is not None and end not in passed:
            diagram.arrow(made((edge.input, edge.input_column)), made(end), edge.kind)
    ends = [
        (made((node.stage.name, column)), f"snapshot {snapshot}.{column}")
        for snapshot, node in plan.snapshots.items()
        for column in node.schema
        if ((node.stage.name, column) in on_way if forward else False)
        or (node.stage.name, column) in at
    ]
    for start, end in ends:
        diagram.arrow(start, end)
        diagram.snapshots.add(diagram.box(end))
    return diagram


def to_mermaid(diagram: Diagram) -> str:
    """Write a flowchart in Mermaid's language."""
    lines = ["flowchart LR"]
    for id_, label in diagram.boxes.items():
        text = label.replace('"', "#quot;")
        shape = f'[("{text}")]' if id_ in diagram.snapshots else f'["{text}"]'
        lines.append(f"    {id_}{shape}")
    for start, end, label in diagram.arrows:
        lines.append(f"    {start} -->{f'|{label}|' if label else ''} {end}")
    return "\n".join(lines)


def to_dot(diagram: Diagram) -> str:
    """Write a directed graph in Graphviz' language."""
    lines = ["digraph lineage {", "    rankdir=LR; node [shape=box];"]
    for id_, label in diagram.boxes.items():
        text = label.replace("\\", "\\\\").replace('"', '\\"')
        shape = " shape=cylinder" if id_ in diagram.snapshots else ""
        lines.append(f'    {id_} [label="{text}"{shape}];')
    for start, end, label in diagram.arrows:
        text = f' [label="{label}"]' if label else ""
        lines.append(f"    {start} -> {end}{text};")
    return "\n".join([*lines, "}"])
