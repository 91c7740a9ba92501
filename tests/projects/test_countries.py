"""A wide table: a row per country, a column per year."""

import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.modeling.shops import with_store_of
from tests.projects.walk import project, walk

EDIT = """\
# Growth is of a country's own, and smooth: a plane does, and must beat a mean.
stages:
  with_past: null
  drop_present: null
  change: {}
  known_before: {transform: filter}
  only_past: {transform: drop_present, snapshot: features, key: [country, year]}
change: {functions: [growth]}
known_before: {where: gdp_rolling3 is not null}
modeling:
  units: {gdp: bn $}
  model: ridge
  baselines: [last_value, rolling_mean]
  bootstrap: {samples: 100}
  promotion: {max_bias: 0.5, max_coverage_gap: 0.5, max_slice_loss: 0.95}
models:
  ridge: {params: {alpha: 0.01}}
"""

YEARS = range(2000, 2025)


def countries(file: Path) -> Path:
    """Draw what countries make in a year; of some, the first years are not known."""
    chance = random.Random(3)
    lines = [",".join(["Country", *(f"GDP {year}" for year in YEARS)])]
    for i in range(20):
        value, growth = 50.0 * (i + 1), 1.01 + 0.002 * i
        cells = list[str]()
        for n in range(len(YEARS)):
            value *= growth * chance.uniform(0.99, 1.01)
            is_known = n >= 6 or i % 5
            cells.append(f"{value:.1f}" if is_known else "")
        lines.append(",".join([f"Land {i:02}", *cells]))
    file.write_text("\n".join(lines))
    return file


@pytest.mark.slow
def test_countries_reach_a_forecast(prepared: Path, tmp_path: Path) -> None:
    settings = project(tmp_path, EDIT, countries(tmp_path / "gdp.csv"))
    with_store_of(prepared, tmp_path)
    walked = walk(settings)
    assert walked.leaks == []
    pd.testing.assert_frame_equal(
        walked.table("features").drop(columns="gdp"),
        twin(tmp_path / "gdp.csv"),
        check_dtype=False,
        check_index_type=False,
        check_like=True,
    )
    assert walked.gain("last_value") > 0.3
    made = walked.predictions
    assert made["year"].unique().to_list() == [2025]
    assert made.height == 20
    assert walked.answers() == {
        "rows_per_period": 25,
        "biggest_movers": 20,
        "forecast": 20,
    }


def twin(file: Path) -> pd.DataFrame:
    """Make the features with pandas."""
    wide = pd.read_csv(file, index_col="Country")
    wide.columns = [int(name[-4:]) for name in wide.columns]
    before = wide.T.shift(1)
    made: dict[str, Any] = {f"gdp_lag{n}": wide.shift(n, axis=1) for n in (1, 2, 3)}
    made["gdp_rolling3"] = before.rolling(3, min_periods=1).mean().T
    made["gdp_growth1_lag1"] = (before / before.shift(1) - 1).T
    long = pd.concat({n: w.stack(future_stack=True) for n, w in made.items()}, axis=1)
    long.index.names = ["country", "year"]
    there = wide.stack(future_stack=True).notna() & long["gdp_rolling3"].notna()
    return long.loc[there].sort_index()
