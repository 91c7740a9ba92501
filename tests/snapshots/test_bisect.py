"""The first kept run in which a statement became true is found, whatever it says."""

import shutil
from pathlib import Path

import msgspec
import pytest

from pipeline.files.checksum import write_sealed
from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from pipeline.snapshots.bisect import Answer, Bisection, bisect
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import open_store, read_object, read_runs
from tests.commands.test_cli import SOURCE, invoke
from tests.conftest import LEAN, make_project

RUNS = (
    (),
    ("lag_columns.periods=2",),
    ("lag_columns.periods=2", "drop_rare_drgs.min_total=40"),
    (),
)
LAG_2 = "select count(mean_cost_lag2) > 0 from features"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lean project after runs of several configurations."""
    root = make_project(tmp_path_factory.mktemp("bisect"), n_rows=600, of=LEAN)
    for words in RUNS:
        run(load_settings(root, overrides=(*SOURCE, *words)))
    return root


@pytest.mark.parametrize(
    ("sql", "answers"),
    [
        (LAG_2, "-++-"),
        ("select min(discharges) >= 0 from features", "++++"),
        ("select count(*) < 0 from features", "----"),
        # The features are made of the discharges of their own run, not the newest.
        ("select count(*) = (select count(*) from discharges) from features", "++++"),
        ("select max(mean_cost_lag2) > 0 from features where year = 2009", "----"),
    ],
)
def test_every_run_is_asked_by_its_own_snapshots(
    project: Path, sql: str, answers: str
) -> None:
    found = bisect(open_store(project), sql)
    assert "".join("-+"[answer.is_true] for answer in found.answers) == answers


def test_first_run_of_which_it_is_true_is_named_with_what_changed(
    project: Path,
) -> None:
    ids = [run.run_id for run in read_runs(open_store(project))]
    found = invoke(project, "bisect", LAG_2)
    assert found.exit_code == 0
    assert f"became true in run {ids[1]}; not in {ids[0]}" in found.output
    assert f"no longer true in {ids[3]}" in found.output
    assert "other rows in: features\n" in found.output
    assert "configuration: lag_columns.periods: 1 -> 2" in found.output
    always = invoke(project, "bisect", "select count(*) > 0 from features")
    assert f"true from the first kept run on, {ids[0]}" in always.output
    never = invoke(project, "bisect", "select count(*) < 0 from features")
    assert (never.exit_code, "true in none of the 4 kept runs" in never.output) == (
        1,
        True,
    )


def test_code_of_the_same_meaning_and_other_objects_of_the_same_rows_are_not_named(
    project: Path, tmp_path: Path
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(project, root, symlinks=True)
    store = open_store(root)
    _, second, *_ = read_runs(store)

    def output(run: RunRecord) -> str:
        write_sealed(store.runs / f"{run.run_id}.json", run)
        found = invoke(root, "bisect", LAG_2)
        assert found.exit_code == 0, found.output
        return found.output

    # The bytes of a module were others, while its stage did what today's code does.
    module = "pipeline/transforms/lag_columns.py"
    commented = msgspec.structs.replace(second, code=second.code | {module: "1"})
    assert "code:" not in output(commented)
    stages = [msgspec.structs.replace(s, plan="1") for s in second.stages]
    other = output(msgspec.structs.replace(commented, stages=stages))
    assert f"code: {module} changed\n" in other
    # An object of another fingerprint that holds the same rows.
    [drgs] = [s for s in second.snapshots if s.name == "drgs"]
    again = msgspec.structs.replace(drgs, fingerprint="0" * 64)
    shutil.copy(store.object(*drgs.object), store.object(*again.object))
    record = read_object(store, *drgs.object)
    assert record is not None
    record = msgspec.structs.replace(record, fingerprint=again.fingerprint)
    write_sealed(store.object(*again.object).with_suffix(".json"), record)
    snapshots = [again if s is drgs else s for s in second.snapshots]
    text = output(msgspec.structs.replace(second, snapshots=snapshots))
    assert "other rows in: features\n" in text


def test_what_was_true_in_the_first_kept_run_alone_is_said_to_have_ended(
    project: Path,
) -> None:
    first, second, *_ = read_runs(open_store(project))
    answers = (Answer(first, "true", True), Answer(second, "false", True))
    *_, line = Bisection(answers, 0, {}).lines()
    assert line == f"true in the first kept run, no longer since {second.run_id}"


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("select count(*) from features", "expected one boolean, found BIGINT"),
        ("select true from features", "expected one boolean, found several rows"),
        ("select true, false", "expected one boolean, found BOOLEAN, BOOLEAN"),
        ("drop view features", "expected one SELECT, found DROP"),
        ("select (", "syntax error"),
        ("select max(nothing) > 0 from features", "no kept run can answer"),
        ("select true from 'data/raw.csv'", "file system operations are disabled"),
    ],
)
def test_what_is_no_statement_of_the_snapshots_is_one_error(
    project: Path, sql: str, fault: str
) -> None:
    found = invoke(project, "bisect", sql)
    assert found.exit_code == 1
    assert found.stderr.startswith("error: ")
    assert fault in found.stderr


def test_runs_that_are_no_longer_kept_are_said_and_lost_objects_too(
    project: Path, tmp_path: Path
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(project, root, symlinks=True)
    store = open_store(root)
    last = read_runs(store)[-1]
    write_sealed(
        store.runs / f"{last.run_id}.json", msgspec.structs.replace(last, n_kept=3)
    )
    always = "select count(*) > 0 from features"
    assert "nothing is kept of 1 run before" in invoke(root, "bisect", always).output
    [features] = [s for s in read_runs(store)[1].snapshots if s.name == "features"]
    store.object(*features.object).unlink()
    lost = invoke(root, "bisect", always)
    assert "cannot be asked: 'features' is no longer in the store" in lost.output
    shutil.rmtree(root / ".pipeline")
    assert "there are no runs yet" in invoke(root, "bisect", always).stderr
