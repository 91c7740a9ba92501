"""MLflow's registry: what it holds, and what is said if it cannot be used."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

import pandas as pd
import pytest

from pipeline.errors import ModelError
from pipeline.modeling.data import read_rows
from pipeline.modeling.forecast import champion_of
from pipeline.modeling.promote import promote
from pipeline.modeling.records import all_trainings
from pipeline.modeling.registry.apart import forecast_apart
from pipeline.modeling.registry.publish import publish_models
from pipeline.modeling.registry.registry import (
    champion,
    packed,
    register,
    roll_back,
)
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.tracking.tracking import settle, tracking
from pipeline.modeling.train import train
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store
from tests.modeling.conftest import LENIENT, Load, load_in

OWN = """import polars as pl

from pipeline.config import BaseConfig
from transforms._rate import RATE


class Config(BaseConfig, frozen=True, kw_only=True):
    column: str


def add_rated(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    return lf.with_columns((pl.col(config.column) * RATE).alias("rated_lag1"))


def past(config: Config) -> list[str]:
    return ["rated_lag1"]
"""


@pytest.mark.slow
def test_a_bundle_uses_the_own_transformations_that_it_packed(
    ml: Load, tmp_path: Path
) -> None:
    own, stages = tmp_path / "transforms", tmp_path / "configs" / "pipeline.yaml"
    own.mkdir()
    (own / "add_rated.py").write_text(OWN)
    (own / "add_rated.yaml").write_text("column: w_mean_cost_lag1\n")
    (own / "_rate.py").write_text("RATE = 2.0\n")
    last = "  drop_non_lag_columns:"
    stages.write_text(stages.read_text().replace(last, f"  add_rated: {{}}\n{last}"))
    settings = ml(*LENIENT)
    assert promote(settings, "ridge").is_champion
    version = champion_of(settings)
    rows = read_rows(settings.pipeline)
    before = forecast_apart(settings, version, rows, alone=True)
    (own / "_rate.py").write_text("1 / 0\n")
    after = forecast_apart(settings, version, rows, alone=True)
    assert after.equals(before)
    assert before["prediction"].count()
    code = version.folder / "code" / "transforms"
    names = {path.name for path in code.iterdir()}
    assert names == {"add_rated.py", "add_rated.yaml", "_rate.py"}


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
        *("facility_id", "apr_drg_code", "year"),
        *("prediction", "lower", "upper", "warning"),
    ]
    assert len(made) == len(example)
    assert set(made["year"]) == {2018}
    records = pd.DataFrame(example.to_dict(orient="records"))
    pd.testing.assert_frame_equal(model.predict(records), made)
    with pytest.raises(MlflowException, match="Mean Cost"):
        model.predict(example.drop(columns="Mean Cost"))
    with pytest.raises(MlflowException, match="Mean Cost"):
        model.predict(example.assign(**{"Mean Cost": "much"}))


def test_the_raw_columns_are_those_of_the_features_and_of_the_key(
    promoted: Path,
) -> None:
    settings = load_in(promoted)
    wanted = packed(champion_of(settings)).columns
    assert {"Year", "Facility Id", "APR DRG Code", "Mean Cost"} <= set(wanted)
    # No feature is made of it; it tells rows from each other.
    assert "APR Medical Surgical Code" in wanted
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
    monkeypatch.setattr("pipeline.modeling.tracking.tracking._PATIENCE_S", 0.1)
    settings = copied()
    database = tmp_path / ".pipeline" / "mlflow" / "mlflow.db"
    with closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ModelError, match="MLflow's store cannot be used\nfound: "):
            promote(settings, "ridge")
    assert champion_of(settings).number == 1


def runs(settings: ModelingSettings) -> list[tuple[object, ...]]:
    """What MLflow says of the runs of ridge, but for when and under which id."""
    with tracking(settings) as store:
        found = store.client.search_runs([store.experiment], "tags.model = 'ridge'")
        return [
            (
                run.info.run_name,
                run.info.status,
                (run.info.start_time, run.info.end_time),
                run.data.params,
                run.data.metrics,
                run.data.tags,
                [data.dataset.digest for data in run.inputs.dataset_inputs]
                if run.inputs
                else [],
                store.client.list_artifacts(run.info.run_id),
            )
            for run in found
        ]


def shown(settings: ModelingSettings) -> tuple[str, int | None, list[str]]:
    """Run, version and aliases of ridge, as the catalog shows them."""
    publish_models(settings)
    with connect(open_store(settings.root)) as con:
        [row] = con.sql(
            "select mlflow_run, version, aliases from meta.models where model = 'ridge'"
        ).fetchall()
    return row


@pytest.mark.slow
def test_a_registry_that_is_gone_is_filled_again(
    promoted: Path, prepared: Path, tmp_path: Path
) -> None:
    [before] = runs(load_in(promoted))
    [lost] = [t for _, t in all_trainings(promoted) if t.model == "ridge"]
    without = shutil.ignore_patterns("mlflow")
    shutil.copytree(promoted, tmp_path, dirs_exist_ok=True, ignore=without)
    # An empty one, which takes seconds to make.
    empty = Path(".pipeline", "mlflow")
    shutil.copytree(prepared / empty, tmp_path / empty)
    settings = load_in(tmp_path, *LENIENT)
    again = train(settings, "ridge")
    assert (again.is_new, again.is_logged) == (False, True)
    assert again.record.mlflow_run != lost.mlflow_run
    assert not train(settings, "ridge").is_logged
    assert runs(settings) == [before]
    assert shown(settings) == (again.record.mlflow_run, None, [])
    assert promote(settings, "ridge").is_champion
    assert shown(settings) == (again.record.mlflow_run, 1, ["champion"])


def files_in(root: Path) -> dict[Path, int]:
    """All files of a project, with the time of their last change."""
    return {path: path.stat().st_mtime_ns for path in root.rglob("*")}


def columns_with(database: Path, text: str) -> set[str]:
    """Name the columns of all tables in which a text occurs."""
    with closing(sqlite3.connect(database)) as con:
        columns = con.execute(
            "SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c"
            " WHERE t.type = 'table'"
        ).fetchall()
        return {
            f"{table}.{column}"
            for table, column in columns
            if con.execute(
                f'SELECT 1 FROM {table} WHERE instr("{column}", ?)', (text,)
            ).fetchall()
        }


@pytest.mark.slow
def test_a_copied_and_a_moved_project_read_and_write_where_they_are(
    promoted: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "a first", tmp_path / "a second"
    shutil.copytree(promoted, first, symlinks=True)
    originals = files_in(promoted)
    settle(first)
    first.rename(second)
    settle(second)
    database = second / ".pipeline" / "mlflow" / "mlflow.db"
    # Where the rows were that a model learned from is history.
    for place in (first, promoted):
        assert columns_with(database, str(place)) <= {"datasets.dataset_source"}
    settings = load_in(second, *LENIENT)
    assert register(settings, train(settings, "last_value"), {}).number == 2
    rows = read_rows(settings.pipeline)
    version = champion_of(settings)
    made = forecast_apart(settings, version, rows, alone=True)
    assert made.height == rows.height
    assert not first.exists()
    assert files_in(promoted) == originals


def test_a_registry_that_is_a_file_is_said(copied: Load, tmp_path: Path) -> None:
    settings = copied()
    folder = tmp_path / ".pipeline" / "mlflow"
    shutil.rmtree(folder)
    folder.write_text("")
    with pytest.raises(ModelError, match="MLflow's store cannot be used\nfound: "):
        champion(settings)


def test_what_a_folder_is_called_is_no_part_of_an_address(
    promoted: Path, tmp_path: Path
) -> None:
    root = tmp_path / "a%20'b [c]" / "d=1#e"
    shutil.copytree(promoted, root, symlinks=True)
    assert champion_of(load_in(root)).number == 1
    assert not (tmp_path / "a 'b [c]").exists()
