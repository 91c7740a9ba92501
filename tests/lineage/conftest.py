from collections.abc import Callable

import polars as pl
import pytest

from pipeline.lineage.graph import Lineage
from pipeline.lineage.trace import trace_function
from pipeline.lineage.value import DIRECT
from pipeline.plan.plan import Plan
from pipeline.plan.settings import load_settings
from pipeline.run.run import check
from tests.conftest import PROJECT

A = pl.Schema(
    {
        "a": pl.Int64(),
        "b": pl.Int64(),
        "c": pl.Int64(),
        "s": pl.Struct({"x": pl.Int64, "y": pl.Int64}),
        "l": pl.List(pl.Int64),
    }
)


B = pl.Schema({"a": pl.Int64(), "b": pl.Int64(), "d": pl.Int64()})


Deps = dict[str | None, set[str]]


def deps(function: Callable[..., pl.LazyFrame], *schemas: pl.Schema) -> Deps:
    """Write edges briefly as ``input.column:kind``, by column; A needs no name."""
    inputs = list(zip(("A", "B"), schemas or (A,), strict=False))
    found: Deps = {None: set()}
    for edge in trace_function(function, inputs, stage="result"):
        name = edge.input_column if edge.input == "A" else f"B.{edge.input_column}"
        found.setdefault(edge.column, set()).add(f"{name}:{edge.kind}")
    return found


def without_beside(deps: set[str]) -> set[str]:
    """Leave out where a column decides about a value that it is in as well."""
    names = {name for name in A for kind in DIRECT if f"{name}:{kind}" in deps}
    return deps - {f"{name}:conditional" for name in names}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return check(load_settings(PROJECT, overrides=("source=csv", "source.path=absent")))


@pytest.fixture(scope="module")
def lineage(plan: Plan) -> Lineage:
    return plan.lineage()
