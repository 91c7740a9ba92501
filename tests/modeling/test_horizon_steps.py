"""Several periods ahead: features, rows, models and forecasts, held to a few lines."""

import random
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import polars as pl
import pytest

from pipeline.errors import ConfigError, ModelError
from pipeline.modeling.audit.guard import learnable_features
from pipeline.modeling.data import folds, forecast_since, parts
from pipeline.modeling.evaluate import evaluate
from pipeline.modeling.forecast import forecast
from pipeline.modeling.monitor.scores import score_forecasts
from pipeline.modeling.promote import promote
from pipeline.modeling.registry.registry import champion
from pipeline.modeling.score import score
from pipeline.modeling.settings import ModelingSettings, load_modeling
from pipeline.modeling.train import train
from pipeline.run.run import run
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store
from tests.modeling.shops import with_store_of

pytestmark = pytest.mark.usefixtures("here")

PIPELINE = """
source: {use: csv, path: sales.csv}
columns: {Month: date, Shop: label, Sold: {kind: integer, min: 0}}
panel:
  time: month
  every: 1mo
  season: 4
  entity: [shop]
  target: sold
  values: [sold]
  known: []
stages:
  sanitize_column_names: {snapshot: sales, key: [shop, month]}
  lag_columns: {}
  rolling_columns: {}
  drop_present: {snapshot: features, key: [shop, month]}
lag_columns: {periods: [1, 4]}
rolling_columns: {window: 2, drop_nulls: true}
"""

MODELING = """
panel: sales
horizon: 3
past: [sold_rolling2]
split: {train: 12, valid: 4, test: 5}
model: ridge
baselines: [mean, seasonal_naive]
totals: [shop]
coverage: 0.6
study: {trials: 2, folds: 2}
bootstrap: {samples: 100}
promotion: {max_bias: 0.9, max_coverage_gap: 0.5, max_slice_loss: 0.99}
"""

MODELS = {
    "ridge": "{kind: ridge, target: {kind: none}, params: {alpha: 1}}",
    "seasonal_naive": (
        "{kind: known_value, target: {kind: none}, params: {columns:"
        " ['${modeling.target}_lag${modeling.season}', sold_rolling2]}}"
    ),
    "mean": (
        "{kind: known_value, target: {kind: none}, params: {columns: [sold_rolling2]}}"
    ),
}

N_SHOPS, N_MONTHS = 12, 27
LAST = date(2022, 3, 1)


def month(m: int) -> date:
    """Name the first of a month, counted from January 2020."""
    return date(2020 + m // 12, m % 12 + 1, 1)


def sales() -> Any:
    """Draw what shops sell: a season of four months; some begin late, one has ended."""
    chance = random.Random(1)
    rows = [
        (month(m), f"s{i:02}", round(30 * (1 + i) * (1 + m % 4) * chance.uniform(1, 2)))
        for i in range(N_SHOPS)
        for m in range(5 * (i % 3 == 2), N_MONTHS - 9 * (i == 11))
    ]
    return pd.DataFrame(rows, columns=["month", "shop", "sold"])


Make: TypeAlias = Callable[..., ModelingSettings]


def project(root: Path) -> Path:
    """Write a project of these sales."""
    (root / "configs" / "models").mkdir(parents=True)
    (root / "configs" / "pipeline.yaml").write_text(PIPELINE)
    (root / "configs" / "modeling.yaml").write_text(MODELING)
    for name, text in MODELS.items():
        (root / "configs" / "models" / f"{name}.yaml").write_text(text)
    frame = pl.from_pandas(sales()).with_columns(pl.col("month").cast(pl.Date))
    frame.rename(str.capitalize).write_csv(root / "sales.csv")
    return root


@pytest.fixture(scope="module")
def root(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project for all tests: what one has made is there for the others."""
    made = project(tmp_path_factory.mktemp("steps"))
    with_store_of(prepared, made)
    return made


@pytest.fixture
def make(root: Path) -> Make:
    """Load its settings, some of them changed."""
    return lambda *overrides: load_modeling(root, overrides=overrides)


def by_hand(step: int) -> Any:
    """Make the features of a step of a panel without gaps."""
    made = sales().sort_values(["shop", "month"]).copy()
    sold = made.groupby("shop")["sold"]
    made["sold_lag1"] = sold.shift(step)
    made["sold_lag4"] = sold.shift(4)
    one, two = sold.shift(step), sold.shift(step + 1)
    made["sold_rolling2"] = pd.concat([one, two], axis=1).mean(axis=1)
    made["step"] = step
    return made[made["sold_rolling2"].notna()]


def rows_by_hand() -> Any:
    """Make the features of all steps."""
    made = pd.concat([by_hand(step) for step in (1, 2, 3)])
    return made.sort_values(["shop", "month", "step"], ignore_index=True)


def learned_by_hand() -> Any:
    """Take a row per shop and month that is learned from."""
    rows = rows_by_hand()
    return rows[(rows["step"] == 1) & number(rows).between(6, 17)]


def number(rows: Any) -> Any:
    """Count months from January 2020."""
    return rows["month"].map(lambda day: day.year * 12 + day.month - 1 - 2020 * 12)


def as_pandas(df: pl.DataFrame) -> Any:
    """Take a frame as pandas has it, with nulls as NaN, and dates."""
    return df.to_pandas().assign(month=df["month"].to_list())


def test_features_of_each_step_know_nothing_younger(make: Make) -> None:
    settings = make()
    found = as_pandas(learnable_features(settings).read(settings.modeling))
    expected = rows_by_hand()
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_dtype=False)


def test_features_of_steps_that_are_damaged_are_made_again(make: Make) -> None:
    settings = make()
    features = learnable_features(settings)
    content = features.path.read_bytes()
    features.path.write_bytes(content[:-100] + bytes(100))
    again = learnable_features(settings)
    assert again.path.read_bytes() == content
    assert again.fingerprint == features.fingerprint


def test_rows_that_judge_were_forecast_after_those_learned_from(make: Make) -> None:
    settings = make()
    modeling = settings.modeling
    df = learnable_features(settings).read(modeling)
    train_rows, valid, test = parts(df, modeling)
    rows = rows_by_hand()
    numbers = number(rows)
    # 26 months have features: the newest 5 judge, 4 calibrate, 12 are learned from.
    origin = numbers - rows["step"]
    for found, expected in (
        (train_rows, rows[numbers.between(6, 17)]),
        (valid, rows[numbers.between(18, 21) & (origin >= 17)]),
        (test, rows[numbers.between(22, 26) & (origin >= 21)]),
    ):
        keys = expected[["shop", "month", "step"]].to_records(index=False).tolist()
        assert found.select("shop", "month", "step").rows() == keys
    for learned, judged in folds(df, modeling):
        rows_of = forecast_since(df, modeling, judged, learned[1])
        made = rows_of.select(pl.col("month").dt.offset_by("-1mo"), "step").unique()
        assert made.filter(step=1)["month"].min() == learned[1]
        assert sorted(made.group_by("step").len().rows()) == [(1, 3), (2, 2), (3, 1)]


def test_a_direct_forecast_is_that_of_a_fit_by_hand(make: Make) -> None:
    settings = make()
    rows = rows_by_hand()
    learned = rows[number(rows).between(6, 17)]
    names = ["sold_lag1", "sold_lag4", "sold_rolling2", "step"]

    def filled(of: Any) -> Any:
        median = learned[names].median()
        mean, deviation = (
            getattr(learned[names].fillna(median), figure)(**how)
            for figure, how in (("mean", {}), ("std", {"ddof": 0}))
        )
        return ((of[names].fillna(median) - mean) / deviation).to_numpy()

    X, y = filled(learned), learned["sold"].to_numpy(dtype=float)
    weights = np.linalg.solve(X.T @ X + np.eye(4), X.T @ (y - y.mean()))
    evaluation = evaluate(settings, "ridge")
    found = evaluation.table("predictions").filter(model="ridge")
    judged = as_pandas(found).merge(rows, on=["shop", "month", "step"])
    expected = filled(judged) @ weights + y.mean()
    np.testing.assert_allclose(judged["prediction"], expected, rtol=1e-9)


def test_the_seasonal_naive_is_the_value_a_season_before(make: Make) -> None:
    found = evaluate(make(), "ridge").table("predictions")
    made = as_pandas(found.filter(model="seasonal_naive"))
    sold = sales().set_index(["shop", "month"])["sold"]
    for row in made.itertuples():
        before = date(row.month.year, row.month.month, 1)
        m = before.year * 12 + before.month - 1 - 4
        assert row.prediction == sold[row.shop, date(m // 12, m % 12 + 1, 1)]


def test_each_step_has_its_own_intervals_errors_and_totals(make: Make) -> None:
    settings = make()
    calibrations = train(settings, "ridge").load().record.calibrations
    assert len(calibrations) == 3
    assert len({tuple(each.upper) for each in calibrations}) == 3
    evaluation = evaluate(settings, "ridge")
    predictions = evaluation.table("predictions").filter(model="ridge")
    figures = evaluation.table("evaluation").filter(model="ridge")
    error = (pl.col("prediction") - pl.col("y")).abs()
    by_step = predictions.group_by("step").agg(
        mae=error.mean(), coverage=pl.col("y").is_between("lower", "upper").mean()
    )
    for step, mae, coverage in by_step.iter_rows():
        of = figures.filter(slice_by="step", slice=str(step))
        values = dict(of.select("metric", "value").iter_rows())
        assert values["mae"] == pytest.approx(mae)
        assert values["coverage"] == pytest.approx(coverage)
    scale = {
        shop: rows["sold"].diff(4).abs().mean()
        for shop, rows in learned_by_hand().groupby("shop")
    }
    scaled = predictions.with_columns(
        scale=pl.col("shop").replace_strict(scale, return_dtype=pl.Float64)
    ).select((error / pl.col("scale")).mean())
    mase = figures.filter(slice_by="all", metric="mase")["value"].item()
    assert mase == pytest.approx(scaled.item())
    # No total holds two forecasts of a row.
    totals = predictions.group_by("month", "step").agg(pl.col("y", "prediction").sum())
    y, prediction = (totals[name].to_numpy() for name in ("y", "prediction"))
    wape = np.abs(prediction - y).sum() / np.abs(y).sum()
    found = figures.filter(slice_by="all", metric="wape_total")["value"].item()
    assert found == pytest.approx(wape)


def test_a_forecast_has_a_row_per_step_and_a_bundle_gives_the_same(make: Make) -> None:
    settings = make("modeling.baselines=[mean]")
    promotion = promote(settings, "ridge", withdraw=False)
    assert promotion.is_champion, promotion.reasons
    made = forecast(settings).predictions
    assert made.select("month", "step").unique().sort("step").rows() == [
        (date(2022, 4, 1), 1),
        (date(2022, 5, 1), 2),
        (date(2022, 6, 1), 3),
    ]
    # What has ended is not forecast.
    shops = [f"s{i:02}" for i in range(N_SHOPS - 1)]
    assert made.filter(step=1)["shop"].sort().to_list() == shops
    with connect(open_store(settings.root)) as con:
        totals = con.sql("from predicted_totals where total_by = 'all'").pl()
        asked = con.sql("select distinct horizon from meta.models").fetchall()
    assert asked == [(3,)]
    assert totals.height == 3
    for step, total in totals.select("step", "total").iter_rows():
        assert total == pytest.approx(made.filter(step=step)["prediction"].sum())
    scored = score(settings, settings.root / "sales.csv", alone=True).predictions
    assert scored.height == 3 * len(sales())
    columns = ["shop", "month", "step", "prediction", "lower", "upper"]
    there = scored.drop_nulls("prediction").select(columns).unique()
    assert there.sort("shop", "step").equals(made.select(columns).sort("shop", "step"))
    again = promote(settings, "mean", withdraw=False)
    assert again.comparison["reference"].str.contains("champion").any()
    # One of a shorter horizon answers another question.
    with pytest.raises(ModelError, match="horizon: found 3, expected 1"):
        champion(make("modeling.horizon=1"))


@pytest.mark.slow
def test_each_step_is_scored_when_its_period_comes(
    make: Make, root: Path, tmp_path: Path
) -> None:
    settings = make("modeling.baselines=[mean]")
    promote(settings, "ridge", withdraw=False)
    made = forecast(settings).predictions
    shutil.copytree(root, tmp_path, dirs_exist_ok=True, symlinks=True)
    settings = load_modeling(tmp_path, overrides=("modeling.baselines=[mean]",))
    path = tmp_path / "sales.csv"
    for m, step in ((27, 1), (28, 2)):
        with path.open("a") as file:
            file.writelines(f"{month(m)},s{i:02},{50 + i}\n" for i in range(1, N_SHOPS))
        run(settings.pipeline)
        scores = score_forecasts(settings).filter(slice_by="all")
        assert scores["step"].unique().to_list() == [step]
        assert scores["period"].unique().to_list() == [str(month(m))]
        own, mean = (
            scores.filter(model=name).row(0, named=True) for name in ("ridge", "mean")
        )
        # The first shop does not come, and the last is no candidate.
        counts = ("n_rows", "n_forecast", "n_not_come", "n_not_forecast")
        assert [own[name] for name in counts] == [10, 11, 1, 1]
        said = made.filter(step=step).with_columns(
            i=pl.col("shop").str.tail(2).cast(int)
        )
        error = (pl.col("prediction") - 50 - pl.col("i")).abs().mean()
        expected = said.filter(pl.col("i") > 0).select(error).item()
        assert own["mae"] == pytest.approx(expected)
        # What the mean knows ends before the first month, at any step.
        sold = sales()
        sold = sold[sold["shop"].isin(said.filter(pl.col("i") > 0)["shop"].to_list())]
        last = sold[number(sold) >= 25].groupby("shop")["sold"].mean()
        naive = abs(last - 50 - last.index.str[-2:].astype(int)).mean()
        assert mean["mae"] == pytest.approx(naive)
    assert not score_forecasts(settings).height


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["modeling.horizon=0"], "horizon"),
        (["modeling.horizon=soon"], "horizon"),
        (["panel.season=1"], "season"),
        (["modeling.horizon=5"], "split.valid"),
        (["models.ridge.occurrence={}"], "occurrence"),
        (["panel.entity=[step]"], "'step' is a column of every forecast"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_name(
    make: Make, overrides: list[str], expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected):
        make(*overrides)


def test_a_horizon_longer_than_what_is_known_is_refused(make: Make) -> None:
    with pytest.raises(ModelError, match="26 periods"):
        train(make("modeling.split={train: 19, valid: 4, test: 4}"), "ridge")
    with pytest.raises(ModelError, match="no two of 26 periods are a season apart"):
        train(make("panel.season=30", "lag_columns.periods=1"), "mean")
    named = (
        "modeling.split={train: [2020-06-01, 2021-06-01], valid: [2021-07-01,"
        " 2021-08-01], test: [2021-09-01, 2022-03-01]}"
    )
    with pytest.raises(ModelError, match=r"found: 2 in `split.valid`"):
        train(make(named), "ridge")


def test_a_feature_called_step_is_refused(tmp_path: Path) -> None:
    path = project(tmp_path) / "configs" / "pipeline.yaml"
    text = path.read_text().replace("  drop_present:", "  derive: {}\n  drop_present:")
    path.write_text(text + "derive: {columns: {step: 'sold_lag1 + 1'}}\n")
    with pytest.raises(ConfigError, match="'step' is a column of snapshot 'features'"):
        train(load_modeling(tmp_path), "ridge")


TOLD = """
import polars as pl

from pipeline.config import BaseConfig


class Config(BaseConfig, frozen=True):
    keys: list[str]
    time: str


def told(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    before = pl.col("sold").shift(1).over(config.keys)
    return lf.sort(*config.keys, config.time).with_columns(before.alias("told"))


def past(config: Config) -> list[str]:
    return ["told"]
"""


def test_a_feature_of_the_period_before_is_found_two_periods_ahead(
    tmp_path: Path,
) -> None:
    path = project(tmp_path) / "configs" / "pipeline.yaml"
    path.write_text(
        path.read_text().replace("  drop_present", "  told: {}\n  drop_present", 1)
    )
    (tmp_path / "transforms").mkdir()
    (tmp_path / "transforms" / "told.py").write_text(TOLD)
    (tmp_path / "transforms" / "told.yaml").write_text(
        "{keys: '${panel.entity}', time: '${panel.time}'}"
    )
    learnable_features(load_modeling(tmp_path, overrides=("modeling.horizon=1",)))
    with pytest.raises(ModelError, match=r"1 of the columns.*\n  told: .*2 ahead") as e:
        learnable_features(load_modeling(tmp_path))
    assert "PastConfig" in str(e.value)


def test_rows_counted_from_what_is_known_pass_the_audit_of_a_panel_with_gaps(
    tmp_path: Path,
) -> None:
    path = project(tmp_path) / "configs" / "pipeline.yaml"
    path.write_text(path.read_text().replace("  rolling", "  ewm: {}\n  rolling", 1))
    data = pl.read_csv(tmp_path / "sales.csv")
    data.filter(pl.int_range(pl.len()) % 6 > 0).write_csv(tmp_path / "sales.csv")
    settings = load_modeling(tmp_path, overrides=("lag_columns.by=row",))
    df = learnable_features(settings).read(settings.modeling)
    assert {"sold_lag1", "sold_ewm_lag1", "sold_rolling2"} < set(df.columns)
