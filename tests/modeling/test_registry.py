"""MLflow's registry: what it holds, and what is said if it cannot be used."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

import pandas as pd
import pytest

from pipeline.errors import ModelError
from pipeline.modeling.forecast import champion_of
from pipeline.modeling.promote import promote
from pipeline.modeling.registry import champion, inputs_of, roll_back
from pipeline.modeling.tracking import tracking
from tests.modeling.conftest import Load, load_in


def test_the_signature_takes_numbers_as_everyone_has_them(promoted: Path) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc import load_model

    settings = load_in(promoted)
    with tracking(settings):
        model = load_model("models:/inpatient_profit_ci@champion")
    example = cast("pd.DataFrame", model.input_example)
    assert example.dtypes["Year"] == "int64"
    made = model.predict(example)
    assert list(made.columns) == [
        *("facility_id", "apr_drg_code", "year", "prediction", "lower", "upper")
    ]
    assert len(made) == len(example) == 5
    assert set(made["year"]) == {2018}
    records = pd.DataFrame(example.to_dict(orient="records"))
    pd.testing.assert_frame_equal(model.predict(records), made)
    with pytest.raises(MlflowException, match="Mean Cost"):
        model.predict(example.drop(columns="Mean Cost"))
    with pytest.raises(MlflowException, match="Mean Cost"):
        model.predict(example.assign(**{"Mean Cost": "$1,234.50"}))


def test_the_raw_columns_are_those_of_the_features(promoted: Path) -> None:
    settings = load_in(promoted)
    wanted = inputs_of(settings, champion_of(settings))
    assert {"Year", "Facility Id", "APR DRG Code", "Mean Cost"} <= set(wanted)
    assert not any("Description" in name or "Name" in name for name in wanted)


def test_without_a_champion_there_is_none_to_roll_back(ml: Load) -> None:
    settings = ml()
    assert champion(settings) is None
    with pytest.raises(ModelError, match="no champion to roll back\nhint: "):
        roll_back(settings)


def test_the_first_champion_stays(copied: Load) -> None:
    settings = copied()
    with pytest.raises(ModelError, match="version 1 is the first champion"):
        roll_back(settings)
    assert champion_of(settings).number == 1


def test_a_locked_registry_is_said_and_left_as_it_was(
    copied: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.modeling.tracking._PATIENCE_S", 0.1)
    settings = copied()
    database = tmp_path / ".pipeline" / "mlflow" / "mlflow.db"
    with closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ModelError, match="MLflow's store cannot be used\nfound: "):
            promote(settings, "ridge")
    assert champion_of(settings).number == 1


def test_a_registry_that_is_gone_is_said_and_nothing_is_registered(
    copied: Load, tmp_path: Path
) -> None:
    settings = copied()
    shutil.rmtree(tmp_path / ".pipeline" / "mlflow")
    with pytest.raises(ModelError, match="MLflow's store cannot be used\nfound: "):
        promote(settings, "ridge")
    assert champion(settings) is None


def test_a_registry_that_is_a_file_is_said(copied: Load, tmp_path: Path) -> None:
    settings = copied()
    folder = tmp_path / ".pipeline" / "mlflow"
    shutil.rmtree(folder)
    folder.write_text("")
    with pytest.raises(ModelError, match="MLflow's store cannot be used\nfound: "):
        champion(settings)
