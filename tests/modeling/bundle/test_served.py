"""MLflow loads a bundle with the code and the libraries it was packed with, or not."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import load_model, scoring_server
from polars.testing import assert_frame_equal

from pipeline.errors import ModelError
from pipeline.modeling.registry.registry import REQUIREMENTS
from pipeline.modeling.tracking.tracking import store_uri
from tests.conftest import ROOT
from tests.modeling.conftest import Packed, champion_folder

Ask: TypeAlias = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]

CLEAN = """
import json, sys
import mlflow, pandas, polars
store, rows, made, other = sys.argv[1:]
mlflow.set_tracking_uri(store)
model = mlflow.pyfunc.load_model("models:/inpatient_profit_ci@champion")
polars.from_pandas(model.predict(polars.read_parquet(rows).to_pandas())).write_parquet(
    made
)
import pipeline
modules = sorted({name.partition(".")[0] for name in sys.modules})
try:
    mlflow.pyfunc.load_model(other)
    refused = ""
except Exception as error:
    refused = str(error)
print(json.dumps([pipeline.__file__, modules, refused]))
"""


def model_of_other_code(promoted: Path, folder: Path) -> Path:
    """Copy the champion, and change a module of the code that is packed in it."""
    other = folder / "other"
    shutil.copytree(champion_folder(promoted), other)
    with (other / "code" / "pipeline" / "log.py").open("a") as module:
        module.write("OTHER = 1\n")
    return other


def test_code_that_is_not_the_packed_one_is_refused(
    promoted: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"\nhint: load each version .* its own$"):
        load_model(str(model_of_other_code(promoted, tmp_path)))
    # That of this repository is equal to the champion's.
    assert load_model(str(champion_folder(promoted)))


@pytest.fixture(scope="module")
def ask(promoted: Path) -> Ask:
    """Send rows to the champion as MLflow's server does; get its predictions."""
    model = load_model(str(champion_folder(promoted)))
    schema = model.metadata.get_input_schema()

    def asked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        body = json.dumps({"dataframe_records": rows})
        answer = scoring_server.invocations(body, "application/json", model, schema)
        return json.loads(answer.response)["predictions"]

    return asked


def test_the_servers_answer_holds_the_predictions_and_the_warnings(
    ask: Ask, packed: Packed
) -> None:
    busiest = packed.rows.filter(pl.col("Facility Id") == 4815)
    made = pl.DataFrame(ask(busiest.to_dicts()), infer_schema_length=None)
    expected = packed.bundle.forecast(busiest)
    assert_frame_equal(made.drop("warning"), expected, check_dtypes=False)
    assert made["warning"].null_count() == made.height
    for row in ask(busiest.filter(Year=2017).head(3).to_dicts()):
        assert row["warning"].startswith("'facility_id' 4815: 3 rows of 2017, ")


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("Year", 2017.5, "unreadable code, found 2017.5"),
        ("Mean Cost", "many", "unreadable money, found 'many'"),
        ("Discharges", None, "missing count, found None"),
        ("Discharges", 10**14, "found 100,000,000,000,000, expected at most about "),
    ],
)
def test_what_is_wrong_with_a_request_is_said_by_row_column_and_value(
    ask: Ask, packed: Packed, column: str, value: object, reason: str
) -> None:
    rows = packed.rows.filter(pl.col("Facility Id") == 4815).to_dicts()
    rows[3][column] = value
    with pytest.raises(MlflowException) as error:
        ask(rows)
    assert error.value.get_http_status_code() == 400
    said = error.value.message.rpartition("Error: ")[2]
    assert f"\n  row 3: {column}: {reason}" in said
    assert len(said) < 300


def test_whole_amounts_and_years_as_floats_are_taken(
    promoted: Path, packed: Packed
) -> None:
    model = load_model(str(champion_folder(promoted)))
    rows = packed.rows.filter(pl.col("Facility Id") == 4815)
    whole = rows.with_columns(pl.col("Mean Cost").round())
    other = whole.with_columns(
        pl.col("Mean Cost").cast(pl.Int64), pl.col("Year").cast(pl.Float64)
    )
    made, expected = (model.predict(df.to_pandas()) for df in (other, whole))
    assert made.equals(expected)


@pytest.mark.slow
def test_a_clean_process_uses_the_code_and_the_libraries_of_the_bundle(
    promoted: Path, packed: Packed, whole: pl.DataFrame, tmp_path: Path
) -> None:
    given, made, here = (tmp_path / name for name in ("in.parquet", "out.parquet", "e"))
    here.mkdir()
    packed.rows.write_parquet(given)
    other = model_of_other_code(promoted, tmp_path)
    # MLflow hands its stores on in variables.
    own = ("PYTHON", "MLFLOW")
    env = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    words = [store_uri(promoted), str(given), str(made), str(other)]
    done = subprocess.run(
        [sys.executable, "-P", "-c", CLEAN, *words],
        cwd=here,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    file, modules, refused = json.loads(done.stdout)
    assert promoted in Path(file).parents
    assert refused.startswith(f"{other}: cannot be used with the code of another")
    assert f"found: {Path(file).parent}, imported by this process" in refused
    served = pl.read_parquet(made).drop("warning")
    assert_frame_equal(served, whole, check_exact=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours = {line.partition(">")[0].strip() for line in project["dependencies"]}
    # MLflow itself needs the others.
    used = (ours & set(modules)) - {"click", "requests", "starlette"}
    assert {"polars", "mlflow"} <= used <= set(REQUIREMENTS)
