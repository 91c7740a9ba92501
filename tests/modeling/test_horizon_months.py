"""A panel of months, with gaps and late starts, goes all the way to a forecast."""

import math
import random
from datetime import date
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from pipeline.modeling.forecast import forecast
from pipeline.modeling.promote import promote
from pipeline.modeling.score import score
from pipeline.modeling.settings import ModelingSettings, load_modeling
from pipeline.run.run import run
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store
from tests.modeling.shops import with_store_of

pytestmark = pytest.mark.usefixtures("here")

PIPELINE = """
source: {use: csv, path: sales.csv}
columns: {Month: date, Store: label, Item: integer, Sold: {kind: integer, min: 0}}
panel:
  time: month
  every: 1mo
  entity: [store, item]
  target: sold
  values: [sold]
stages:
  sanitize_column_names: {snapshot: sales, key: [store, item, month]}
  lag_columns: {}
  rolling_columns: {}
  drop_present: {snapshot: features, key: [store, item, month]}
lag_columns: {periods: [1, 12]}
rolling_columns: {window: 3, drop_nulls: true}
drop_present: {keep: [sold]}
"""

MODELING = """
panel: sales
units: {sold: pieces}
past: [sold_rolling3]
totals: [store]
split: {train: 18, valid: 6, test: 6}
model: ridge
baselines: [mean]
coverage: 0.8
study: {trials: 2, folds: 2}
bootstrap: {samples: 100}
promotion: {max_bias: 0.5, max_coverage_gap: 0.5, max_slice_loss: 0.99}
"""

MODELS = {
    "ridge": "{kind: ridge, target: {kind: none}, params: {alpha: 1}}",
    "mean": (
        "{kind: known_value, target: {kind: none}, params: {columns: [sold_rolling3]}}"
    ),
}


def sales() -> list[tuple[date, str, int, int]]:
    """Draw what stores sell of items: a season, zeros, and items that come later."""
    chance = random.Random(1)
    rows: list[tuple[date, str, int, int]] = []
    for store, item in ((s, i) for s in range(6) for i in range(4)):
        level, start = 40 * (1 + store) * (1 + item), chance.choice([0, 0, 7])
        for m in range(start, 42):
            season = 1 + 0.5 * math.sin(m / 12 * 2 * math.pi)
            sold = round(level * season * chance.uniform(0.8, 1.2))
            if chance.random() < 0.1:
                sold = 0
            month = date(2020 + m // 12, m % 12 + 1, 1)
            rows.append((month, f"Süd {store}", 100 + item, sold))
    return rows


@pytest.fixture
def settings(tmp_path: Path) -> ModelingSettings:
    """A project over a file in Latin-1 with semicolons and German dates."""
    configs = tmp_path / "configs"
    (configs / "models").mkdir(parents=True)
    (configs / "pipeline.yaml").write_text(PIPELINE)
    (configs / "modeling.yaml").write_text(MODELING)
    for name, text in MODELS.items():
        (configs / "models" / f"{name}.yaml").write_text(text)
    lines = [f"{m:%d.%m.%Y};{s};{i};{n}" for m, s, i, n in sales()]
    text = "\n".join(["Month;Store;Item;Sold", *lines, ""])
    (tmp_path / "sales.csv").write_bytes(text.encode("latin-1"))
    column = "columns.Month={kind: date, format: '%d.%m.%Y'}"
    return load_modeling(tmp_path, overrides=(column,))


def test_lags_are_those_of_pandas_by_the_calendar(settings: ModelingSettings) -> None:
    run(settings.pipeline)
    with connect(open_store(settings.root)) as con:
        made = con.sql("from features order by store, item, month").pl()
    frame = pl.DataFrame(
        sales(), schema=["month", "store", "item", "sold"], orient="row"
    ).to_pandas()
    sold = frame.set_index(["store", "item", "month"])["sold"].unstack("month")
    expected = sold.shift(12, axis=1).stack(future_stack=True).to_dict()
    for store, item, month, lag in made.select(
        "store", "item", "month", "sold_lag12"
    ).iter_rows():
        wanted = float(expected[(store, item, pd.Timestamp(month))])
        assert (lag is None) == math.isnan(wanted)
        assert lag is None or lag == wanted


def test_months_reach_a_forecast_of_the_month_after(
    prepared: Path, settings: ModelingSettings
) -> None:
    with_store_of(prepared, settings.root)
    promotion = promote(settings, "ridge", withdraw=False)
    assert promotion.is_champion, promotion.reasons
    made = forecast(settings).predictions
    assert made.schema["month"] == pl.Date
    assert made["month"].unique().to_list() == [date(2023, 7, 1)]
    assert made["fitted_through"].unique().to_list() == [date(2023, 6, 1)]
    assert made.height == 24
    with connect(open_store(settings.root)) as con:
        totals = con.sql("from predicted_totals where total_by = 'store'").pl()
    assert totals.height == 6
    assert totals["total"].sum() == pytest.approx(made["prediction"].sum())
    # The file itself leads to the same numbers, a row per raw row.
    scored = score(settings, settings.root / "sales.csv", alone=True).predictions
    assert scored.height == len(sales())
    assert (
        scored.unique(["store", "item"]).sort("store", "item")["prediction"].to_list()
        == made.sort("store", "item")["prediction"].to_list()
    )
