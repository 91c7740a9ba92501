"""MLflow is told of a study once, whatever came between."""

import subprocess

from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.tracking.tracking import log_study, store_uri, tracking
from tests.modeling.conftest import Load


def study_runs(settings: ModelingSettings, name: str) -> dict[str, Run]:
    """Runs of a study by their number, and the study's own, `all`; none twice."""
    client = MlflowClient(store_uri(settings.root))
    [experiment] = client.search_experiments(
        filter_string=f"name = '{settings.modeling.name}'"
    )
    runs = [
        run
        for run in client.search_runs([experiment.experiment_id])
        if run.data.tags.get("study") == name and "trial" in run.data.tags
    ]
    by_number = {run.data.tags["trial"]: run for run in runs}
    assert len(by_number) == len(runs)
    return by_number


def ended(number: int, state: TrialState, values: list[float]) -> FrozenTrial:
    trial = create_trial(
        state=state,
        value=values[-1],
        params={"alpha": number + 1.0},
        distributions={"alpha": FloatDistribution(1, 10)},
        intermediate_values=dict(enumerate(values)),
    )
    trial.number = number
    return trial


def test_what_a_crash_left_unmirrored_is_mirrored_the_next_time(ml: Load) -> None:
    settings = ml()
    with tracking(settings) as store:
        tags = {"study": "s", "trial": "0"}
        unfinished = store.client.create_run(store.experiment, tags=tags)
    trials = [ended(0, TrialState.COMPLETE, [4.0, 3.0])]
    git = ("git", "-C", str(settings.root), "-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run([*git, "init", "--quiet"], check=True)
    commit = ("commit", "--quiet", "--allow-empty", "--message=first")
    subprocess.run([*git, *commit], check=True)
    log_study(settings, "s", "ridge", trials, is_over=True)
    runs = study_runs(settings, "s")
    assert sorted(runs) == ["0", "all"]
    assert runs["all"].data.tags["mlflow.source.git.dirty"] == "false"
    assert runs["0"].info.run_id == unfinished.info.run_id
    assert runs["0"].info.status == "FINISHED"
    assert runs["0"].data.metrics == {"mae_so_far": 3.0, "mae": 3.0}


def test_pruned_trial_is_not_the_best(ml: Load) -> None:
    settings = ml()
    trials = [
        ended(0, TrialState.COMPLETE, [4.0, 3.0]),
        ended(1, TrialState.PRUNED, [1.0]),
    ]
    log_study(settings, "s", "ridge", trials, is_over=True)
    runs = study_runs(settings, "s")
    assert runs["all"].data.metrics["best_mae"] == 3.0
    assert runs["1"].data.metrics == {"mae_so_far": 1.0}
    assert runs["1"].data.tags["state"] == "pruned"
