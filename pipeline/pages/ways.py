"""The ways of columns through the stages, but for those that hand them on as is."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from pipeline.lineage.graph import Column, Edge, Lineage, origins
from pipeline.lineage.show import VALUE
from pipeline.lineage.value import DIRECT, INDIRECT, KINDS

MAX_BOXES = 60
"""That are drawn of what a column is made of, and of what is made of it."""

_Decision: TypeAlias = tuple[str, str | None, str]
"""A stage, a column of it or None for its rows, and the way they are decided."""


@dataclass(frozen=True)
class Decided:
    """What decides values or rows of a stage, without being in them."""

    stage: str
    column: str | None
    """None for the stage's rows."""
    by: Mapping[str, list[Column]]
    """Columns of its inputs, by the kind of the way."""


@dataclass(frozen=True)
class Decides:
    """What a column decides in a stage, without being in it."""

    stage: str
    rows: list[str]
    """The ways in which it decides which rows there are."""
    columns: dict[str, list[Column]]
    """Whose values it decides, by the way."""


@dataclass(frozen=True)
class Ways:
    """All columns, each where it was made, and what each is made of."""

    lineage: Lineage
    expressions: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict[str, Mapping[str, str]]
    )
    """How columns are written, by stage, as far as that can be read."""

    def kinds(self, at: Column) -> dict[str, list[Column]]:
        """Tell what a column is made of, by kind."""
        return self._kinds.get(at, {})

    @cached_property
    def _kinds(self) -> dict[Column, dict[str, list[Column]]]:
        return {at: kinds_of(edges) for at, edges in self.made_of.items()}

    def written(self, at: Column) -> str:
        """Write how a column is computed; nothing of one that is only renamed."""
        is_renamed = [*self.kinds(at)] == [DIRECT[0]]
        return (
            "" if is_renamed else self.expressions.get(at.stage, {}).get(at.column, "")
        )

    @cached_property
    def _handed_on(self) -> dict[Column, Column]:
        """Columns that are another's as they are, under the same name."""
        found: dict[Column, Column] = {}
        for (stage, column), edges in self.made_of.items():
            [first, *others] = edges
            is_same = first.kind == DIRECT[0] and first.input_column == column
            if is_same and not others and first.input not in self.lineage.sources:
                found[Column(stage, column)] = Column(first.input, first.input_column)
        return found

    @cached_property
    def made_of(self) -> dict[Column, list[Edge]]:
        """What each column of a stage is made of, in its inputs.

        Of one that no value is in, as of a count, what decides it.
        """
        within: dict[Column, list[Edge]] = {}
        around: dict[Column, list[Edge]] = {}
        for edge in self.lineage.edges:
            if edge.column is not None:
                found = within if edge.kind in VALUE else around
                found.setdefault(Column(edge.stage, edge.column), []).append(edge)
        return around | within

    @cached_property
    def made_at(self) -> dict[Column, Column]:
        """Where each column was made."""
        found: dict[Column, Column] = {}
        for at in self._all:
            before = self._handed_on.get(at)
            found[at] = found[before] if before else at
        return found

    @cached_property
    def _all(self) -> dict[Column, int]:
        """All columns, those of inputs first, and their places."""
        names = [*self.lineage.sources, *self.lineage.stages]
        columns = (Column(n, c) for n in names for c in self.lineage.columns_of(n))
        return {column: i for i, column in enumerate(columns)}

    def is_handed_on(self, at: Column) -> bool:
        """Tell whether a column is an input's as it is, under the same name."""
        return at in self._handed_on

    @cached_property
    def published(self) -> dict[Column, list[str]]:
        """The snapshots that show each column, by where it was made."""
        found: dict[Column, list[str]] = {}
        for snapshot, stage in self.lineage.snapshots.items():
            for column in self.lineage.columns_of(stage):
                found.setdefault(self.made_at[Column(stage, column)], []).append(
                    snapshot
                )
        return found

    @cached_property
    def _inputs(self) -> dict[Column, list[Column]]:
        """What each box is made of, as boxes, inputs first."""
        boxes = dict.fromkeys(self.made_at.values())
        return {
            box: [
                *dict.fromkeys(
                    self.made_at[Column(edge.input, edge.input_column)]
                    for edge in self.made_of.get(box, [])
                )
            ]
            for box in boxes
        }

    @cached_property
    def _users(self) -> dict[Column, list[Column]]:
        """What is made of each box."""
        found: dict[Column, list[Column]] = {box: [] for box in self._inputs}
        for box, inputs in self._inputs.items():
            for given in inputs:
                found[given].append(box)
        return found

    def graph(self, at: Column) -> dict[Column, list[Column]]:
        """Draw the way of a column: what it is made of, and what is made of it.

        Boxes stand inputs first, each with those of its inputs that are on the way. Of
        long ways those next to the column are drawn.
        """
        on_way = {*self.back(at)[:MAX_BOXES], *self.on(at)[:MAX_BOXES]}
        return {
            box: [given for given in self._inputs[box] if given in on_way]
            for box in sorted(on_way, key=self._all.__getitem__)
        }

    def n_left_out(self, at: Column) -> int:
        """Count the boxes of its way that a graph leaves out."""
        ways = (self.back(at), self.on(at))
        return sum(max(len(way) - MAX_BOXES, 0) for way in ways)

    def back(self, at: Column) -> list[Column]:
        """Name the boxes that a column is made of, its own first."""
        return reached(self._inputs, self.made_at[at])

    def on(self, at: Column) -> list[Column]:
        """Name the boxes that are made of a column, its own first."""
        return reached(self._users, self.made_at[at])

    def shown(self, boxes: Iterable[Column], snapshot: str) -> list[str]:
        """Name the columns of a snapshot that boxes are, where they were made."""
        stage, wanted = self.lineage.snapshots.get(snapshot), {*boxes}
        names = self.lineage.columns_of(stage) if stage else ()
        return [c for c in names if stage and self.made_at[Column(stage, c)] in wanted]

    @cached_property
    def _origins(self) -> dict[tuple[str, str | None], list[tuple[Column, str]]]:
        return origins(self.lineage)

    def sources_of(self, at: Column) -> tuple[list[Column], bool]:
        """Name the columns of sources that are, or may be, in a value.

        Where there are none, those that decide it, as of a count; the second says
        which it is.
        """
        found = self._origins[at]
        within = dict.fromkeys(column for column, kind in found if kind in VALUE)
        return [*(within or dict.fromkeys(c for c, _ in found))], bool(within)

    def decided(self, at: Column) -> Decided | None:
        """Tell what decides the values of a column, beside what it is made of."""
        kinds = self.kinds(at)
        is_within = any(kind in VALUE for kind in kinds)
        return self._decided.get(at) if is_within else None

    def decides(self, at: Column) -> list[Decides]:
        """Tell of which values and rows a column decides, without being in them."""
        way = {*self.on(at)}
        found: dict[str, Decides] = {}
        ways = {of: None for box in way for of in self._decided_by.get(box, ())}
        for stage, column, kind in sorted(ways, key=self._decisions.__getitem__):
            of = found.setdefault(stage, Decides(stage, [], {}))
            if column is None:
                of.rows.append(kind)
            elif self.made_at[Column(stage, column)] not in way:
                of.columns.setdefault(kind, []).append(Column(stage, column))
        return [of for of in found.values() if of.rows or of.columns]

    @cached_property
    def _decisions(self) -> dict[_Decision, int]:
        """The places of all decisions, in the order of the edges."""
        ways = [(*at, kind) for at, of in self._decided.items() for kind in of.by]
        return {way: i for i, way in enumerate(ways)}

    @cached_property
    def _decided_by(self) -> dict[Column, list[_Decision]]:
        """What each box decides."""
        found: dict[Column, list[_Decision]] = {}
        for (stage, column), decided in self._decided.items():
            for kind, columns in decided.by.items():
                for box in {self.made_at[c]: None for c in columns}:
                    found.setdefault(box, []).append((stage, column, kind))
        return found

    def deciders(self, boxes: Iterable[Column]) -> list[Decided]:
        """Tell what else decides the values of columns, where they were made."""
        return [found for box in boxes if (found := self.decided(box))]

    def rows(self, stage: str) -> list[Decided]:
        """Tell what decides which rows of a stage there are, in it and those before."""
        stages, known = {stage}, self.lineage.stages
        for name in reversed(known):
            if name in stages:
                stages.update(known[name].inputs)
        found = (self.rows_of(name) for name in known if name in stages)
        return [decided for decided in found if decided]

    def rows_of(self, stage: str) -> Decided | None:
        """Tell what decides the rows of a stage in itself."""
        return self._decided.get((stage, None))

    @cached_property
    def _decided(self) -> dict[tuple[str, str | None], Decided]:
        """What decides the values of columns, and under None the rows of stages."""
        edges: dict[tuple[str, str | None], list[Edge]] = {}
        for edge in self.lineage.edges:
            if edge.column is None or edge.kind in INDIRECT:
                edges.setdefault((edge.stage, edge.column), []).append(edge)
        return {at: Decided(*at, kinds_of(found)) for at, found in edges.items()}


def reached(arrows: Mapping[Column, Iterable[Column]], box: Column) -> list[Column]:
    """Name a box, and those that arrows lead to from it, the next ones first."""
    found, waiting = dict[Column, None](), deque([box])
    while waiting:
        at = waiting.popleft()
        if at not in found:
            found[at] = None
            waiting += arrows[at]
    return [*found]


def kinds_of(edges: Iterable[Edge]) -> dict[str, list[Column]]:
    """Gather the inputs of edges by kind, the plainest first."""
    found: dict[str, list[Column]] = {}
    for edge in edges:
        at = Column(edge.input, edge.input_column)
        found.setdefault(edge.kind, []).append(at)
    return {kind: found[kind] for kind in sorted(found, key=KINDS.index)}
