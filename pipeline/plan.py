"""Compose stages into one graph of lazy frames, and check it before data is read."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import SchemaError, nearest
from pipeline.settings import SOURCE, Stage
from pipeline.transforms import load_transform


@dataclass(frozen=True)
class Node:
    """A stage with its place in the graph."""

    stage: Stage
    lf: pl.LazyFrame
    schema: pl.Schema


@dataclass(frozen=True)
class Plan:
    """The composed graph.

    Attributes
    ----------
    source : pl.LazyFrame
        The raw rows.
    nodes : dict of str to Node
        One per stage, in the order of the configuration.
    """

    source: pl.LazyFrame
    nodes: dict[str, Node]

    @property
    def snapshots(self) -> dict[str, Node]:
        """The stages that are published, by the name of their snapshot."""
        return {n.stage.snapshot: n for n in self.nodes.values() if n.stage.snapshot}


def compose(source: pl.LazyFrame, stages: Sequence[Stage]) -> Plan:
    """Build the graph stage by stage; nothing is read.

    Parameters
    ----------
    source : pl.LazyFrame
        The raw rows.
    stages : sequence of Stage
        Inputs before users.

    Returns
    -------
    Plan
        Every node's schema is resolved.

    Raises
    ------
    SchemaError
        If a stage asks for a column or a dtype that its input does not have; names the
        stage, its file and the columns there are.
    """
    nodes: dict[str, Node] = {}
    for stage in stages:
        schemas = [
            source.collect_schema() if name == SOURCE else nodes[name].schema
            for name in stage.inputs
        ]
        inputs = [source if name == SOURCE else nodes[name].lf for name in stage.inputs]
        schema = _output_schema(stage, schemas)
        lf = load_transform(stage.transform).apply(*inputs, stage.config)
        nodes[stage.name] = Node(stage, lf, schema)
    return Plan(source, nodes)


def _output_schema(stage: Stage, inputs: Sequence[pl.Schema]) -> pl.Schema:
    """Resolve what a stage makes of its inputs' columns.

    The transformation is tried on empty frames, so that the cost does not grow with the
    stages before it, whose plans it would resolve again.
    """
    apply = load_transform(stage.transform).apply
    try:
        frames = [pl.LazyFrame(schema=schema) for schema in inputs]
        schema = apply(*frames, stage.config).collect_schema()
        missing = [name for name in stage.key if name not in schema]
        if missing:
            raise SchemaError(f"snapshot '{stage.snapshot}' has no key {missing}")
    except (PolarsError, SchemaError) as error:
        raise _schema_error(stage, inputs, error) from error
    return schema


def _schema_error(
    stage: Stage, inputs: Sequence[pl.Schema], error: Exception
) -> SchemaError:
    """Say which stage asked for what, and what there was."""
    found = [name for schema in inputs for name in schema]
    # Polars appends the columns there are, our working columns among them.
    what = str(error).strip().splitlines()[0].partition("; valid columns")[0]
    wanted = what.split('"')[1] if what.count('"') >= 2 else what
    return SchemaError(
        f"stage '{stage.name}' (pipeline/transforms/{stage.transform}.py): "
        f"{what}{nearest(wanted, found)}\n"
        f"found in {', '.join(stage.inputs)}: {', '.join(found)}\n"
        f"hint: see {stage.file} and '{stage.name}' in configs/pipeline.yaml"
    )
