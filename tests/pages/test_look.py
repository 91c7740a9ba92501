from dataclasses import replace

from pipeline.pages.facts import Facts
from pipeline.pages.look import remarks


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
