"""The graph of columns: what stages there are, and which column depends on which."""

from collections.abc import Sequence
from dataclasses import dataclass

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

    @property
    def snapshots(self) -> dict[str, str]:
        """The stage of each snapshot."""
        return {s.snapshot: name for name, s in self.stages.items() if s.snapshot}

    def columns_of(self, stage: str) -> list[str]:
        """Name the columns of a stage, or of the source."""
        return self.source if stage == SOURCE else self.stages[stage].columns
