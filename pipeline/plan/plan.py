"""The graph that stages compose to: what each makes, and which needs which."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from pipeline.errors import SchemaError
from pipeline.lineage import ir
from pipeline.lineage.graph import SOURCE, Edge, Lineage, TracedStage
from pipeline.lineage.trace import trace_function
from pipeline.plan.settings import Stage
from pipeline.plan.wiring import Wiring

EDGES: dict[str, list[Edge]] = {}
"""Of stages, by all that decides them: see `pipeline.plan.found`."""

KEEPS_ROWS: dict[str, bool] = {}
"""Whether stages have as many rows as their first input, as above."""


@dataclass(frozen=True)
class Node:
    """A stage with its place in the graph."""

    stage: Stage
    lf: pl.LazyFrame
    schema: pl.Schema
    digest: str
    """Hash of what the stage does to inputs of these schemas: config, code, helpers
    and constants all show in it; names of variables and layout do not."""


@dataclass(frozen=True)
class Plan:
    """The composed graph."""

    source: pl.LazyFrame
    """The raw rows."""
    nodes: dict[str, Node]
    """One per stage, in the order of the configuration."""
    others: Mapping[str, pl.LazyFrame] = field(default_factory=dict[str, pl.LazyFrame])
    """The rows of the other sources."""

    @property
    def sources(self) -> dict[str, pl.LazyFrame]:
        """The raw rows of each source."""
        return {SOURCE: self.source, **self.others}

    @property
    def snapshots(self) -> dict[str, Node]:
        """The stages that are published, by the name of their snapshot."""
        return {n.stage.snapshot: n for n in self.nodes.values() if n.stage.snapshot}

    @property
    def wiring(self) -> Wiring:
        """The names of the stages, as far as there are some."""
        inputs: dict[str, Sequence[str]] = {
            name: node.stage.inputs for name, node in self.nodes.items()
        }
        snapshots = {name: node.stage.name for name, node in self.snapshots.items()}
        return Wiring([*self.sources], inputs, snapshots)

    def lf(self, name: str) -> pl.LazyFrame:
        """Return the output of a stage, or a source."""
        given = self.sources.get(name)
        return self.nodes[name].lf if given is None else given

    def schema(self, name: str) -> pl.Schema:
        """Return the columns of a stage, or of a source."""
        given = self.sources.get(name)
        return self.nodes[name].schema if given is None else given.collect_schema()

    def reads(self, stages: Iterable[str]) -> list[str]:
        """Name the other sources that stages read."""
        inputs = {name for stage in stages for name in self.nodes[stage].stage.inputs}
        return [name for name in self.others if name in inputs]

    def upstream(
        self, stages: Iterable[str], leaves: Iterable[str] = ()
    ) -> dict[str, Node]:
        """Find the stages that some stages need, themselves among them.

        The output of `leaves` is there: they are not needed, nor what is above them.
        """
        return {n: self.nodes[n] for n in self.wiring.upstream(stages, leaves)}

    def downstream(self, stage: str) -> dict[str, Node]:
        """Find the stages that use a stage's output, the stage itself among them."""
        return {name: self.nodes[name] for name in self.wiring.downstream(stage)}

    def alike(self, stages: Iterable[str]) -> dict[str, str]:
        """Tell which stages surely have as many rows as another, whatever the data.

        Each of the stages, inputs before users, has the first of them that has as many
        rows; often itself.
        """
        first: dict[str, str] = {}
        for name in stages:
            given = self.nodes[name].stage.inputs[0]
            keeps = given in first and self._keeps_rows(name)
            first[name] = first[given] if keeps else name
        return first

    def _keeps_rows(self, name: str) -> bool:
        """Tell whether a stage has as many rows as its first input."""
        stage, key = self.nodes[name].stage, self._key(name)
        if key not in KEEPS_ROWS:
            frames = [never_read(self.schema(given)) for given in stage.inputs]
            KEEPS_ROWS[key] = has_as_many_rows(stage.apply(*frames), frames[0])
        return KEEPS_ROWS[key]

    def _key(self, name: str) -> str:
        """Write all that decides what a stage does."""
        stage, digest = self.nodes[name].stage, self.nodes[name].digest
        schemas = tuple((of, tuple(self.schema(of).items())) for of in stage.inputs)
        return repr((ir.VERSION, name, digest, schemas))

    def edges(self, name: str) -> list[Edge]:
        """Tell which columns of its inputs the columns of a stage depend on."""
        stage, key = self.nodes[name].stage, self._key(name)
        inputs = [(given, self.schema(given)) for given in stage.inputs]
        if key not in EDGES:
            EDGES[key] = trace_function(stage.apply, inputs, stage=name)
        return EDGES[key]

    def lineage(self) -> Lineage:
        """Derive the lineage of all columns; nothing is read."""
        stages = {
            name: TracedStage(
                node.stage.transform.name,
                node.stage.inputs,
                node.stage.snapshot,
                node.schema.names(),
            )
            for name, node in self.nodes.items()
        }
        edges = [edge for name in self.nodes for edge in self.edges(name)]
        columns = {name: self.schema(name).names() for name in self.sources}
        return Lineage(columns.pop(SOURCE), stages, edges, columns)


def never_read(schema: pl.Schema) -> pl.LazyFrame:
    """Make a frame of some columns that a transformation cannot collect."""

    def refuse(_: pl.DataFrame) -> pl.DataFrame:
        raise SchemaError("collects rows, expected to stay lazy")

    return pl.LazyFrame(schema=schema).map_batches(refuse, schema=schema)


def has_as_many_rows(lf: pl.LazyFrame, given: pl.LazyFrame) -> bool:
    """Tell whether Polars itself would count one frame's rows by counting another's.

    Its optimizer drops from a count all that cannot change it. `lf` is made of `given`,
    which is as of `never_read`: of others Polars may know how many rows there are, and
    not say what it made of that. False where it cannot be told.
    """
    made, before = (frame.select(pl.len()).explain() for frame in (lf, given))
    return made == before
