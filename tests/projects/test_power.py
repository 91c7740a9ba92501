"""Hourly meters with gaps, in Latin-1, with semicolons and decimal commas."""

import math
import random
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from tests.projects.walk import project, walk

EDIT = """\
# Two days ago is as good as one, and how high it went tells, too.
lag_columns: {periods: [1, 24, 48]}
rolling_columns: {functions: [mean, max]}
modeling:
  units: {verbrauch_kwh: kWh}
  baselines: [last_value, rolling_mean, seasonal_naive]
  split: {train: 200, valid: 24, test: 48}
  bootstrap: {samples: 100}
  promotion: {max_bias: 0.5, max_coverage_gap: 0.5, max_slice_loss: 0.95}
models:
  lightgbm: {params: {rounds: 60}}
"""

N_HOURS, LAST = 24 * 12, datetime(2021, 3, 12, 23)


def meters(file: Path) -> Path:
    """Draw twelve days of what some meters count, with hours that are lost."""
    chance = random.Random(2)
    lines = ["Zähler;Zeitpunkt;Verbrauch kWh"]
    for i, name in enumerate(
        ("Süd", "Nord", "Ost", "Grün", "West", "Hof", "Tor", "See")
    ):
        drift = 0.0
        for n in range(N_HOURS):
            hour = datetime(2021, 3, 1) + timedelta(hours=n)
            drift = 0.95 * drift + chance.gauss(0, 0.25)
            day = 1 + 0.6 * math.sin((hour.hour - 8) / 24 * 2 * math.pi)
            load = (3 + i / 2) * day + drift
            if chance.random() > 0.01 or hour == LAST:
                amount = f"{load + 1:.2f}".replace(".", ",")
                lines.append(f"{name};{hour:%d.%m.%Y %H:%M};{amount}")
    file.write_bytes("\n".join(lines).encode("latin-1"))
    return file


@pytest.mark.slow
def test_meters_reach_a_forecast(tmp_path: Path) -> None:
    settings = project(tmp_path, EDIT, meters(tmp_path / "meters.csv"))
    walked = walk(settings)
    assert walked.leaks == []
    pd.testing.assert_frame_equal(
        walked.table("features").drop(columns="verbrauch_kwh"),
        twin(tmp_path / "meters.csv"),
        check_dtype=False,
        check_index_type=False,
        check_like=True,
    )
    assert walked.gain("seasonal_naive") > 0.2
    made = walked.predictions
    assert made["zeitpunkt"].unique().to_list() == [LAST + timedelta(hours=1)]
    assert sorted(made["zahler"]) == [
        "Grün",
        "Hof",
        "Nord",
        "Ost",
        "See",
        "Süd",
        "Tor",
        "West",
    ]
    assert walked.answers() == {
        "rows_per_period": N_HOURS,
        "biggest_movers": 8,
        "forecast": 8,
    }


def twin(file: Path) -> pd.DataFrame:
    """Make the features with pandas."""
    rows = pd.read_csv(file, sep=";", decimal=",", encoding="latin-1")
    rows.columns = ["zahler", "zeitpunkt", "kwh"]
    rows["zeitpunkt"] = pd.to_datetime(rows["zeitpunkt"], format="%d.%m.%Y %H:%M")
    load = rows.set_index(["zahler", "zeitpunkt"])["kwh"].unstack("zahler")
    window = load.shift(1).rolling(24, min_periods=1)
    wide = {f"lag{n}": load.shift(n) for n in (1, 24, 48)}
    wide |= {"rolling24": window.mean(), "rolling24_max": window.max()}
    made = pd.concat(
        {f"verbrauch_kwh_{n}": w.T.stack(future_stack=True) for n, w in wide.items()},
        axis=1,
    )
    there = made.loc[rows.set_index(["zahler", "zeitpunkt"]).index]
    hours = pd.DatetimeIndex(there.index.get_level_values("zeitpunkt"))
    there = there.assign(hour=hours.hour, weekday=hours.day_of_week + 1)
    is_known = there["verbrauch_kwh_rolling24"].notna()
    return there.loc[is_known].sort_index()
