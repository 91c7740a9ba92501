"""Stages and columns as boxes and arrows, in the languages of Mermaid and Graphviz."""

from collections import Counter
from collections.abc import Sequence

from pipeline.lineage.graph import Column, Edge, Lineage
from pipeline.lineage.value import DIRECT


class Diagram:
    """Boxes and arrows."""

    def __init__(self) -> None:
        self.boxes: dict[str, str] = {}
        """The id of each box, by its label."""
        self.arrows: dict[tuple[str, str, str], None] = {}
        """From, to, and what stands at the arrow, if anything; each once, in order."""
        self.snapshots: set[str] = set()
        """The labels of what is published."""

    def arrow(self, start: str, end: str, label: str = "") -> None:
        """Draw an arrow between the boxes of two labels."""
        ids = [self.boxes.setdefault(x, f"n{len(self.boxes)}") for x in (start, end)]
        self.arrows[ids[0], ids[1], label] = None

    def publish(self, start: str, snapshot: str) -> None:
        """Draw an arrow to a snapshot, or a column of one."""
        self.arrow(start, snapshot)
        self.snapshots.add(snapshot)

    @property
    def direction(self) -> str:
        """Down, as of a chain of stages, unless it is broader than it is deep.

        What is deep would be as wide as many boxes, on no page to be read.
        """
        depth = dict.fromkeys(self.boxes.values(), 0)
        for start, end, _ in self.arrows:  # what leads to a box stands before it
            depth[end] = max(depth[end], depth[start] + 1)
        levels = Counter(depth.values())
        return "TB" if len(levels) >= max(levels.values(), default=0) else "LR"


def stage_diagram(lineage: Lineage) -> Diagram:
    """Draw the stages and the snapshots that are published of them."""
    diagram = Diagram()
    for name, stage in lineage.stages.items():
        for input_ in stage.inputs:
            diagram.arrow(input_, name)
    for snapshot, stage in lineage.snapshots.items():
        diagram.publish(stage, f"snapshot {snapshot}")
    return diagram


def column_diagram(
    lineage: Lineage, at: Sequence[Column], edges: Sequence[Edge], *, forward: bool
) -> Diagram:
    """Draw the columns on a way, but for stages that pass a column on as it is.

    The edges lead from `at` forward to the snapshots, or else from the source to `at`.
    """
    passed = {
        (edge.stage, edge.column): (edge.input, edge.input_column)
        for edge in edges
        if edge.kind == DIRECT[0]
        and edge.column == edge.input_column
        and edge.input not in lineage.sources
    }

    def made(at: tuple[str, str | None]) -> str:
        while at in passed:
            at = passed[at]
        return f"{at[0]}.{at[1]}"

    diagram = Diagram()
    for edge in edges:
        end = (edge.stage, edge.column)
        if edge.column is not None and end not in passed:
            diagram.arrow(made((edge.input, edge.input_column)), made(end), edge.kind)
    ends: set[tuple[str, str | None]] = {*at}
    if forward:
        ends |= {(edge.stage, edge.column) for edge in edges}
    for snapshot, stage in lineage.snapshots.items():
        for column in lineage.columns_of(stage):
            if (stage, column) in ends:
                diagram.publish(made((stage, column)), f"snapshot {snapshot}.{column}")
    return diagram


def to_mermaid(diagram: Diagram) -> str:
    """Write a flowchart in Mermaid's language."""
    lines = [f"flowchart {diagram.direction}"]
    for label, id_ in diagram.boxes.items():
        text = label.replace('"', "#quot;")
        shape = f'[("{text}")]' if label in diagram.snapshots else f'["{text}"]'
        lines.append(f"    {id_}{shape}")
    for start, end, label in diagram.arrows:
        lines.append(f"    {start} -->{f'|{label}|' if label else ''} {end}")
    return "\n".join(lines)


def to_dot(diagram: Diagram) -> str:
    """Write a directed graph in Graphviz' language."""
    head = f"    rankdir={diagram.direction}; node [shape=box];"
    lines = ["digraph lineage {", head]
    for label, id_ in diagram.boxes.items():
        text = label.replace("\\", "\\\\").replace('"', '\\"')
        shape = " shape=cylinder" if label in diagram.snapshots else ""
        lines.append(f'    {id_} [label="{text}"{shape}];')
    for start, end, label in diagram.arrows:
        text = f' [label="{label}"]' if label else ""
        lines.append(f"    {start} -> {end}{text};")
    return "\n".join([*lines, "}"])
