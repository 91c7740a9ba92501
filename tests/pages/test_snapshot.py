import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from pipeline.pages.docs import frame_of
from pipeline.pages.facts import Facts
from pipeline.pages.site import Page, render
from pipeline.pages.snapshot import snapshots
from pipeline.plan.settings import load_settings
from pipeline.run.changes import changes_between
from pipeline.run.freshness import look, statuses_of
from pipeline.run.run import check
from pipeline.snapshots.store import open_store, read_runs


def page_of(facts: Facts, name: str) -> Page:
    [page] = [p for p in snapshots(facts) if p.title == name]
    return page


def test_the_figures_of_columns_are_those_of_the_rows(seen: Path, facts: Facts) -> None:
    con = duckdb.connect(str(seen / ".pipeline" / "snapshots.duckdb"), read_only=True)
    n_rows, n_nulls, mean = con.execute(
        "SELECT count(*), count(*) - count(mean_cost_lag1), avg(mean_cost_lag1)"
        " FROM features"
    ).fetchall()[0]
    con.close()
    page = page_of(facts, "features")
    [of] = [c for c in page.values["columns"] if c.profile.name == "mean_cost_lag1"]
    assert page.values["object"].n_rows == n_rows
    assert of.profile.n_nulls == n_nulls
    assert of.nulls == n_nulls / n_rows
    assert of.profile.mean == pytest.approx(mean)
    assert of.chart is not None


def test_years_and_codes_stand_without_separators(files: dict[str, str]) -> None:
    row = re.search(
        r'<tr id="of-year">.*?</tr>', files["snapshots/features.html"], re.S
    )
    assert row is not None
    assert "2009" in row[0]
    assert "2,009" not in row[0]


def test_a_column_of_text_and_one_of_one_value_have_no_chart(facts: Facts) -> None:
    columns = page_of(facts, "drgs").values["columns"]
    text = {c.profile.name: c.instead for c in columns}
    assert text["apr_drg_description"] == "no quantiles"
    profile = columns[0].profile
    found = facts.object("drgs")
    assert found is not None

    for changed, instead in (
        ({"min": "3", "max": "3"}, "one value"),
        ({"n_nulls": found.n_rows, "min": None, "max": None}, "nulls only"),
        ({"max": "inf"}, "no finite quantiles"),
        ({"min": None, "max": None, "quantiles": None}, "no quantiles"),
    ):
        one = msgspec.structs.replace(profile, **changed)
        of = msgspec.structs.replace(found, columns=[one])
        objects = {**facts.objects, (of.snapshot, of.fingerprint): of}
        shown = page_of(replace(facts, objects=objects), "drgs").values["columns"]
        assert [(c.chart, c.instead) for c in shown] == [(None, instead)]


def test_versions_say_what_a_run_made_anew_and_why(facts: Facts) -> None:
    versions = page_of(facts, "discharges").values["versions"]
    assert [v.run.run_id for v in versions] == [
        facts.runs[1].run_id,
        facts.runs[0].run_id,
    ]
    assert versions[0].more_rows == versions[0].n_rows - versions[1].n_rows
    assert any("raw.csv" in reason for reason in versions[0].reasons)


def test_only_what_changed_is_drawn_over_the_runs(facts: Facts) -> None:
    moved = page_of(facts, "discharges").values["moved"]
    assert [m.what for m in moved[:2]] == ["rows", "bytes"]
    figures = {"nulls": "n_nulls", "mean": "mean", "distinct": "n_distinct"}
    columns = [c for of in facts.objects.values() for c in of.columns]
    for one in moved[2:]:
        found = [c for c in columns if c.name == one.column]
        assert len({getattr(c, figures[one.what]) for c in found}) > 1
    assert any(m.what == "mean" for m in moved)


def test_what_opens_a_snapshot_opens_it(
    seen: Path, facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(seen)
    queries = dict(page_of(facts, "features").values["queries"])
    for by in ("Polars", "DuckDB in Python"):
        *first, last = queries[by].splitlines()
        names: dict[str, Any] = {}
        exec("\n".join(first), names)
        assert eval(last, names).height == 10
    assert queries["just"].partition(" sql ")[2] in queries["DuckDB"]


def test_no_row_is_shown_unless_the_configuration_asks_for_some(
    dirty: Path, dirty_facts: Facts, dirty_files: dict[str, str]
) -> None:
    assert "First rows" not in "".join(dirty_files.values())
    settings = load_settings(dirty, overrides=("docs.samples=2",))
    page = page_of(replace(dirty_facts, settings=settings), "quarantine")
    names, rows = page.values["samples"]
    assert len(rows) == 2
    assert "value" in names
    text = render([page], frame_of(dirty_facts))[page.path]
    assert "First rows" in text
    assert "&lt;script&gt;" in text


def test_how_many_rows_are_shown_makes_nothing_stale(dirty: Path) -> None:
    store = open_store(dirty)
    runs = read_runs(store)
    settings = load_settings(dirty, overrides=("docs.samples=7",))
    assert settings.docs.samples == 7
    wanted = look(settings, check(settings), store, runs, fetched=True)
    assert {s.freshness for s in statuses_of(wanted, store, runs[-1])} == {"fresh"}
    config = {**runs[-1].config, "docs": {"samples": 7}}

    now = msgspec.structs.replace(runs[-1], config=config)
    assert not [*changes_between(runs[-1], now).lines()]


def test_a_snapshot_whose_file_is_gone_still_has_a_page(facts: Facts) -> None:
    gone = {of: r for of, r in facts.objects.items() if of[0] != "features"}
    page = page_of(replace(facts, objects=gone), "features")
    assert page.values["object"] is None
    assert page.values["columns"] == []
