import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.pages.facts import Facts, read_facts
from pipeline.pages.look import remarks
from pipeline.plan.settings import load_settings
from pipeline.run.run import run


def test_a_run_that_is_right_needs_no_look(facts: Facts) -> None:
    assert remarks(facts) == []


def test_what_is_missing_comes_before_what_is_stale(facts: Facts) -> None:
    fresh = facts.statuses["features"]
    stale = replace(fresh, freshness="stale", reasons=("lag_columns.periods: 1 -> 2",))
    objects = {of: found for of, found in facts.objects.items() if of[0] != "drgs"}
    spoilt = replace(
        facts, statuses={**facts.statuses, "features": stale}, objects=objects
    )
    missing, old = remarks(spoilt)
    assert (missing.weight, missing.what) == ("bad", "drgs is damaged or missing")
    assert (old.weight, old.why) == ("warn", stale.reasons)
    assert old.page == "snapshots/features.html"


def test_a_configuration_that_cannot_be_read_is_said(facts: Facts) -> None:
    [remark] = remarks(
        replace(facts, settings=None, statuses={}, fault="bad\nfound: x")
    )
    assert (remark.what, remark.why) == ("bad", ("found: x",))


def test_a_run_that_failed_since_is_said(seen: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(seen, root, symlinks=True)
    raw = root / "data" / "raw.csv"
    raw.write_text(raw.read_text().replace("2009,", "twenty,"))
    with pytest.raises(PipelineError) as error:
        run(load_settings(root))
    [remark, *_] = remarks(read_facts(root))
    assert remark.weight == "bad"
    assert "twenty" in str(error.value)
    assert "twenty" not in remark.why[0]
    first = str(error.value).splitlines()[0]
    assert remark.why == (first.replace(f"{root}/", ""),)
