"""The ways of columns through the stages, but for those that hand them on as is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from pipeline.lineage.graph import Column, Edge, Lineage, downstream, origins, upstream
from pipeline.lineage.show import VALUE
from pipeline.lineage.value import DIRECT, INDIRECT, KINDS


@dataclass(frozen=True)
class Decided:
    """What decides values or rows of a stage, without being in them."""

    stage: str
    column: str | None
    """None for the stage's rows."""
    by: Mapping[str, list[Column]]
    """Columns of its inputs, by the kind of the way."""


@dataclass(frozen=True)
class Ways:
    """All columns, each where it was made, and what each is made of."""

    lineage: Lineage

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
        """What each column of a stage is made of, in its inputs."""
        found: dict[Column, list[Edge]] = {}
        for edge in self.lineage.edges:
            if edge.column is not None and edge.kind in VALUE:
                found.setdefault(Column(edge.stage, edge.column), []).append(edge)
        return found

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

    def graph(self, name: str) -> dict[Column, list[Column]]:
        """Draw the way of a column: what it is made of, and what is made of it.

        It is named as for `find_column`. Boxes stand inputs first.
        """
        edges = [
            *upstream(self.lineage, name, VALUE),
            *downstream(self.lineage, name, VALUE),
        ]
        arrows: dict[Column, dict[Column, None]] = {}
        for edge in edges:
            if edge.column is not None:
                end = self.made_at[Column(edge.stage, edge.column)]
                start = self.made_at[Column(edge.input, edge.input_column)]
                arrows.setdefault(start, {})
                of = arrows.setdefault(end, {})
                if start != end:
                    of[start] = None
        return {at: [*arrows[at]] for at in sorted(arrows, key=self._all.__getitem__)}

    @cached_property
    def _origins(self) -> dict[tuple[str, str | None], list[tuple[Column, str]]]:
        return origins(self.lineage)

    def sources_of(self, at: Column) -> list[Column]:
        """Name the columns of sources that a value is made of, or may be."""
        found = (column for column, kind in self._origins[at] if kind in VALUE)
        return [*dict.fromkeys(found)]

    def deciders(self, boxes: Iterable[Column]) -> list[Decided]:
        """Tell what else decides the values of columns, where they were made."""
        return [found for box in boxes if (found := self._decided.get(box))]

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


def before(arrows: Mapping[Column, Iterable[Column]], box: Column) -> list[Column]:
    """Name a box of a graph, and those that lead to it."""
    found, waiting = dict[Column, None](), [box]
    while waiting:
        at = waiting.pop()
        if at not in found:
            found[at] = None
            waiting += arrows[at]
    return [*found]


def kinds_of(edges: Iterable[Edge]) -> Mapping[str, list[Column]]:
    """Gather the inputs of edges by kind, the plainest first."""
    found = {kind: list[Column]() for kind in KINDS}
    for edge in edges:
        found[edge.kind].append(Column(edge.input, edge.input_column))
    return {kind: columns for kind, columns in found.items() if columns}
