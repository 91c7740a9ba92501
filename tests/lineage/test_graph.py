"""The graph of columns knows stages, snapshots and the source."""

from pipeline.lineage.graph import SOURCE, Lineage, TracedStage


def test_columns_are_those_of_a_stage_or_of_the_source() -> None:
    stages = {
        "tidy": TracedStage("rename", [SOURCE], None, ["a"]),
        "sums": TracedStage("sum", ["tidy"], "totals", ["b", "c"]),
    }
    lineage = Lineage(["A"], stages, [])
    assert lineage.columns_of(SOURCE) == ["A"]
    assert lineage.columns_of("sums") == ["b", "c"]
    assert lineage.snapshots == {"totals": "sums"}
