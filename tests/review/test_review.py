"""What a review finds is what a run with the change would publish, and nothing else."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.review.review import Review
from pipeline.snapshots.store import open_store
from pipeline.snapshots.uses import Use

Reviewed = Callable[..., Review]

AGAINST = ["latest", "before.duckdb", "lock"]


def place(reviewed: Path, against: str) -> str:
    return str(reviewed / against) if against.endswith(".duckdb") else against


@pytest.mark.parametrize("against", ["latest", "lock"])
def test_nothing_changes_where_nothing_was_changed(
    reviewed: Path, review_of: Reviewed, against: str
) -> None:
    found = review_of(against=place(reviewed, against))
    assert (found.changed, found.checks, found.causes) == ([], [], [])
    assert {*found.same} == {"drgs", "discharges", "features", "quarantine"}


@pytest.mark.parametrize("against", AGAINST)
def test_a_longer_lag_changes_features_alone_and_what_needs_them(
    reviewed: Path, review_of: Reviewed, against: str
) -> None:
    found = review_of("lag_columns.periods=2", against=place(reviewed, against))
    [features] = found.changed
    assert features.name == found.features == "features"
    assert any("lag_columns" in cause for cause in found.causes)
    # Only hashes do not tell whether rows came or went.
    by_rows = {"n_rows"} if against == "lock" else set[str]()
    assert {use.query for use in found.uses} == {"costs", "by_name"} | by_rows
    if against == "lock":
        assert (features.diff, features.why_no_diff) == (None, "only hashes are kept")
        return
    assert features.diff is not None
    schema = features.diff.schema
    assert [c.name for c in schema.added] == ["mean_cost_lag2", "mean_charge_lag2"]
    assert [c.name for c in schema.removed] == ["mean_cost_lag1", "mean_charge_lag1"]
    assert schema.changed == ()
    # What the query is about is gone.
    assert {*found.uses} == {
        Use("costs", "features", "mean_cost_lag1", False),
        Use("by_name", "", "", False),
    }


def test_rows_that_go_are_counted_alike_against_a_run_and_an_export(
    reviewed: Path, review_of: Reviewed
) -> None:
    word = "drop_rare_drgs.min_total=60"
    by_run = review_of(word)
    by_export = review_of(word, against=str(reviewed / "before.duckdb"))
    assert {c.name for c in by_run.changed} == {"discharges", "features"}
    assert list(by_run.changed) == list(by_export.changed)
    for changed in by_run.changed:
        assert changed.diff is not None
        assert changed.before is not None
        assert changed.before - changed.diff.rows.removed == changed.after
    assert [*by_run.causes] == [*by_export.causes]
    assert "min_total: 20 -> 60" in by_run.causes[0]
    # All that need a column of rows that go, or count them; none is broken.
    needed = {"costliest_drgs", "costs", "by_name", "n_rows"}
    assert {use.query for use in by_run.uses} == needed
    assert all(use.is_sure for use in by_run.uses)


def test_a_review_leaves_all_as_it_was(reviewed: Path, review_of: Reviewed) -> None:
    def state() -> dict[str, str]:
        store = open_store(reviewed)
        return {
            str(path.relative_to(reviewed)): hashlib.md5(path.read_bytes()).hexdigest()
            for folder in (store.objects, store.runs, store.catalog.resolve().parent)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    before = state()
    assert review_of("drop_rare_drgs.min_total=60").changed
    assert state() == before


def test_what_is_implausible_is_compared_and_not_left_in_the_store(
    reviewed: Path, review_of: Reviewed
) -> None:
    store = open_store(reviewed)
    before = {*store.objects.rglob("*")}
    found = review_of("drop_rare_drgs.min_total=100000000")
    [words] = found.refused
    assert words.startswith("stage 'drop_rare_drgs' left none of 400 rows")
    assert {c.name: c.after for c in found.changed} == {"discharges": 0, "features": 0}
    assert {*store.objects.rglob("*")} == before
