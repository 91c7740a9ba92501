"""MLflow loads a bundle with the code and the libraries it was packed with, or not."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import polars as pl
import pytest
from mlflow.pyfunc import load_model
from polars.testing import assert_frame_equal

from pipeline.errors import ModelError
from pipeline.modeling.registry.registry import REQUIREMENTS
from pipeline.modeling.tracking.tracking import store_uri
from tests.conftest import ROOT
from tests.modeling.conftest import Packed, champion_folder

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
    assert_frame_equal(pl.read_parquet(made), whole, check_exact=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours = {line.partition(">")[0].strip() for line in project["dependencies"]}
    # MLflow itself needs the others.
    used = (ours & set(modules)) - {"click", "requests"}
    assert {"polars", "mlflow"} <= used <= set(REQUIREMENTS)
