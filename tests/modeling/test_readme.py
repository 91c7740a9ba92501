"""What the README of the models says to write works as it stands there."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.modeling import models
from pipeline.modeling.train import train
from tests.documents import example
from tests.modeling.conftest import Load

README = "pipeline/modeling/README.md"
TARGET = "w_total_median_profit"


def test_the_new_kind_of_model_can_be_trained(
    ml: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = tmp_path / "kinds"
    kinds.mkdir()
    code = example(README, "`pipeline/modeling/models/constant.py`", "python")
    (kinds / "constant.py").write_text(code)
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(kinds)])
    config = example(README, "`configs/models/median_growth.yaml`", "yaml")
    (tmp_path / "configs" / "models" / "median_growth.yaml").write_text(config)
    training = train(ml(), "median_growth")
    past = pl.coalesce(f"{TARGET}_rolling2", f"{TARGET}_lag1") / 100_000
    df = pl.read_parquet(training.features.path).with_columns(past=past.arcsinh())
    growth = (pl.col(TARGET) / 100_000).arcsinh() - pl.col("past")
    learned = df.filter(pl.col("year").is_between(2010, 2014)).select(growth.median())
    new = df.filter(year=2016)
    expected = new.select((pl.col("past") + learned.item()).sinh() * 100_000)
    made = training.load().predict(new)
    np.testing.assert_allclose(made["prediction"], expected.to_series(), rtol=1e-12)
    assert (made["lower"] < made["upper"]).all()
