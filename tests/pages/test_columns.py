import re
from dataclasses import replace

import pytest

from pipeline.lineage.graph import Column
from pipeline.pages.columns import columns, place_of
from pipeline.pages.facts import Facts
from pipeline.pages.names import column_page


def test_every_column_of_source_and_snapshots_has_a_page(facts: Facts) -> None:
    paths = {page.path for page in columns(facts)}
    for column in facts.lineage.source:
        assert column_page("source", column) in paths
    for name in facts.snapshots:
        for column in facts.profile(name):
            assert column_page(name, column) in paths


def test_a_page_leads_back_to_the_source_and_forward(files: dict[str, str]) -> None:
    html = files[column_page("features", "mean_cost_lag1")]
    assert f'href="../../{column_page("source", "Mean Cost")}"' in html
    html = files[column_page("source", "Mean Cost")]
    assert f'href="../../{column_page("features", "mean_cost_lag1")}"' in html


def test_a_page_has_the_figures_of_the_snapshot(
    facts: Facts, files: dict[str, str]
) -> None:
    profile = facts.profile("features")["mean_cost_lag1"]
    html = files[column_page("features", "mean_cost_lag1")]
    assert f"<dd>{profile.n_nulls:,} <small>" in html
    assert f"<dd>{profile.n_distinct:,}</dd>" in html
    assert 'class="chart histogram"' in html


def test_a_page_names_the_queries_that_name_it(files: dict[str, str]) -> None:
    assert "costliest_drgs" in files[column_page("discharges", "mean_cost")]
    assert "costliest_drgs" not in files[column_page("discharges", "median_cost")]


@pytest.mark.parametrize(
    ("at", "page"),
    [
        (Column("source", "Year"), column_page("source", "Year")),
        (Column("lag_columns", "year"), column_page("features", "year")),
        (
            Column("drop_description_columns", "year"),
            "stages/drop_description_columns.html",
        ),
    ],
)
def test_a_column_between_has_its_place_in_the_stage(
    facts: Facts, at: Column, page: str
) -> None:
    assert place_of(facts, at).page == page


def test_columns_have_pages_without_a_configuration(facts: Facts) -> None:
    bare = replace(facts, settings=None, plan=None, statuses={}, fault="broken")
    assert len(columns(bare)) == len(columns(facts))


def test_every_link_and_anchor_leads_somewhere(files: dict[str, str]) -> None:
    for path, html in files.items():
        if not path.endswith(".html"):
            continue
        for target in re.findall(r'href="([^"#]*)(?:#([^"]*))?"', html):
            where, place = target
            if where.startswith("data:"):
                continue
            parts = [*path.split("/")[:-1], *where.split("/")] if where else [path]
            found: list[str] = []
            for part in parts:
                found = found[:-1] if part == ".." else [*found, part]
            there = files["/".join(found)]
            assert not place or f'id="{place}"' in there, (path, target)
