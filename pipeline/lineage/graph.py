"""The graph of columns, and the ways through it: back, forth, and to the source."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.errors import LineageError, nearest
from pipeline.lineage.value import KINDS, NOTHING, Deps, strongest, through

SOURCE = "source"
"""What a stage names as its input to read the raw rows."""


@dataclass(frozen=True)
class Edge:
    """That a column of a stage depends on a column of one of its inputs."""

    stage: str
    column: str | None
    """None for all columns: which rows there are, and how they are arranged."""
    input: str
    """Another stage, or ``source``."""
    input_column: str
    kind: str
    """The way, of `value.KINDS`. Direct: 'identity' (as it is, perhaps renamed),
    'transformation' (computed, row by row or from other rows) and 'aggregation' (from a
    group's rows). Indirect: 'join', 'group_by' (also distinct rows), 'filter' (also
    rows made by exploding), 'sort', 'window' (what ``over`` and ``rolling`` divide and
    order by) and 'conditional' (what decides in ``when`` and in look-ups). 'unknown':
    it may depend on it, in whatever way."""


@dataclass(frozen=True)
class TracedStage:
    """A stage, as far as columns go."""

    transform: str
    inputs: Sequence[str]
    snapshot: str | None
    columns: list[str]


@dataclass(frozen=True)
class Lineage:
    """All columns of a pipeline, and what each is made of."""

    source: list[str]
    """The source's columns."""
    stages: dict[str, TracedStage]
    """Inputs before users."""
    edges: list[Edge]
    """By stage in that order, by column as the stage has them, with those of the rows
    last, by input column and kind. Of the direct ways in which a column depends on
    another, there is the one furthest from identity."""
    others: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    """The columns of other sources, by name."""

    @property
    def sources(self) -> dict[str, list[str]]:
        """The columns of each source."""
        return {SOURCE: self.source, **self.others}

    @property
    def snapshots(self) -> dict[str, str]:
        """The stage of each snapshot."""
        return {s.snapshot: name for name, s in self.stages.items() if s.snapshot}

    def columns_of(self, stage: str) -> list[str]:
        """Name the columns of a stage, or of a source."""
        found = self.sources.get(stage)
        return self.stages[stage].columns if found is None else found


class Column(NamedTuple):
    """A column of a stage, or of ``source``."""

    stage: str
    column: str


def find_stage(lineage: Lineage, name: str) -> str:
    """Find the stage of a snapshot's name, or else its own; ``source`` is one, too."""
    snapshots = lineage.snapshots
    stages = [*lineage.stages, *lineage.sources]
    known = {**{stage: stage for stage in stages}, **snapshots}
    if name in known:
        return known[name]
    names = list(dict.fromkeys([*snapshots, *known]))
    holders = [n for n in names if name in lineage.columns_of(known[n])]
    meant = nearest(name, names)
    if holders:
        meant = f"; did you mean '{holders[0]}.{name}'?"
    example = f"{holders[0]}.{name}" if holders else example_of(lineage)
    raise LineageError(
        f"lineage: no snapshot or stage '{name}'{meant}\n"
        f"found: {', '.join(names)}\n"
        f"hint: name a column as SNAPSHOT.COLUMN or STAGE.COLUMN, such as {example}"
    )


def example_of(lineage: Lineage) -> str:
    """Name a column that there is, as an example."""
    return f"'{SOURCE}.{lineage.source[0]}'"


def find_column(lineage: Lineage, name: str) -> Column:
    """Find a column by ``snapshot.column`` or ``stage.column``."""
    owner, dot, column = name.partition(".")
    stage = find_stage(lineage, owner)
    known = lineage.columns_of(stage)
    if column not in known:
        what = f"'{owner}' has no column '{column}'{nearest(column, known)}"
        raise LineageError(
            f"lineage: {what if dot else f'which column of {owner!r}?'}\n"
            f"found: {', '.join(known)}\n"
            "hint: `just plan` shows the columns of every stage"
        )
    return Column(stage, column)


def find_columns(lineage: Lineage, name: str) -> list[Column]:
    """Find a column as `find_column` does, or all of a snapshot or stage alone."""
    if "." in name:
        return [find_column(lineage, name)]
    stage = find_stage(lineage, name)
    return [Column(stage, column) for column in lineage.columns_of(stage)]


def upstream(lineage: Lineage, name: str, kinds: Collection[str] = KINDS) -> list[Edge]:
    """Find all that a column, or a whole stage, depends on in every stage before.

    It is named as for `find_columns`. Edges of which rows there are count for every
    stage on the way, as each hands its rows on.
    """
    columns: set[tuple[str, str | None]] = set(find_columns(lineage, name))
    stages = {stage for stage, _ in columns}
    for stage in reversed(lineage.stages):
        if stage in stages:
            stages.update(lineage.stages[stage].inputs)
    found: list[Edge] = []
    # A stage's inputs stand before it, so that one pass sees every way.
    for edge in reversed(lineage.edges):
        is_rows = edge.column is None and edge.stage in stages
        if edge.kind in kinds and (is_rows or (edge.stage, edge.column) in columns):
            found.append(edge)
            columns.add((edge.input, edge.input_column))
    return found[::-1]


def downstream(
    lineage: Lineage, name: str, kinds: Collection[str] = KINDS
) -> list[Edge]:
    """Find all that depends on a column, or a whole stage, through every stage after.

    It is named as for `find_columns`. Where an edge has the column None, all columns of
    that stage and of every stage after it depend on the column, by their rows.
    """
    columns: set[tuple[str, str | None]] = set(find_columns(lineage, name))
    found: list[Edge] = []
    for edge in lineage.edges:
        if edge.kind in kinds and (edge.input, edge.input_column) in columns:
            found.append(edge)
            columns.add((edge.stage, edge.column))
    return found


def origins(
    lineage: Lineage, leaf: str = SOURCE
) -> dict[tuple[str, str | None], list[tuple[Column, str]]]:
    """Trace every column of every stage back to the sources, or to a stage on the way.

    Each has the columns of a source, or of the `leaf`, that it comes from and their
    kinds, in their order. Under the column None: what decides which rows of the stage
    there are, and their order.
    """
    roots = {**lineage.sources, leaf: lineage.columns_of(leaf)}
    names = [Column(root, name) for root, columns in roots.items() for name in columns]
    deps: dict[tuple[str, str | None], Deps] = {
        name: frozenset([(name, KINDS[0])]) for name in names
    }
    for name, stage in lineage.stages.items():
        if name == leaf:
            continue
        rows = [deps.get((input_, None), NOTHING) for input_ in stage.inputs]
        deps |= {(name, column): NOTHING for column in stage.columns}
        deps[name, None] = NOTHING.union(*rows)
        for edge in lineage.edges:
            if edge.stage == name:
                found = through(edge.kind, deps[edge.input, edge.input_column])
                deps[name, edge.column] |= found
    return {
        at: sorted(
            ((Column(*at), kind) for at, kind in strongest(found)),
            key=lambda dep: (names.index(dep[0]), KINDS.index(dep[1])),
        )
        for at, found in deps.items()
    }
