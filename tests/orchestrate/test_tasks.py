"""The tasks of a project: which there are, what follows what, with which limits."""

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.orchestrate.tasks import Tasks, tasks_of
from tests.conftest import LEAN, PROJECT, make_project


def after(tasks: Tasks) -> dict[str, tuple[str, ...]]:
    return {task.name: task.after for task in tasks.tasks}


def test_independent_models_are_side_by_side_between_run_and_evaluate() -> None:
    assert after(tasks_of(PROJECT)) == {
        "run": (),
        "train_last_value": ("run",),
        "train_rolling_mean": ("run",),
        "tune_ridge": ("run",),
        "train_ridge": ("tune_ridge",),
        "tune_lightgbm": ("run",),
        "train_lightgbm": ("tune_lightgbm",),
        "evaluate": (
            *("train_last_value", "train_rolling_mean"),
            *("train_ridge", "train_lightgbm"),
        ),
        "promote": ("evaluate",),
        "forecast": ("run", "promote"),
        "monitor": ("forecast",),
        "docs": ("promote", "forecast"),
    }


def test_a_project_without_models_has_two_tasks() -> None:
    assert after(tasks_of(LEAN)) == {"run": (), "docs": ("run",)}


def test_commands_are_given_profile_and_overrides_but_not_how_they_are_run() -> None:
    words = ("modeling.baselines=[last_value]", "modeling.model=ridge")
    how = "orchestrate.parallel=3"
    tasks = tasks_of(PROJECT, profile="ci,origin", overrides=[how, *words])
    profiles = ("--profile", "ci", "--profile", "origin")
    assert tasks.given == (*profiles, *words)
    assert tasks.asked == (*profiles, how, *words)
    assert tasks.settings.parallel == 3
    assert "train_lightgbm" not in after(tasks)


def test_limits_are_those_of_all_or_of_the_task() -> None:
    words = [
        "orchestrate.retries=5",
        "orchestrate.tasks.tune_ridge={timeout_s: 60, retries: 0}",
    ]
    limits = {t.name: t for t in tasks_of(PROJECT, overrides=words).tasks}
    assert (limits["run"].retries, limits["run"].timeout_s) == (5, 7200)
    assert (limits["tune_ridge"].retries, limits["tune_ridge"].timeout_s) == (0, 60)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("orchestrate.tasks.tune_rigde={retries: 1}", "did you mean 'tune_ridge'"),
        ("orchestrate.schedule=daily", "five fields of cron"),
        ("orchestrate.retrys=1", "orchestrate.retrys"),
        ("source.password=hunter22", "what is secret stands in no file"),
        ("source.uri=pg://me:hunter22@db", "what is secret stands in no file"),
    ],
)
def test_what_no_task_can_be_given_is_refused(word: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        tasks_of(LEAN if word.startswith("source") else PROJECT, overrides=[word])


def test_what_a_run_reads_are_files_or_it_is_said_that_they_are_not(
    tmp_path: Path,
) -> None:
    root = make_project(tmp_path, of=LEAN)
    (root / "transforms").mkdir()
    (root / "configs" / "columns.yaml").touch()
    of = {
        "data/*.csv": (True, "data"),
        "/data/20[12]?/*.csv": (True, "/data"),
        "s3://bucket/key.csv": (False, None),
        "*.csv": (False, None),
    }
    for path, (is_seen, read) in of.items():
        kind = "parquet" if "s3" in path else "csv"
        words = [f"source={kind}", f"source.path={path}"]
        tasks = tasks_of(root, overrides=words)
        files = ("configs/pipeline.yaml", "configs/columns.yaml", "transforms")
        reads = (*files, *([read] if read else []))
        assert (tasks.is_seen, tasks.tasks[0].reads) == (is_seen, reads)


def test_models_depend_on_the_sections_that_their_settings_refer_to() -> None:
    [train] = [t for t in tasks_of(PROJECT).tasks if t.name == "train_ridge"]
    assert train.reads == ("configs/modeling.yaml", "configs/models/ridge.yaml")
    assert train.sections == {"configs/pipeline.yaml": ("panel",)}
    [train] = [
        t for t in tasks_of(PROJECT, profile="ci").tasks if t.name == "train_ridge"
    ]
    assert train.sections == {
        "configs/pipeline.yaml": ("panel",),
        "configs/profiles/ci.yaml": ("modeling", "models"),
    }
