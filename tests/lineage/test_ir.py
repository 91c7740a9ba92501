"""The doorway to Polars' view of a plan refuses what it was not written for."""

import pytest

from pipeline.lineage import ir
from pipeline.lineage.value import UNKNOWN
from pipeline.plan.plan import Plan


def test_another_version_of_the_view_makes_everything_unknown(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ir, "VERSION", (0, 0))
    assert {edge.kind for edge in plan.lineage().edges} == {UNKNOWN}
