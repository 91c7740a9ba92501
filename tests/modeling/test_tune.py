import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
from optuna.trial import FrozenTrial

from pipeline.errors import ConfigError, ModelError
from pipeline.modeling import records
from pipeline.modeling.data import current_features, folds
from pipeline.modeling.settings import load_modeling
from pipeline.modeling.tracking.tracking import store_uri
from pipeline.modeling.train import train, training_fingerprint
from pipeline.modeling.tune import (
    best_params,
    fold_of,
    study_name,
    tune,
)
from pipeline.plan import code
from tests.modeling.conftest import Load
from tests.modeling.shops import shops
from tests.modeling.tracking.test_tracking import study_runs

TARGET = "w_total_median_profit"

RIDGE_2 = """
kind: ridge
target: {kind: none}
params: {alpha: 1}
space: {alpha: {kind: float, low: 1, high: 10}}
"""


def test_fold_error_is_that_of_the_year_judged_from_those_before(ml: Load) -> None:
    settings, root = ml("modeling.metric=mae"), ml("modeling.metric=rmse")
    df = current_features(settings).read(settings.modeling)
    model = settings.models["rolling_mean"]
    judged = folds(df, settings.modeling)
    assert [year for _, (year, _) in judged] == [2013, 2014]
    for fold in judged:
        rows = df.filter(year=fold[1][0])
        missed = (rows[TARGET] - rows[f"{TARGET}_rolling2"]).to_numpy()
        mae = fold_of(df, model, settings.modeling, fold).error(model.params)
        assert mae == pytest.approx(np.mean(np.abs(missed)))
        rmse = fold_of(df, model, root.modeling, fold).error(model.params)
        assert rmse == pytest.approx(np.sqrt(np.mean(missed**2)))


def test_fold_learns_from_no_later_year_and_takes_the_tried_parameters(
    ml: Load,
) -> None:
    settings = ml()
    known = current_features(settings).read(settings.modeling)
    changed = known.with_columns(
        pl.when(pl.col("year") > 2013).then(1.0).otherwise(TARGET).alias(TARGET)
    )

    def error(df: pl.DataFrame, alpha: float, fold: int) -> float:
        model, modeling = settings.models["ridge"], settings.modeling
        made = fold_of(df, model, modeling, folds(df, modeling)[fold])
        return made.error({"alpha": alpha})

    assert error(changed, 3.0, 0) == error(known, 3.0, 0)
    assert error(changed, 3.0, 1) != error(known, 3.0, 1)
    assert error(known, 3.0, 0) != error(known, 1e5, 0)


def test_training_takes_the_best_parameters_of_its_study_else_the_files(
    ml: Load, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ml()
    before = train(settings, "ridge")
    assert before.record.study is None
    assert before.record.config["params"] == {"alpha": 100}

    tuning = tune(settings, "ridge")
    assert (len(tuning.trials), tuning.n_new) == (2, 2)
    errors = [trial.value for trial in tuning.trials]
    best = tuning.trials[int(np.argmin(np.array(errors)))].params
    after = train(settings, "ridge")
    assert after.is_new
    assert after.record.study == tuning.name
    assert after.record.config["params"] == best

    said = "ridge: parameters of the YAML, as its study is of other data, "
    assert said not in caplog.text
    for other in (
        "modeling.metric=rmse",
        "modeling.study.folds=1",
        "models.ridge.space.alpha.low=1",
    ):
        caplog.clear()
        assert train(ml(other), "ridge").record.study is None, other
        assert caplog.text.count(said) == 1, other
    caplog.clear()
    (tmp_path / "configs" / "models" / "ridge_2.yaml").write_text(RIDGE_2)
    assert train(ml(), "ridge_2").record.study is None
    assert said not in caplog.text
    assert train(ml("modeling.study.trials=9"), "ridge").record == after.record


@pytest.mark.slow
def test_only_code_of_its_own_kind_and_of_all_detaches_a_study_and_a_training(
    ml: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuning = tune(ml(), "ridge")
    record = train(ml(), "ridge").record
    package = tmp_path / "pipeline"
    shutil.copytree(code.PACKAGE, package, ignore=shutil.ignore_patterns("*.pyc"))
    monkeypatch.setattr(code, "PACKAGE", package)
    uncached = vars(records)["_code_of"].__wrapped__
    monkeypatch.setattr(records, "_code_of", uncached)

    kinds = package / "modeling" / "models"
    (kinds / "constant.py").write_text("VALUE = 1\n")
    yaml = tmp_path / "configs" / "models" / "median_growth.yaml"
    yaml.write_text(RIDGE_2)
    append(kinds / "lightgbm.py")
    assert "median_growth" in ml().models
    again = tune(ml(), "ridge")
    assert (again.name, again.n_new) == (tuning.name, 0)
    there = train(ml(), "ridge")
    assert (there.is_new, there.record) == (False, record)

    settings, features = ml(), there.features
    config, _ = best_params(settings, "ridge", features)
    for module in (kinds / "ridge.py", package / "modeling" / "fit" / "design.py"):
        before = module.read_text()
        append(module)
        assert best_params(settings, "ridge", features)[1] is None, module
        wanted = training_fingerprint(features, config, settings)
        assert wanted != record.fingerprint, module
        module.write_text(before)


def append(module: Path) -> None:
    """Change the code of a module."""
    with module.open("a") as file:
        file.write("CHANGED = 1\n")


def times_of(first: FrozenTrial, last: FrozenTrial) -> tuple[int, int]:
    """When trials began and ended, as MLflow has it."""
    assert first.datetime_start is not None
    assert last.datetime_complete is not None
    assert first.datetime_start < last.datetime_complete
    both = (first.datetime_start, last.datetime_complete)
    began, ended = (int(time.timestamp() * 1000) for time in both)
    return began, ended


def test_study_is_mirrored_as_it_runs_and_its_later_trials_later(ml: Load) -> None:
    settings = ml()
    told: list[tuple[int, list[str], str]] = []

    def look(trial: FrozenTrial) -> None:
        runs = study_runs(settings, name)
        told.append((trial.number, sorted(runs), runs["all"].info.status))

    features = current_features(settings)
    config = settings.models["ridge"]
    name = study_name("ridge", features, config, settings.modeling)
    tuning = tune(settings, "ridge", look)
    assert told == [(0, ["0", "all"], "RUNNING"), (1, ["0", "1", "all"], "RUNNING")]
    train(settings, "ridge")  # is tagged with the study, too
    runs = study_runs(settings, tuning.name)
    assert sorted(runs) == ["0", "1", "all"]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    parent = runs["all"]
    for trial in tuning.trials:
        run = runs[str(trial.number)]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["state"] == "complete"
        assert run.data.params == {"alpha": str(trial.params["alpha"])}
        assert (run.info.start_time, run.info.end_time) == times_of(trial, trial)
        assert run.data.metrics["mae"] == trial.value
    values = [trial.value for trial in tuning.trials if trial.value is not None]
    assert parent.data.metrics == {"trials": 2, "best_mae": min(values)}

    lasted = (parent.info.start_time, parent.info.end_time)
    assert lasted == times_of(tuning.trials[0], tuning.trials[-1])
    assert parent.data.tags["mlflow.note.content"] == (
        "Parameters of ridge, to predict w_total_median_profit ($) of a facility_id and"
        " apr_drg_code one year ahead. The least MAE is searched over the last 2"
        " training periods, each predicted from those before it."
    )
    client = MlflowClient(store_uri(settings.root))
    [space] = client.list_artifacts(parent.info.run_id)
    assert space.path == "space.json"

    again = tune(settings, "ridge", look)
    assert (again.name, again.n_new, len(told)) == (tuning.name, 0, 2)
    same = study_runs(settings, tuning.name)
    assert {n: r.info.run_id for n, r in same.items()} == {
        n: r.info.run_id for n, r in runs.items()
    }
    assert same["all"].info.end_time == parent.info.end_time

    more = tune(ml("modeling.study.trials=3"), "ridge")
    assert (more.name, more.n_new) == (tuning.name, 1)
    runs = study_runs(settings, tuning.name)
    assert sorted(runs) == ["0", "1", "2", "all"]
    assert runs["all"].info.run_id == parent.info.run_id
    assert runs["0"].info.end_time == same["0"].info.end_time
    assert runs["all"].data.metrics["trials"] == 3


@pytest.mark.parametrize(
    ("model", "override", "expected"),
    [
        ("ridg", "modeling.seed=1", "no model 'ridg'; did you mean 'ridge'?\nfound: "),
        ("last_value", "modeling.seed=1", "models/last_value.yaml: nothing to tune"),
        (
            "ridge",
            "modeling.study.folds=5",
            "5 training periods, expected 6 for 5",
        ),
    ],
)
def test_what_cannot_be_tuned_is_refused_before_a_trial(
    ml: Load, model: str, override: str, expected: str
) -> None:
    settings = ml(override)
    with pytest.raises(ConfigError) as caught:
        tune(settings, model)
    assert expected in str(caught.value)
    assert not (settings.root / ".pipeline" / "studies").exists()


def test_a_target_that_does_not_vary_begins_no_study(tmp_path: Path) -> None:
    root = shops(tmp_path, range(2010, 2016))
    file = root / "data.csv"
    pl.read_csv(file).with_columns(sold=pl.lit(7.0)).write_csv(file)
    with pytest.raises(ModelError) as caught:
        tune(load_modeling(root), "ridge")
    first, hint = str(caught.value).splitlines()
    assert first.startswith(
        "sold: found 7.0 in all 20 training rows, expected a target"
    )
    assert hint == "hint: see `split.train` in configs/modeling.yaml"
    assert not (root / ".pipeline" / "studies").exists()
