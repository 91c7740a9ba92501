"""Stages and columns are drawn as boxes and arrows."""

import pytest

from pipeline.lineage.graph import Lineage
from pipeline.lineage.show import show


@pytest.mark.parametrize(
    ("name", "forward"),
    [
        (None, False),
        ("features.year", False),
        ("source.Year", True),
        ("drgs", False),
        ("drgs", True),
    ],
)
def test_diagrams_draw_each_box_that_an_arrow_names(
    lineage: Lineage, name: str | None, forward: bool
) -> None:
    mermaid = show(lineage, name, "mermaid", forward=forward).splitlines()
    boxes = {line.split("[")[0].strip() for line in mermaid if "[" in line}
    arrows = [line.split() for line in mermaid if "-->" in line]
    assert mermaid[0] in ("flowchart TB", "flowchart LR")
    assert boxes == {end for arrow in arrows for end in (arrow[0], arrow[-1])}
    dot = show(lineage, name, "dot", forward=forward)
    assert dot.count("->") == len(arrows)
    assert dot.count("{") == dot.count("}") == 1


def test_diagram_leaves_out_stages_that_pass_a_column_on(lineage: Lineage) -> None:
    mermaid = show(lineage, "features.w_mean_cost_lag1", "mermaid")
    assert "drop_rare_drgs" not in mermaid
    assert "agg_severities.w_mean_cost" in mermaid
    assert "snapshot features.w_mean_cost_lag1" in mermaid


def test_a_chain_is_drawn_down_and_what_fans_out_to_the_right(lineage: Lineage) -> None:
    assert show(lineage, None, "mermaid").startswith("flowchart TB\n")
    assert "rankdir=TB;" in show(lineage, "features.w_mean_cost_lag1", "dot")
    fan = show(lineage, "source.Discharges", "mermaid", forward=True)
    assert fan.startswith("flowchart LR\n")
