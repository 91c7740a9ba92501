"""What is said of forecasts and of the champion can be read at a glance."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from pipeline.modeling.monitor.monitor import Monitoring
from pipeline.modeling.monitor.report import describe_monitoring, describe_scores
from pipeline.modeling.settings import Modeling
from tests.modeling.conftest import LENIENT, load_in


@pytest.fixture(scope="module")
def modeling(promoted: Path) -> Modeling:
    """Settings of the project."""
    return load_in(promoted, *LENIENT).modeling


NOTHING = Monitoring(None, "", [], pl.DataFrame(), None, [], pl.DataFrame())


def scores(n: int) -> pl.DataFrame:
    """Scores of some years, of a champion and two baselines."""
    rows = [
        {
            "period": str(990 + i),
            "version": 1,
            "step": 1,
            "model": model,
            "is_baseline": model != "ridge",
            "slice_by": "all",
            "n_rows": 1_200,
            "mae": mae,
            "bias": 0.021,
            "coverage": 0.9 if model == "ridge" else None,
            "n_not_come": 30,
            "n_not_forecast": 4,
        }
        for i in range(n)
        for model, mae in (("ridge", 12_000.0), ("naive", 15_000.0), ("mean", 14_000.0))
    ]
    return pl.DataFrame(rows)


def test_a_line_per_forecast_names_the_best_baseline(modeling: Modeling) -> None:
    title, head, line = describe_scores(scores(1), modeling)
    assert title == "forecasts whose periods have come; amounts in $"
    assert head.split()[:5] == ["year", "version", "step", "rows", "MAE"]
    assert line.split() == [
        *("990", "1", "1", "1,200", "12k", "mean", "14k", "+2.1%", "90.0%", "30", "4"),
    ]
    assert len(head) == len(line)


def test_of_many_the_newest_are_shown(modeling: Modeling) -> None:
    _, _, *lines, more = describe_scores(scores(25), modeling)
    assert [line.split()[0] for line in lines] == [str(y) for y in range(995, 1_015)]
    assert more == "  and 5 before: `just sql 'from meta.forecast_scores'`"


def test_without_anything_there_is_a_word_for_it(modeling: Modeling) -> None:
    nothing = replace(NOTHING, scores=scores(1).clear())
    assert list(describe_monitoring(nothing, modeling)) == [
        "no forecast is kept: `just forecast` keeps one until its period has come",
        "inpatient_profit_ci: no champion yet; `just promote` makes one",
    ]


def test_a_period_that_was_never_forecast_is_said(modeling: Modeling) -> None:
    found = replace(NOTHING, scores=scores(1), never_forecast=["2019"])
    lines = list(describe_monitoring(found, modeling))
    assert "year 2019 was never forecast: nothing of it is scored" in lines


def test_scores_are_shown_without_the_champion() -> None:
    loaded = {"mlflow", "lightgbm", "optuna", "pipeline.modeling.monitor.monitor"}
    code = (
        "import sys; from pipeline.modeling.monitor.report import describe_scores\n"
        f"assert not {loaded} & {{*sys.modules}}, {loaded} & {{*sys.modules}}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
