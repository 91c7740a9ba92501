"""A published forecast is kept as it was, until its periods have come."""

import shutil
from pathlib import Path

import msgspec
import polars as pl
import pytest

from pipeline.modeling.forecast import champion_of, forecast
from pipeline.modeling.monitor.kept import (
    all_forecasts,
    keep_forecast,
    own_forecasts,
    write_forecast,
)
from pipeline.modeling.records import damaged_models
from tests.modeling.conftest import LENIENT, Load, load_in

pytestmark = pytest.mark.usefixtures("here")


def test_a_forecast_is_kept_as_it_was_published(promoted: Path) -> None:
    settings = load_in(promoted, *LENIENT)
    [kept] = all_forecasts(promoted)
    published = forecast(settings)
    assert not published.is_new
    assert kept.predictions.equals(published.predictions)
    record = kept.record
    assert (record.version, record.model, record.periods) == (1, "ridge", [2018])
    assert (record.coverage, record.fitted_through) == (0.9, 2017)
    assert record.run_id == published.predictions["run"][0]
    assert [k.record for k in own_forecasts(promoted, settings.modeling, "ci")] == [
        record
    ]
    assert not own_forecasts(promoted, settings.modeling, "origin")


@pytest.mark.slow
def test_one_that_was_lost_is_kept_again(copied: Load) -> None:
    settings = copied()
    [kept] = all_forecasts(settings.root)
    shutil.rmtree(kept.folder)
    forecast(settings)
    [again] = all_forecasts(settings.root)
    assert again.record.periods == kept.record.periods


def test_the_later_one_stays_until_outcomes_are_there(copied: Load) -> None:
    settings = copied()
    version = champion_of(settings)
    [first] = all_forecasts(settings.root)
    later = first.predictions.with_columns(
        pl.col("prediction") + 1, run=pl.lit("r20990101_000000_000")
    )
    keep_forecast(settings, version, later)
    [second] = all_forecasts(settings.root)
    assert second.predictions.equals(later)
    scored = msgspec.structs.replace(second.record, scored={"2018": "hash"})
    write_forecast(second.folder, scored, {"predictions": later})
    keep_forecast(settings, version, first.predictions)
    [third] = all_forecasts(settings.root)
    assert third.predictions.equals(later)


def test_what_a_model_has_learned_is_no_forecast(copied: Load) -> None:
    settings = copied()
    version = champion_of(settings)
    [kept] = all_forecasts(settings.root)
    known = kept.predictions.with_columns(year=pl.lit(2017, pl.Int32))
    shutil.rmtree(kept.folder)
    keep_forecast(settings, version, known)
    assert not all_forecasts(settings.root)


def test_one_that_is_damaged_is_named_and_left_out(
    copied: Load, caplog: pytest.LogCaptureFixture
) -> None:
    root = copied().root
    assert damaged_models(root) == []
    [kept] = all_forecasts(root)
    path = kept.folder / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert not all_forecasts(root)
    assert "predictions.parquet holds other bytes: it is left out" in caplog.text
    [fault] = damaged_models(root)
    assert fault == f"{kept.folder}: predictions.parquet holds other bytes"
