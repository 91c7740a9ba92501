"""Forecasts are scored by what came, as by hand in pandas."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from pipeline.files.parquet import read_parquet
from pipeline.modeling.monitor.kept import all_forecasts
from pipeline.modeling.monitor.scores import score_forecasts
from pipeline.modeling.predictor import fit_model
from pipeline.run.run import run
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store
from tests.modeling.conftest import LENIENT, load_in
from tests.modeling.monitor.conftest import NEW, bring
from tests.modeling.test_commands import command_in

KEY = ["facility_id", "apr_drg_code"]
TARGET = "w_total_median_profit"


def ask(root: Path, statement: str) -> pl.DataFrame:
    """Ask the catalog."""
    with connect(open_store(root)) as con:
        return con.sql(statement).pl()


def by_hand(came: Path) -> pd.DataFrame:
    """Join what was forecast with what came, and with the year before."""
    [kept] = all_forecasts(came)
    said = kept.predictions.to_pandas()
    features = ask(came, "from features").to_pandas()
    now = features[features.year == 2018].drop(columns="year")
    both = said.merge(now, on=KEY, validate="1:1").set_index(KEY)
    naive = both[f"{TARGET}_lag1"].fillna(both[f"{TARGET}_rolling2"])
    return both.assign(naive=naive)


def figures(y: Any, said: Any) -> tuple[float, float, float]:
    """MAE, RMSE and bias."""
    error = said - y
    rmse = np.sqrt((error**2).mean())
    return error.abs().mean(), rmse, error.sum() / y.abs().sum()


def test_scores_are_those_made_by_hand(arrived: Path) -> None:
    settings = load_in(arrived, *LENIENT)
    scores = score_forecasts(settings)
    both = by_hand(arrived)
    y = both[TARGET]
    overall = scores.filter(slice_by="all")
    for model, said in (("ridge", both.prediction), ("last_value", both.naive)):
        row = overall.filter(model=model).row(0, named=True)
        found = (row["mae"], row["rmse"], row["bias"])
        assert found == pytest.approx(figures(y, said), rel=1e-6), model
        assert row["n_rows"] == len(both)
        assert row["is_baseline"] == (model != "ridge")
    own, baseline = (
        overall.filter(model=m).row(0, named=True) for m in ("ridge", "last_value")
    )
    assert own["coverage"] == ((both.lower <= y) & (y <= both.upper)).mean()
    assert baseline["difference"] == pytest.approx(own["mae"] - baseline["mae"])
    assert (
        baseline["difference_lower"]
        < baseline["difference"]
        < baseline["difference_upper"]
    )
    of = ("name", "version", "period", "step", "nominal_coverage")
    assert [own[name] for name in of] == ["inpatient_profit_ci", 1, "2018", 1, 0.9]

    by_drg = scores.filter(model="ridge", slice_by="apr_drg_code")
    expected = both.reset_index().groupby("apr_drg_code")
    assert by_drg.height == expected.ngroups
    for code, part in expected:
        row = by_drg.filter(slice=str(code)).row(0, named=True)
        assert row["n_rows"] == len(part)
        assert row["mae"] == pytest.approx(figures(part[TARGET], part.prediction)[0])
    assert {"size_decile", "severity"} < {*scores["slice_by"]}

    shown = ask(arrived, "from meta.forecast_scores")
    assert shown.height == scores.height
    assert shown["mae"].sum() == pytest.approx(scores["mae"].sum())


def test_who_did_not_come_and_who_was_not_forecast_is_counted(arrived: Path) -> None:
    settings = load_in(arrived, *LENIENT)
    scores = score_forecasts(settings)
    [row] = scores.filter(slice_by="all", model="ridge").iter_rows(named=True)
    [kept] = all_forecasts(arrived)
    forecast = {*kept.predictions.select(KEY).iter_rows()}
    panel = ask(
        arrived,
        "select distinct facility_id, apr_drg_code from discharges where year = 2018",
    )
    there = {*panel.iter_rows()}
    gone = int((arrived / "gone.txt").read_text())
    assert any(facility == NEW for facility, _ in there - forecast)
    assert any(facility == gone for facility, _ in forecast - there)
    assert row["n_forecast"] == len(forecast)
    assert row["n_not_come"] == len(forecast - there)
    assert row["n_not_forecast"] == len(there - forecast)
    assert row["n_rows"] == len(forecast & there)


def test_what_is_scored_is_scored_again_by_a_run_if_it_came_otherwise(
    arrived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_in(arrived, *LENIENT)
    first = score_forecasts(settings)
    assert score_forecasts(settings).is_empty()
    path = arrived / "data" / "raw.csv"
    is_new = pl.col("Year") == 2018
    cost = pl.col("Median Cost")
    other = pl.when(is_new).then(cost * 0.5).otherwise(cost)
    pl.read_csv(path).with_columns(other).write_csv(path)
    result = command_in(arrived, monkeypatch)("run")
    assert result.exit_code == 0, result.output
    [line] = [text for text in result.stdout.splitlines() if " 2018 " in text]
    assert line.split()[:3] == ["2018", "1", "1"]
    second = ask(arrived, "from meta.forecast_scores")
    before, after = (table.filter(model="ridge") for table in (first, second))
    assert before["slice"].to_list() == after["slice"].to_list()
    assert (before["mae"] != after["mae"]).all()
    assert score_forecasts(settings).is_empty()


@pytest.mark.slow
def test_a_forecast_outlives_the_runs_and_is_scored_years_later(
    promoted: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(promoted, tmp_path, dirs_exist_ok=True, symlinks=True)
    bring(root)
    for most in (554, 556):
        words = (*LENIENT, "history.runs=1", f"drop_rare_drgs.min_total={most}")
        run(load_in(root, *words).pipeline)
    objects = open_store(root).objects / "predictions"
    assert not [*objects.glob("*.parquet")]
    scores = score_forecasts(load_in(root, *words))
    [row] = scores.filter(slice_by="all", model="last_value").iter_rows(named=True)
    assert row["mae"] == 0  # 2018 came as 2017 was
    assert row["difference"] > 0


def test_a_baseline_has_learned_no_more_than_the_champion(arrived: Path) -> None:
    settings = load_in(arrived, *LENIENT, "modeling.baselines=[lightgbm]")
    scores = score_forecasts(settings).filter(slice_by="all", model="lightgbm")
    modeling, config = settings.modeling, settings.models["lightgbm"]
    features = ask(arrived, "from features").sort(modeling.key)
    fitted = fit_model(features.filter(pl.col("year") <= 2017), config, modeling)
    [kept] = all_forecasts(arrived)
    now = features.filter(year=2018).join(kept.predictions, on=KEY, how="semi")
    error = fitted.point(now) - now[TARGET].to_numpy()
    assert scores["mae"].item() == pytest.approx(np.abs(error).mean())


def test_another_profile_or_target_scores_nothing(arrived: Path) -> None:
    assert score_forecasts(
        load_in(arrived, *LENIENT, "panel.target=w_mean_cost")
    ).is_empty()
    [kept] = all_forecasts(arrived)
    assert kept.table("scores") is None
    assert read_parquet(kept.folder / "predictions.parquet").height > 0
