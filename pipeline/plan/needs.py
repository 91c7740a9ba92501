"""Which columns of the stages before it a stage is made of, and what it makes of them.

Lineage says which columns a stage needs. Each stage before it is then given these
alone, and what it does to them is hashed: columns that make no difference do not show.
Where lineage, or the stage without the others, cannot be followed, all columns count.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.plan.compose import digest_of
from pipeline.plan.plan import Node, Plan
from pipeline.plan.settings import Stage

HANDED_ON = ""
"""The digest of a stage that leaves what is needed of its first input as it is."""

NEEDS: dict[str, tuple[dict[str, set[str]], str]] = {}
"""Of stages, by all that decides them: see `pipeline.plan.found`."""


@dataclass(frozen=True)
class Needs:
    """What a stage is made of."""

    given: dict[str, list[str]]
    """The needed columns of each source, or stage whose output is there."""
    digests: dict[str, str]
    """What each stage on the way does to what is needed, inputs before users."""


def needs_of(plan: Plan, stage: str, there: Collection[str]) -> Needs:
    """Follow a stage back to the sources, or to stages whose output is there."""
    leaves = {*plan.sources, *there} - {stage}
    needed: dict[str, set[str]] = {stage: set(plan.schema(stage))}
    digests: dict[str, str] = {}
    for name, node in reversed(plan.upstream([stage], leaves).items()):
        columns = [column for column in node.schema if column in needed[name]]
        inputs, digests[name] = _of_stage(plan, node, columns)
        for given, found in inputs.items():
            needed.setdefault(given, set()).update(found)
    return Needs(
        {
            name: [column for column in plan.schema(name) if column in needed[name]]
            for name in needed
            if name in leaves
        },
        dict(reversed(digests.items())),
    )


def _of_stage(
    plan: Plan, node: Node, columns: Sequence[str]
) -> tuple[dict[str, set[str]], str]:
    """Say what columns of a stage need of its inputs, and hash what it does to that."""
    stage = node.stage
    whole = {given: plan.schema(given) for given in stage.inputs}
    given = tuple((name, *schema.items()) for name, schema in whole.items())
    key = repr((stage.name, node.digest, given, *columns))
    if key not in NEEDS:
        inputs = {given: set[str]() for given in whole}
        for edge in plan.edges(stage.name):
            if edge.column is None or edge.column in columns:
                inputs[edge.input].add(edge.input_column)
        parts = {
            given: pl.Schema({c: dtype for c, dtype in s.items() if c in inputs[given]})
            for given, s in whole.items()
        }
        if _hands_on(stage, whole, columns):
            NEEDS[key] = {stage.inputs[0]: set(columns)}, HANDED_ON
        elif _is_same(stage, whole, parts, columns):
            lf = _applied(stage, parts).select(columns)
            NEEDS[key] = inputs, digest_of(lf, stage.transform)
        else:
            everything = {given: set(schema) for given, schema in whole.items()}
            NEEDS[key] = everything, f"{node.digest} {columns}"
    return NEEDS[key]


def _hands_on(
    stage: Stage, whole: Mapping[str, pl.Schema], columns: Sequence[str]
) -> bool:
    """Tell whether columns come out of a stage as they come in, all rows in order."""
    first = whole[stage.inputs[0]]
    if not set(columns) <= set(first):
        return False
    given = pl.LazyFrame(schema=first).select(columns)
    return _optimized(_applied(stage, whole).select(columns)) == _optimized(given)


def _is_same(
    stage: Stage,
    whole: Mapping[str, pl.Schema],
    parts: Mapping[str, pl.Schema],
    columns: Sequence[str],
) -> bool:
    """Tell whether a stage does to parts of its inputs what it does to all."""
    try:
        frames = [_applied(stage, given).select(columns) for given in (parts, whole)]
        schemas = [lf.collect_schema() for lf in frames]
        plans = [_optimized(lf) for lf in frames]
    # A transformation may fail in any way where columns are not there.
    except Exception:
        return False
    return schemas[0] == schemas[1] and plans[0] == plans[1]


def _applied(stage: Stage, schemas: Mapping[str, pl.Schema]) -> pl.LazyFrame:
    """Apply a stage to empty frames, of which no two look the same."""
    frames = [
        pl.LazyFrame(schema=schemas[name]).slice(i)
        for i, name in enumerate(stage.inputs)
    ]
    return stage.apply(*frames)


def _optimized(lf: pl.LazyFrame) -> list[str]:
    """Write Polars' optimized plan, which drops what no column needs.

    Which columns it drops on the way is left out, and what the frames at its bottom
    hold beside those it reads.
    """
    flags = pl.QueryOptFlags(comm_subplan_elim=False)  # its names are of chance
    lines = (line.strip() for line in lf.explain(optimizations=flags).splitlines())
    return [re.sub(r"^DF \[.*", "DF", line) for line in lines if line[:8] != "simple π"]
