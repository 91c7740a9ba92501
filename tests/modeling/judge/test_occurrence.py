"""Figures of probabilities, against scikit-learn's and by hand."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import brier_score_loss

from pipeline.modeling.judge.bootstrap import Resampling
from pipeline.modeling.judge.occurrence import METRICS, measure_occurrence

HOW = Resampling("shop", ["year"], 200, 1)


def drawn(n: int = 500) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    probability = rng.random(n)
    came = rng.random(n) < probability
    return pl.DataFrame(
        {
            "model": "m",
            "shop": rng.integers(20, size=n),
            "year": 2017,
            "occurs": came,
            "probability": probability,
            "prediction": rng.lognormal(3, 1, n),
            "y": np.where(came, rng.lognormal(3, 1, n), 0),
        }
    )


def test_figures_are_scikit_learns_and_those_by_hand() -> None:
    df = drawn()
    found = measure_occurrence(df, HOW)
    assert found["metric"].to_list() == list(METRICS)
    assert found["slice_by"].unique().to_list() == ["all"]
    came, probability = df["occurs"].to_numpy(), df["probability"].to_numpy()
    brier = brier_score_loss(came, probability)
    mean = brier_score_loss(came, np.full(len(came), came.mean()))
    expected = float(np.dot(probability, df["prediction"].to_numpy()))
    y = float(np.sum(df["y"].to_numpy()))
    bias = (expected - y) / y
    assert found["value"].to_list() == pytest.approx([brier, 1 - brier / mean, bias])
    assert found.select((pl.col("lower") < pl.col("value")).all()).item()
    assert found.select((pl.col("upper") > pl.col("value")).all()).item()


def test_there_is_no_skill_where_all_occur() -> None:
    df = drawn().with_columns(occurs=True)
    skill = measure_occurrence(df, HOW).filter(metric="brier_skill")
    assert skill["value"].to_list() == [None]
