"""A function is followed from its inputs' columns to its output's."""

import time
from collections.abc import Callable

from pipeline.lineage.graph import Lineage
from pipeline.lineage.value import UNKNOWN
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Settings
from pipeline.run.run import check
from tests.lineage.conftest import B, deps


def test_nothing_is_unknown_in_what_is_shipped(
    shipped_settings: Callable[..., Settings],
) -> None:
    for profile in (None, "origin"):
        found = check(shipped_settings(profile=profile)).lineage().edges
        assert not [edge for edge in found if edge.kind == UNKNOWN]


def test_two_inputs_of_the_same_columns_are_told_apart() -> None:
    found = deps(lambda x, y: y.select("a").join(x.select("a", "b"), on="a"), B, B)
    assert found["a"] == {"B.a:identity"}
    assert found["b"] == {"b:identity"}


def test_trace_is_the_same_every_time(plan: Plan, lineage: Lineage) -> None:
    assert plan.lineage() == lineage
    assert len(set(lineage.edges)) == len(lineage.edges)


def test_trace_is_quick(plan: Plan) -> None:
    seconds: list[float] = []
    for _ in range(3):
        started = time.process_time()
        plan.lineage()
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.3
