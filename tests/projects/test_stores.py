"""A monthly panel of stores and items: a season, zeros, and items that come later."""

import math
import random
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from tests.projects.walk import project, walk

EDIT = """\
# How much more was sold than a year before, and how much it varies.
stages:
  with_past: null
  drop_present: null
  change: {}
  sold_before: {transform: filter}
  only_past:
    {transform: drop_present, snapshot: features, key: [store, item, month]}
rolling_columns: {functions: [mean, std]}
sold_before: {where: sold_rolling3 is not null}
change: {periods: [12]}
modeling:
  units: {sold: pieces}
  baselines: [last_value, rolling_mean, seasonal_naive]
  split: {train: 24, valid: 6, test: 6}
  bootstrap: {samples: 100}
  promotion: {max_bias: 0.5, max_coverage_gap: 0.5, max_slice_loss: 0.95}
models:
  lightgbm: {params: {rounds: 60}}
"""


def sales(file: Path) -> Path:
    """Draw four years of what stores sell of items."""
    chance = random.Random(1)
    lines = ["Month,Store,Item,Sold"]
    for store, item in ((s, i) for s in range(8) for i in range(4)):
        level, start = 8 * (1 + store) * (1 + item), chance.choice([0, 0, 7])
        for m in range(start, 48):
            season = 1 + 0.6 * math.sin(m / 12 * 2 * math.pi) + m / 96
            sold = round(level * season * chance.uniform(0.9, 1.1))
            month = date(2020 + m // 12, m % 12 + 1, 1)
            sold *= chance.random() > 0.05
            lines.append(f"{month},Store {store},{100 + item},{sold:d}")
    file.write_text("\n".join(lines))
    return file


@pytest.mark.slow
def test_stores_reach_a_forecast(tmp_path: Path) -> None:
    walked = walk(project(tmp_path, EDIT, sales(tmp_path / "sales.csv")))
    assert walked.leaks == []
    pd.testing.assert_frame_equal(
        walked.table("features").drop(columns="sold"),
        twin(tmp_path / "sales.csv"),
        check_dtype=False,
        check_index_type=False,
        check_like=True,
    )
    assert walked.gain("seasonal_naive") > 0.05
    made = walked.predictions
    assert made["month"].unique().to_list() == [date(2024, 1, 1)]
    assert made.height == 32
    assert walked.answers() == {
        "rows_per_period": 48,
        "biggest_movers": 20,
        "forecast": 20,
    }


def twin(file: Path) -> pd.DataFrame:
    """Make the features with pandas."""
    rows = pd.read_csv(file, parse_dates=["Month"]).rename(columns=str.lower)
    sold = rows.set_index(["store", "item", "month"])["sold"].unstack("month")
    lags = {n: sold.shift(n, axis=1) for n in range(1, 14)}
    window = pd.concat([lags[n] for n in (1, 2, 3)], keys=(1, 2, 3)).groupby(
        level=[1, 2]
    )
    wide = {f"sold_lag{n}": lags[n] for n in (1, 2, 3, 12)}
    wide |= {"sold_rolling3": window.mean(), "sold_rolling3_std": window.std()}
    wide["sold_difference12_lag1"] = lags[1] - lags[13]
    made = pd.concat({n: w.stack(future_stack=True) for n, w in wide.items()}, axis=1)
    months = pd.DatetimeIndex(made.index.get_level_values("month"))
    made["calendar_month"] = months.month
    there = made.loc[rows.set_index(["store", "item", "month"]).index]
    return there.loc[there["sold_rolling3"].notna()].sort_index()
