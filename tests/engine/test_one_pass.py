"""Snapshots, figures, counts, checks and bad rows come of one pass."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.contracts.checks import Check, compile_contract
from pipeline.contracts.contract import Contract, Range
from pipeline.engine import one_pass
from pipeline.engine.one_pass import Work, execute, snapshot_frames
from pipeline.plan.compose import compose
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE
from tests.engine.parts.test_layout import SALES, lag, times

ROWS = pl.DataFrame(
    {
        "store": ["b", "a", "a", "b"],
        "item": [1, 1, 1, 1],
        "month": [2, 2, 1, 1],
        "n": [3, 2, 1, 4],
        "price": [1.0, 2.0, 3.0, -4.0],
        "note": [None, "x", "y", "z"],
    },
    schema=SALES,
)
KEY = ("store", "month")


@pytest.fixture
def plan() -> Plan:
    """A product, of which what was before is taken; both are published."""
    return compose(
        ROWS.lazy(),
        [
            times("paid", *KEY, name="paid", inputs=(SOURCE,)),
            lag(*KEY, keys=["store", "item"], inputs=("paid",), name="before"),
        ],
    )


def check(plan: Plan) -> dict[str, list[Check]]:
    """Hold the product to being positive, which a row is not."""
    contract = Contract(ranges={"paid": Range(min=0)})
    return {"paid": compile_contract(contract, plan.snapshots["paid"].schema, KEY)}


def test_snapshots_are_sorted_by_their_keys(plan: Plan) -> None:
    assert {
        n: lf.collect()["n"].to_list() for n, lf in snapshot_frames(plan).items()
    } == {
        "paid": [1, 2, 4, 3],
        "before": [1, 2, 4, 3],
    }


def test_one_pass_gives_all_that_was_asked_for(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    real = one_pass.collect_all

    def counted(frames: list[pl.LazyFrame]) -> list[pl.DataFrame]:
        passes.append(len(frames))
        return real(frames)

    monkeypatch.setattr(one_pass, "collect_all", counted)
    bad = pl.LazyFrame({"record": [7]})
    work = Work(("paid", "before"), ("paid", "before"), check(plan), {})
    made = execute(plan, work, bad, tmp_path)
    # Two files, their figures, and the bad cells: rows of snapshots are in the figures.
    assert passes == [5]
    for name, lf in snapshot_frames(plan).items():
        assert made.files[name] == tmp_path / f"{name}.parquet"
        assert_frame_equal(pl.read_parquet(made.files[name]), lf.collect())
        assert made.profiles[name].n_rows == 4
    assert made.n_rows == {"paid": 4, "before": 4}
    assert {o.name: o.n_failures for o in made.outcomes["paid"]}["ranges.paid"] == 1
    assert "before" not in made.outcomes
    assert made.bad is not None
    assert made.bad.rows() == [(7,)]


def test_stages_that_are_not_published_are_counted(plan: Plan, tmp_path: Path) -> None:
    made = execute(plan, Work((), ("paid", "before"), {}, {}), None, tmp_path)
    assert made.n_rows == {"paid": 4, "before": 4}
    assert made.files == made.profiles == made.outcomes == {}
    assert made.bad is None


def test_object_that_is_there_is_checked_and_not_computed(
    plan: Plan, tmp_path: Path
) -> None:
    there = tmp_path / "there.parquet"
    (folder := tmp_path / "new").mkdir()
    ROWS.with_columns(paid=pl.lit(-1.0)).write_parquet(there)
    made = execute(plan, Work((), (), check(plan), {"paid": there}), None, folder)
    assert {o.name: o.n_failures for o in made.outcomes["paid"]}["ranges.paid"] == 4
    assert list(folder.iterdir()) == []
