from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from pipeline.errors import ModelError
from pipeline.modeling.evaluate import Evaluation, evaluate
from pipeline.modeling.judge.metrics import METRICS
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.tracking.tracking import store_uri
from pipeline.modeling.train import train
from tests.modeling.conftest import Load

TARGET = "w_total_median_profit"
FEW = ("modeling.baselines=[rolling_mean]", "modeling.bootstrap.samples=100")


@pytest.fixture
def evaluated(ml: Load) -> tuple[ModelingSettings, Evaluation]:
    settings = ml(*FEW)
    return settings, evaluate(settings, "lightgbm")


def test_figures_are_sklearns_and_everything_is_kept(
    evaluated: tuple[ModelingSettings, Evaluation],
) -> None:
    settings, evaluation = evaluated
    training = evaluation.training
    df = training.features.read(settings.modeling)
    test = df.filter(pl.col("year").is_between(2016, 2017))
    predicted = training.load().predict(test)
    y, own = test[TARGET].to_numpy(), predicted["prediction"].to_numpy()
    held = (predicted["lower"] <= test[TARGET]) & (test[TARGET] <= predicted["upper"])

    metrics = evaluation.record.metrics
    totals = ["wape_total", "wape_by_facility_id", "wape_by_apr_drg_code"]
    assert list(metrics) == [*METRICS, *totals]
    assert metrics["bias"] == pytest.approx((own - y).sum() / np.abs(y).sum())
    sums = test.select("year", "apr_drg_code", TARGET, own=own).group_by(
        "year", "apr_drg_code"
    )
    off = sums.agg(pl.col("own", TARGET).sum()).select(
        (pl.col("own") - pl.col(TARGET)).abs().sum() / pl.col(TARGET).abs().sum()
    )
    assert metrics["wape_by_apr_drg_code"] == pytest.approx(off.item())
    assert metrics["rmse"] == pytest.approx(root_mean_squared_error(y, own))
    assert metrics["mae"] == pytest.approx(mean_absolute_error(y, own))
    assert metrics["r2"] == pytest.approx(r2_score(y, own))
    assert metrics["coverage"] == pytest.approx(held.mean())
    assert evaluation.record.n_rows == test.height == 556

    table = evaluation.table("evaluation")
    known = test[f"{TARGET}_rolling2"].to_numpy()
    for by, rows in [("all", y == y), ("2017", (test["year"] == 2017).to_numpy())]:
        for model, made in [("lightgbm", own), ("rolling_mean", known)]:
            [value] = table.filter(model=model, slice=by, metric="rmse")["value"]
            assert value == pytest.approx(root_mean_squared_error(y[rows], made[rows]))

    [row] = evaluation.table("comparison").filter(slice_by="all").to_dicts()
    difference = metrics["mae"] - mean_absolute_error(y, known)
    assert row["reference"] == "rolling_mean"
    assert row["difference"] == pytest.approx(difference)

    predictions = evaluation.table("predictions")
    assert predictions["model"].value_counts(sort=True)["count"].to_list() == [556, 556]
    np.testing.assert_array_equal(
        predictions.filter(model="lightgbm")["prediction"], own
    )

    files = {path.name for path in evaluation.folder.iterdir()}
    assert {"card.html", "evaluation.json", "importance.parquet"} <= files
    charts = {path.stem for path in (evaluation.folder / "charts").glob("*.svg")}
    assert {"error", "period", "coverage", "importance", "shap", "dependence"} <= charts
    client = MlflowClient(store_uri(settings.root))
    run = client.get_run(training.record.mlflow_run)
    logged = {key: run.data.metrics[f"test_{key}"] for key in metrics}
    assert logged == metrics
    artifacts = client.list_artifacts(training.record.mlflow_run, "evaluation")
    assert {Path(artifact.path).name for artifact in artifacts} == files
    assert evaluation.record.predict_s > 0

    baseline = train(settings, "rolling_mean")
    assert not baseline.is_new
    told = client.get_run(baseline.record.mlflow_run).data.metrics
    assert told["test_rmse"] == pytest.approx(root_mean_squared_error(y, known))
    assert told.keys() == run.data.metrics.keys()


@pytest.mark.slow
def test_evaluation_is_made_once_and_anew_when_what_decides_it_changes(
    ml: Load,
) -> None:
    first = evaluate(ml(*FEW), "last_value")
    assert first.is_new
    again = evaluate(ml(*FEW, "modeling.promotion.max_slice_loss=0.5"), "last_value")
    assert not again.is_new
    assert again.record == first.record
    changes: list[str] = []
    for change in (
        "modeling.metric=rmse",
        "modeling.split.test=[2017, 2017]",
        "modeling.slices.size=w_mean_cost_lag1",
        "models.rolling_mean.params.columns=[w_total_median_profit_lag1,"
        " w_total_median_profit_rolling2]",
    ):
        changes.append(change)
        other = evaluate(ml(*FEW, *changes), "last_value")
        assert other.is_new, change
        assert not other.training.is_new
        assert other.folder == first.folder
    assert evaluate(ml(*FEW), "last_value").record.metrics == first.record.metrics


def test_test_years_without_rows_are_one_error_and_leave_nothing(ml: Load) -> None:
    settings = ml(*FEW, "modeling.split.test=[2018, 2019]")
    with pytest.raises(ModelError, match="features: no rows of 2018 and 2019\n"):
        evaluate(settings, "last_value")
    assert not list((settings.root / ".pipeline" / "models").rglob("*.json"))


def test_figures_of_a_baseline_that_mlflow_has_lost_are_logged_again(ml: Load) -> None:
    settings = ml(*FEW)
    assert evaluate(settings, "last_value").is_new
    client = MlflowClient(store_uri(settings.root))
    lost = train(settings, "rolling_mean").record.mlflow_run
    client.delete_run(lost)
    assert not evaluate(settings, "last_value").is_new
    again = train(settings, "rolling_mean").record.mlflow_run
    assert again != lost
    metrics = client.get_run(again).data.metrics
    assert metrics == client.get_run(lost).data.metrics


def test_the_only_baseline_is_judged_against_the_default_model(ml: Load) -> None:
    settings = ml(*FEW, "modeling.model=last_value")
    comparison = evaluate(settings, "rolling_mean").table("comparison")
    assert set(comparison["reference"]) == {"last_value"}
    with pytest.raises(ModelError) as caught:
        evaluate(ml(*FEW, "modeling.model=rolling_mean"), "rolling_mean")
    assert str(caught.value) == (
        "rolling_mean: no model to compare with\n"
        "found: it is `modeling.model`, and the only one of `modeling.baselines`\n"
        "hint: name another baseline, as with modeling.baselines=[last_value]"
    )
