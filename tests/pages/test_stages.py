from dataclasses import replace

import msgspec

from pipeline.pages.facts import Facts
from pipeline.pages.site import Page
from pipeline.pages.stages import stages


def page_of(facts: Facts, name: str) -> Page:
    [found] = [page for page in stages(facts) if page.title == name]
    return found


def test_a_stage_says_what_it_makes_of_which_columns(facts: Facts) -> None:
    values = page_of(facts, "lag_columns").values
    made = {column.name: column for column in values["columns"]}
    assert [at.column for at in made["mean_cost_lag1"].kinds["transformation"]] == [
        "mean_cost"
    ]
    assert made["mean_cost"].is_same
    dropped = page_of(facts, "drop_description_columns").values["dropped"]
    assert dropped == [
        c for c in facts.profile("discharges") if c.endswith("description")
    ]


def test_a_stage_shows_settings_rows_and_code(
    facts: Facts, files: dict[str, str]
) -> None:
    html = files["stages/lag_columns.html"]
    rows = {stage.name: stage.n_rows for stage in facts.run.stages}
    assert f"<dd>{rows['lag_columns']:,}</dd>" in html
    assert "configs/pipeline.yaml" in html
    assert "${panel.key}" in html
    assert "def lag_columns(" in html


def test_code_that_changed_since_the_run_is_said(facts: Facts) -> None:
    code = {**facts.run.code, "pipeline/transforms/lag_columns.py": "0" * 16}
    old = replace(facts, runs=[msgspec.structs.replace(facts.run, code=code)])
    assert page_of(old, "lag_columns").values["code"].is_changed


def test_a_source_lists_files_and_columns(facts: Facts, files: dict[str, str]) -> None:
    html = files["stages/source.html"]
    assert "data/raw.csv" in html
    assert facts.run.files[0].sha256[:16] in html
    assert "APR DRG Code" in html


def test_the_search_finds_columns_between_in_their_stage(facts: Facts) -> None:
    found = page_of(facts, "sanitize_column_names").found_by
    assert ("column", "mean_cost") in {(of.kind, of.name) for of in found}
    assert ("transformation", "lag_columns") in {
        (of.kind, of.name) for of in page_of(facts, "lag_columns").found_by
    }
