import json
import shutil
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from pipeline.pages.docs import frame_of
from pipeline.pages.facts import read_facts
from pipeline.pages.site import render
from pipeline.pages.speed import speed
from pipeline.pages.stages import stages
from pipeline.plan.settings import load_settings
from pipeline.run.rows import look_now
from pipeline.run.timed import Timed
from pipeline.run.times import StageTime, keep
from pipeline.snapshots.publish import contribute
from pipeline.snapshots.store import open_store
from tests.conftest import ROOT


def spread(median: float) -> dict[str, float]:
    return {"median": median, "low": median / 2, "high": median * 2}


def committed(at: str, ours: float, theirs: float) -> dict[str, object]:
    figures = [
        {"task": "steps: lag", "contender": who, "n_rows": 10, "cpu_s": spread(cpu)}
        for who, cpu in (("ours", ours), ("pandas", theirs))
    ]
    machine = {"processor": "A & B", "cores": 2}
    return {"measured_at": at, "commit": "abc", "machine": machine, "figures": figures}


def kept(at: datetime, contender: str, cpu_s: float) -> dict[str, object]:
    return {
        "measured_at": at,
        "commit": "old",
        "machine": json.dumps({"processor": "A & B", "cores": 2}),
        "versions": "{}",
        "task": "steps: lag",
        "contender": contender,
        "n_rows": 10,
        "n_runs": 3,
        "cpu_s": cpu_s,
        "cpu_s_low": cpu_s,
        "cpu_s_high": cpu_s,
        "peak_mib": 5.0,
    }


@pytest.fixture
def measured(seen: Path, tmp_path: Path) -> Path:
    """A clone with committed figures, and with what was accepted."""
    root = tmp_path / "project"
    shutil.copytree(seen, root, symlinks=True)
    (root / "benchmarks" / "results").mkdir(parents=True)
    shutil.copy(ROOT / "benchmarks" / "meta.sql", root / "benchmarks")
    results = committed("2026-11-24T06:00:00Z", 3.0, 2.0)
    (root / "benchmarks" / "results" / "steps.json").write_text(json.dumps(results))
    accepted = {
        "history": [{"on": "2026-11-23", "commit": "c", "reason": "the <first>"}],
        "processors": {"A & B": {"ratios": {"lag": {"pandas": 1.25}}}},
    }
    (root / "benchmarks" / "accepted.json").write_text(json.dumps(accepted))
    return root


def test_a_clone_shows_the_figures_that_are_committed(measured: Path) -> None:
    facts = read_facts(measured)
    [page] = speed(facts)
    [task] = page.values["tasks"]
    shown = [(row.figure.contender, row.figure.cpu_s) for row in task.rows]
    assert shown == [("ours", 3.0), ("pandas", 2.0)]
    assert not task.has_history
    [held] = page.values["held"]
    assert (held.name, held.reference) == ("lag", "pandas")
    assert held.accepted == {"A & B": 1.25}
    assert held.measured == "1.5 on 24 Nov 2026"
    text = render([page], frame_of(facts))["speed.html"]
    assert "the &lt;first&gt;" in text
    assert "A &amp; B" in text


def test_benchmarks_are_a_history_beside_what_is_accepted(measured: Path) -> None:
    first = datetime(2026, 11, 1)
    newest = datetime(2026, 11, 24, 6)
    rows = [kept(first, "ours", 8.0), kept(first, "pandas", 4.0)]
    rows += [kept(newest, "ours", 3.0), kept(newest, "pandas", 2.0)]  # in the file, too
    contribute(open_store(measured), {"benchmarks": pl.DataFrame(rows)})
    [page] = speed(read_facts(measured))
    [task] = page.values["tasks"]
    histories = [row.history.text for row in task.rows]
    assert histories == ["8, then 3", "4, then 2"]
    [held] = page.values["held"]
    assert held.history.text == "2, then 1.5; accepted 1.25"


def test_times_of_stages_stand_on_their_pages_too(measured: Path) -> None:
    now = look_now(load_settings(measured))
    timed = Timed(0.25, 0.125, 94, 3_000, 2_999, 7, 2)
    keep(now, [StageTime("lag_columns", "lag_columns", timed, "", ())])
    facts = read_facts(measured)
    [page] = speed(facts)
    [(row, bar)] = page.values["stages"]
    assert (row["stage"], row["n_rows"], bar.text) == ("lag_columns", 2_999, "0.125")
    pages = render([page, *stages(facts)], frame_of(facts))
    for path in ("speed.html", "stages/lag_columns.html"):
        assert "94 MiB" in pages[path]
    assert "Alone, CPU seconds" not in pages["stages/drgs.html"]


def test_figures_that_cannot_be_read_are_named(measured: Path) -> None:
    (measured / "benchmarks" / "results" / "steps.json").write_text('{"figures": 3}')
    (measured / "benchmarks" / "accepted.json").write_text("")
    [page] = speed(read_facts(measured))
    faults = page.values["faults"]
    assert [fault.partition(":")[0] for fault in faults] == [
        "benchmarks/results/steps.json",
        "benchmarks/accepted.json",
    ]
    assert page.values["tasks"] == page.values["held"] == []


def test_a_project_without_benchmarks_shows_its_runs(files: dict[str, str]) -> None:
    text = files["speed.html"]
    assert text.count("<code>r2") >= 2
    assert "Nothing has been measured yet" in text
    assert "<code>just profile</code> times each stage alone" in text
