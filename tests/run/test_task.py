"""What a run has to do, told by statuses made by hand."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl
import pytest

from pipeline.contracts.contract import Contract, Rows
from pipeline.plan.compose import compose
from pipeline.plan.fingerprint import Fingerprints, SourceIdentity, nothing_known
from pipeline.plan.notify import Notify
from pipeline.plan.orchestrate import Orchestrate
from pipeline.plan.serving import Serving
from pipeline.plan.settings import (
    Docs,
    EngineSettings,
    History,
    Periods,
    Settings,
    Stage,
    StoreSettings,
)
from pipeline.plan.wiring import Selection
from pipeline.run.freshness import Freshness, Status, Wanted
from pipeline.run.task import Task, plan_task, state_of
from pipeline.snapshots.profile import collect_profile
from pipeline.snapshots.publish import publish_objects
from pipeline.snapshots.records import (
    FORMAT,
    QUARANTINE,
    RunRecord,
    SnapshotRecord,
    StageRecord,
    State,
)
from pipeline.snapshots.store import Store, open_store
from pipeline.sources.parquet import ParquetSource
from pipeline.transforms import load_transform
from pipeline.transforms.product import Config

PRODUCT = load_transform("product")
FRESH: Mapping[str, Freshness] = dict.fromkeys(("a", "b", QUARANTINE), "fresh")


def stage(name: str, given: str, snapshot: str | None = None) -> Stage:
    config = Config(factor="x", by="x", column=f"of_{name}")
    key = ("x",) if snapshot else ()
    return Stage(name, PRODUCT, (given,), config, snapshot, key)


# `idle` gives no snapshot its rows: its own are counted, and that is all.
STAGES = (stage("one", "source", "a"), stage("two", "one", "b"), stage("idle", "one"))
NAMES = ("one", "two", "idle")
PRINTS = {"a": "a" * 20, "b": "b" * 20, QUARANTINE: "rows" * 5}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with an object of each snapshot, and of one that no stage makes."""
    store = open_store(tmp_path)
    df = pl.DataFrame({"x": [1.0]})
    made = [*snapshots(), guest()]
    staging = tmp_path / "staging"
    staging.mkdir()
    store.objects.mkdir(parents=True)
    files = {s.name: staging / s.name for s in made}
    for path in files.values():
        df.write_parquet(path)
    profiles = dict.fromkeys(files, collect_profile(df))
    publish_objects(store, made, files, profiles, "r20260101_000000_000")
    return store


def wanted(root: Path, *, min_rows: int | None = None) -> Wanted:
    contract = Contract() if min_rows is None else Contract(rows=Rows(min=min_rows))
    settings = Settings(
        root=root,
        profile=None,
        source=ParquetSource(path="raw.parquet", columns={}),
        others={},
        stages=STAGES,
        contracts={"b": contract},
        periods=Periods(),
        history=History(),
        engine=EngineSettings(),
        store=StoreSettings(),
        docs=Docs(),
        notify=Notify(),
        orchestrate=Orchestrate(),
        serving=Serving(),
        tree={},
        shown={},
        environment=frozenset(),
        descriptions={},
        is_as_written=False,
        layers=(),
    )
    plan = compose(pl.LazyFrame({"x": [1.0]}), STAGES)
    prints = Fingerprints({name: name for name in NAMES}, PRINTS)
    source = SourceIdentity("", [])
    return Wanted(
        settings,
        plan,
        {"source": "raw.parquet"},
        {"source": source},
        nothing_known,
        prints,
        {},
        {},
    )


def snapshots() -> list[SnapshotRecord]:
    stages = {"a": "one", "b": "two", QUARANTINE: ""}
    return [
        SnapshotRecord(name, of, ["x"], PRINTS[name], "computed", "", ["new"], [])
        for name, of in stages.items()
    ]


def guest() -> SnapshotRecord:
    by = "`just forecast`"
    reasons = ["just forecast"]
    return SnapshotRecord(
        "guest", "", ["x"], "g" * 20, "computed", "", reasons, [], made_by=by
    )


def run_of(*snapshots: SnapshotRecord, counted: bool = True) -> RunRecord:
    n_rows = 1 if counted else None
    stages = [
        StageRecord(name, "product", [], None, {}, "", name, n_rows, [])
        for name in NAMES
    ]
    return RunRecord(
        format=FORMAT,
        run_id="r20260101_000000_000",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        n_kept=10,
        restores=None,
        profile=None,
        source="parquet",
        source_plan="",
        files=[],
        n_bad_rows=0,
        execute_s=0,
        total_s=0,
        versions={},
        config={},
        code={},
        stages=stages,
        snapshots=[*snapshots],
        lineage=[],
    )


def statuses(told: Mapping[str, Freshness]) -> list[Status]:
    stages = {"a": "one", "b": "two", QUARANTINE: ""}
    return [
        Status(name, stages[name], ("x",), PRINTS[name], freshness, ())
        for name, freshness in told.items()
    ]


def published(store: Store) -> RunRecord:
    """A run of which everything is fresh, with the contracts of now."""
    told: dict[str, Freshness] = dict.fromkeys(FRESH, "stale")
    first = plan_task(wanted(store.root), statuses(told), Selection(), store, [])
    return run_of(*first.snapshots)


def plan_after(
    store: Store,
    told: Mapping[str, Freshness],
    *runs: RunRecord,
    selection: Selection | None = None,
    min_rows: int | None = None,
    made: Mapping[str, SnapshotRecord] | None = None,
) -> Task:
    """Plan what follows some runs; by default one of which everything is fresh."""
    return plan_task(
        wanted(store.root, min_rows=min_rows),
        statuses(told),
        selection or Selection(),
        store,
        runs or [published(store)],
        made,
    )


def states(task: Task) -> dict[str, State]:
    return {s.name: s.state for s in task.snapshots}


def test_where_all_is_fresh_there_is_nothing_to_do(store: Store) -> None:
    task = plan_after(store, FRESH)
    assert task.is_nothing
    assert (task.stages, task.check, task.leaves) == ((), (), {})


def test_a_stale_snapshot_is_made_from_the_nearest_one_before_it(store: Store) -> None:
    task = plan_after(store, {**FRESH, "b": "stale"})
    assert states(task) == {"a": "fresh", "b": "computed", QUARANTINE: "fresh"}
    assert (task.stages, [*task.leaves], task.check) == (("two",), ["one"], ("b",))
    assert [name for name, _ in task.reads] == ["a", QUARANTINE]
    assert not task.reads_source


def test_what_is_stale_itself_is_no_place_to_begin(store: Store) -> None:
    task = plan_after(store, {**FRESH, "a": "stale", "b": "stale"})
    assert task.reads_source
    assert (task.stages, task.leaves) == (("one", "two"), {})


def test_what_is_in_the_store_is_restored_and_read(store: Store) -> None:
    task = plan_after(store, {**FRESH, "b": "restorable"})
    assert task.names("restored") == ["b"]
    assert ("b", PRINTS["b"]) in task.reads
    assert not task.stages
    assert not task.is_nothing


def test_a_changed_contract_is_held_to_what_is_fresh(store: Store) -> None:
    task = plan_after(store, FRESH, min_rows=1)
    assert task.check == ("b",)
    assert ("b", PRINTS["b"]) in task.reads
    assert states(task)["b"] == "fresh"
    assert not task.is_nothing


def test_what_is_not_selected_is_kept_as_it_was(store: Store) -> None:
    before = published(store)
    chosen = Selection(only="two")
    task = plan_after(store, {**FRESH, "a": "stale"}, before, selection=chosen)
    [a] = [s for s in task.snapshots if s.name == "a"]
    assert a == msgspec.structs.replace(before.snapshots[0], state="kept", reasons=[])
    assert a.is_left_behind
    assert task.is_nothing


def test_what_is_not_selected_is_computed_if_its_object_is_gone(store: Store) -> None:
    store.object("a", PRINTS["a"]).unlink()
    told: dict[str, Freshness] = {**FRESH, "a": "stale"}
    task = plan_after(store, told, selection=Selection(only="two"))
    assert states(task) == {"a": "computed", "b": "fresh", QUARANTINE: "fresh"}


def test_cells_set_aside_are_renewed_by_any_run_that_reads_the_source(
    store: Store,
) -> None:
    told: dict[str, Freshness] = dict.fromkeys(FRESH, "stale")
    task = plan_after(store, told, selection=Selection(only="one"))
    assert states(task) == {"a": "computed", "b": "kept", QUARANTINE: "computed"}
    # From an object, no cell is parsed: they stay as they are.
    told["a"] = "fresh"
    task = plan_after(store, told, selection=Selection(only="two"))
    assert states(task) == {"a": "fresh", "b": "computed", QUARANTINE: "kept"}


def test_a_stage_that_feeds_nothing_is_counted_once(store: Store) -> None:
    before = published(store)
    uncounted = run_of(*before.snapshots, counted=False)
    task = plan_after(store, FRESH, uncounted)
    assert not task.is_nothing
    assert task.stages == ("idle",)
    assert [*task.leaves] == ["one"]
    assert plan_after(store, FRESH, before, uncounted).is_nothing
    chosen = Selection(to="two")
    assert plan_after(store, FRESH, uncounted, selection=chosen).is_nothing


def test_what_no_stage_makes_stays_with_the_rows_and_the_profile_it_is_of(
    store: Store,
) -> None:
    own = published(store).snapshots
    shown = run_of(*own, guest())
    task = plan_after(store, FRESH, shown)
    assert states(task)["guest"] == "kept"
    assert not any(s.is_left_behind for s in task.snapshots)
    assert task.is_nothing

    elsewhere = msgspec.structs.replace(run_of(*own), profile="ci")
    assert states(plan_after(store, FRESH, shown, elsewhere))["guest"] == "kept"
    assert "guest" not in states(plan_after(store, FRESH, shown, run_of(*own)))
    of_others = msgspec.structs.replace(shown, profile="ci")
    assert "guest" not in states(plan_after(store, FRESH, of_others))
    other_rows = [msgspec.structs.replace(s, fingerprint="other") for s in own]
    task = plan_after(store, FRESH, run_of(*other_rows, guest()))
    assert "guest" not in states(task)
    # Of these, as of a file in another order, came what there was.
    same = {s.name: msgspec.structs.replace(s, contents={"x": "1"}) for s in own}
    named = [same.get(s.name, s) if s.stage else s for s in other_rows]
    task = plan_after(store, FRESH, run_of(*named, guest()), made=same)
    assert states(task)["guest"] == "kept"

    store.object("guest", "g" * 20).unlink()
    assert "guest" not in states(plan_after(store, FRESH, shown))


@pytest.mark.parametrize(
    ("freshness", "is_asked", "force", "expected"),
    [
        ("fresh", True, False, "fresh"),
        ("fresh", True, True, "computed"),
        ("fresh", False, True, "fresh"),
        ("restorable", True, False, "restored"),
        ("restorable", True, True, "computed"),
        ("restorable", False, False, "kept"),
        ("stale", True, False, "computed"),
        ("stale", False, True, "kept"),
    ],
)
def test_how_a_run_comes_by_a_snapshot(
    freshness: Freshness, is_asked: bool, force: bool, expected: State
) -> None:
    [status] = statuses({"a": freshness})
    assert state_of(status, is_asked=is_asked, force=force) == expected
