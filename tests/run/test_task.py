"""What a run has to do, told from what is fresh: nothing is computed here but once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.plan.settings import Settings, load_settings
from pipeline.run.freshness import Freshness, Selection, look, statuses_of
from pipeline.run.run import check, run
from pipeline.run.task import Task, plan_task
from pipeline.snapshots.records import QUARANTINE
from pipeline.snapshots.store import open_store, read_runs
from tests.conftest import make_project

ALL = ["drgs", "facilities", "discharges", "facility_drg_year", "features"]
IDLE = "stages.idle={transform: difference, inputs: [total_mean_cost]}"
IDLE_CONFIG = "idle={minuend: mean_cost, subtrahend: median_cost, column: gap}"

Plan = Callable[..., Task]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after its first run; only to be read."""
    root = make_project(tmp_path_factory.mktemp("published"), n_rows=3000)
    run(settings_of(root))
    return root


def settings_of(root: Path, *overrides: str) -> Settings:
    source = ("source=csv", "source.path=data/raw.csv", "drop_rare_drgs.min_total=20")
    return load_settings(root, overrides=(*source, *overrides))


@pytest.fixture
def plan(published: Path) -> Plan:
    """Plan a run of the published project in which some snapshots are as told."""

    def plan(
        *overrides: str,
        selection: Selection = Selection(),  # noqa: B008
        **freshness: Freshness,
    ) -> Task:
        settings = settings_of(published, *overrides)
        store = open_store(published)
        runs = read_runs(store)
        wanted = look(settings, check(settings), runs[-1], fetched=True)
        statuses = [
            replace(status, freshness=freshness.get(status.name, status.freshness))
            for status in statuses_of(wanted, store, runs[-1])
        ]
        return plan_task(wanted, statuses, selection, store, runs)

    return plan


def states(task: Task) -> dict[str, str]:
    return {s.name: s.state for s in task.snapshots}


def test_where_all_is_fresh_there_is_nothing_to_do(plan: Plan) -> None:
    task = plan()
    assert task.is_nothing
    assert (task.stages, task.check, task.leaves) == ((), (), {})
    assert set(states(task).values()) == {"fresh"}


def test_a_stale_snapshot_is_made_from_the_nearest_one_before_it(plan: Plan) -> None:
    task = plan(features="stale")
    assert task.names("computed") == ["features"]
    assert [*task.leaves] == ["yearly_discharge_bin"]
    assert task.stages[0] == "lag_columns"
    assert not task.reads_source
    assert task.check == ("features",)
    assert [name for name, _ in task.reads] == ["facility_drg_year", QUARANTINE]


def test_what_is_stale_itself_is_no_place_to_begin(plan: Plan) -> None:
    task = plan(features="stale", facility_drg_year="stale", discharges="stale")
    assert task.reads_source
    assert not task.leaves
    assert task.stages[0] == "sanitize_column_names"


def test_what_is_in_the_store_is_restored_and_read(plan: Plan) -> None:
    task = plan(features="restorable")
    assert task.names("restored") == ["features"]
    assert "features" in [name for name, _ in task.reads]
    assert not task.stages
    assert not task.is_nothing


def test_what_is_not_selected_is_left_as_published(plan: Plan) -> None:
    task = plan(
        selection=Selection(only="features"), features="stale", discharges="stale"
    )
    assert states(task)["discharges"] == "kept"
    assert "discharges" not in task.check


def test_a_kept_quarantine_is_renewed_where_the_source_is_read(plan: Plan) -> None:
    only = Selection(only="features")
    kept = plan(selection=only, features="stale", quarantine="stale")
    assert states(kept)[QUARANTINE] == "kept"
    everything = dict.fromkeys([*ALL, QUARANTINE], "stale")
    read = plan(selection=only, **everything)
    assert read.reads_source
    assert states(read)[QUARANTINE] == "computed"


def test_what_is_selected_by_force_is_computed_though_fresh(plan: Plan) -> None:
    task = plan(selection=Selection(only="drgs", force=True))
    assert task.names("computed") == ["drgs"]


def test_a_stage_that_nothing_is_made_of_is_counted_once(plan: Plan) -> None:
    task = plan(IDLE, IDLE_CONFIG)
    assert task.stages == ("idle",)
    assert [*task.leaves] == ["total_mean_cost"]
    assert not task.is_nothing
    assert plan(IDLE, IDLE_CONFIG, selection=Selection(to="features")).stages == ()


def test_a_changed_contract_is_held_to_what_is_fresh(plan: Plan) -> None:
    task = plan("checks.features.not_null=[year]")
    assert task.check == ("features",)
    assert "features" in [name for name, _ in task.reads]
    assert states(task)["features"] == "fresh"
    assert not task.is_nothing
