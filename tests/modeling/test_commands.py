"""The commands of modelling, from an empty project to predictions."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from click.testing import CliRunner, Result

from pipeline.commands.cli import main
from pipeline.files.checksum import write_sealed
from pipeline.files.manifest import hashes
from pipeline.modeling import data
from pipeline.modeling.records import EvaluationRecord, read_record
from pipeline.modeling.tracking.tracking import environment, store_uri
from tests.conftest import GOLDEN
from tests.modeling.conftest import LENIENT, champion_folder
from tests.modeling.test_promote import WEAK

Command = Callable[..., Result]

WORDS = ("source=csv", "source.path=data/raw.csv")


def command_in(root: Path, patch: pytest.MonkeyPatch) -> Command:
    """Make what runs commands in a project."""
    patch.chdir(root)

    def command(*words: str) -> Result:
        values = [word for word in words if "=" in word]
        rest = [word for word in words if "=" not in word]
        profile = ["--profile", "ci"]
        return CliRunner().invoke(main, [*rest, *profile, *WORDS, *values])

    return command


@pytest.fixture
def champion(
    promoted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Run commands in a copy of the project with a champion."""
    shutil.copytree(promoted, tmp_path, dirs_exist_ok=True, symlinks=True)
    return command_in(tmp_path, monkeypatch)


@pytest.fixture
def empty(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run commands in a project without models."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True, symlinks=True)
    return command_in(tmp_path, monkeypatch)


@pytest.mark.usefixtures("here")
def test_all_is_done_at_once_and_the_second_time_nothing(
    empty: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("configs/models/weak.yaml").write_text(WEAK)
    words = ("pipeline", "ridge", *LENIENT, "modeling.baselines=[weak]")
    words += ("trials=2",)
    looked: Counter[str] = Counter()

    def counted(name: str) -> None:
        function = getattr(data, name)

        def counting(*words: Any) -> Any:
            looked[name] += 1
            return function(*words)

        monkeypatch.setattr(data, name, counting)

    counted("run")
    counted("read_rows")
    first = empty(*words)
    assert first.exit_code == 0, first.output
    # The data are looked at for all that learns, and once more for the forecast.
    assert looked == {"run": 2, "read_rows": 1}
    lines = first.output
    for part in (
        "2 trials, 2 new",
        "training ridge, parameters of ridge-",
        "trained\n",
        "test rows; amounts in $; 95 % bounds in brackets",
        "version 1 (ridge) is champion\n",
        "rows of inpatient_profit_ci version 1, in run r",
    ):
        assert part in lines
    monkeypatch.setattr("pipeline.modeling.forecast.forecast_apart", None)
    monkeypatch.setitem(sys.modules, "mlflow", None)  # its import takes longest
    started = time.process_time()
    second = empty(*words)
    assert time.process_time() - started < 10
    assert second.exit_code == 0, second.output
    for part in (
        "2 trials, nothing to do",
        "there already, nothing to do",
        "as evaluated before",
        "version 1 (ridge) is champion already",
        ": nothing to do",
    ):
        assert part in second.output


@pytest.mark.slow
def test_a_model_that_has_not_earned_it_gives_reasons_and_exit_code_1(
    champion: Command, tmp_path: Path
) -> None:
    words = ("promote", "last_value", "modeling.baselines=[ridge]")
    result = champion(*words)
    assert result.exit_code == 1
    title, *reasons = result.stdout.splitlines()
    assert title == (
        "inpatient_profit_ci: version 2 (last_value) is challenger, not champion"
        " (version 1 stays):"
    )
    assert reasons[0].startswith("  - MAE")
    assert "  note: baselines is ['ridge'], by the command line" in reasons
    # That the champion stays is no failure to who goes on with a forecast.
    assert champion(*words, "--challenge").exit_code == 0
    kept = json.loads(
        (tmp_path / ".pipeline" / "outcomes" / "promote.json").read_text()
    )
    assert (kept["version"], kept["champion"]) == (2, 1)


def test_models_are_listed_by_the_metric_that_decides(
    champion: Command, tmp_path: Path
) -> None:
    def listed() -> list[str]:
        result = champion("evaluate", "ridge", *LENIENT)
        assert "as evaluated before" in result.stdout
        lines = result.stdout.splitlines()
        return [line.split()[0] for line in lines if line.endswith("%")]

    assert listed() == ["ridge", "last_value"]
    [path] = tmp_path.glob(".pipeline/models/ridge/*/evaluation/evaluation.parquet")
    is_own = (pl.col("model") == "ridge") & (pl.col("metric") == "mae")
    worse = pl.when(is_own).then(pl.col("value") * 1e6).otherwise("value")
    pl.read_parquet(path).with_columns(worse.alias("value")).write_parquet(path)
    of_folder = path.with_name("evaluation.json")
    record = read_record(of_folder, EvaluationRecord)
    assert record is not None
    as_it_is = msgspec.structs.replace(record, files=hashes(path.parent))
    write_sealed(of_folder, as_it_is)
    assert listed() == ["last_value", "ridge"]


def test_a_forecast_and_a_rollback_say_what_they_did(champion: Command) -> None:
    result = champion("forecast")
    assert result.exit_code == 0
    # Of any panel, so that no named query is shown, which knows the columns of one.
    hint = "just sql 'from predictions order by prediction desc limit 5'"
    assert f": nothing to do\nnext:\n  {hint}\n" in result.output
    failed = champion("promote", "--rollback")
    assert failed.exit_code == 1
    assert failed.stderr.startswith(
        "error: inpatient_profit_ci: version 1 is the first"
    )


@pytest.mark.usefixtures("here")
def test_scores_are_a_row_per_good_row_of_the_file_and_what_is_not_is_said(
    champion: Command,
) -> None:
    raw = pl.read_csv(GOLDEN / "raw.csv", infer_schema=False)
    part = raw.filter(
        pl.col("Year") == "2017", pl.col("Facility Id").rank("dense") % 3 != 0
    ).with_columns(pl.lit("2018").alias("Year"))
    part[4, "Discharges"] = "many"
    part.write_csv("new.csv")
    result = champion("score", "new.csv", "-o", "out.csv")
    assert result.exit_code == 0, result.output
    made = pl.read_csv("out.csv")
    assert made.columns == [
        *("facility_id", "apr_drg_code", "year", "prediction", "lower", "upper"),
        *("target", "unit", "model_version"),
    ]
    assert made.select("target", "unit", "model_version").unique().rows() == [
        ("w_total_median_profit", "$", 1)
    ]
    assert made.height == part.height - 1
    n_null = made["prediction"].null_count()
    assert n_null
    assert result.stdout == ""
    warning, *lines = result.stderr.splitlines()
    assert warning.startswith("warning: year 2018 has rows of ")
    assert lines == [
        f"{made.height:,} rows in out.csv, {made.height - n_null:,} of them with a"
        " prediction for 2019 by inpatient_profit_ci version 1",
        f"  {n_null:,} without (null): the stages leave out their facility_id and"
        " apr_drg_code, which is rare, or without a row in the periods that features"
        " look back",
        "  left out of the file: 1 rows that cannot be read",
        "    new.csv:6: Discharges: 'many' unreadable count",
    ]


@pytest.mark.parametrize("link", ["", "soft", "hard"])
def test_a_score_does_not_overwrite_the_file_it_reads(
    project: Path, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    command = command_in(project, monkeypatch)
    given = Path("data/raw.csv")
    before = given.read_bytes()
    output = Path("data/../data/raw.csv")
    if link == "soft":
        output = Path("out.csv")
        output.symlink_to(given)
    if link == "hard":
        output = Path("out.csv")
        output.hardlink_to(given)
    result = command("score", str(given), "-o", str(output))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {output}: is a file to read, expected")
    assert given.read_bytes() == before


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def request_of(url: str, data: bytes | None) -> urllib.request.Request:
    """Send JSON, if any."""
    return urllib.request.Request(url, data, {"Content-Type": "application/json"})


def answer_of(url: str, process: subprocess.Popen[bytes], data: bytes | None) -> bytes:
    """Ask until there is an answer, at most 90 seconds."""
    request = request_of(url, data)
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.read()
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline or process.poll() is not None:
                raise
            time.sleep(0.5)


@pytest.mark.slow
def test_ui_ends_on_sigterm(promoted: Path) -> None:
    port = str(free_port())
    words = ["-m", "pipeline", "ui", "--port", port]
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=promoted,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            answer_of(f"http://127.0.0.1:{port}/health", process, None)
            process.terminate()
            process.wait(timeout=30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_every_openmp_waits_without_spinning() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "import pipeline.modeling.card.explain, lightgbm"],
        env=os.environ | {"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    counts = [line for line in shown.splitlines() if "GOMP_SPINCOUNT" in line]
    assert counts
    assert all("'0'" in line for line in counts)


@pytest.mark.slow
def test_mlflow_serves_the_champion(promoted: Path, tmp_path: Path) -> None:
    port = str(free_port())
    example = (champion_folder(promoted) / "serving_input_example.json").read_bytes()
    body = json.loads(example)
    given = body["dataframe_split"]
    drg, year = (given["columns"].index(name) for name in ("APR DRG Code", "Year"))
    # A DRG that is not of the panel has no prediction, and a year of old no forecast.
    given["data"][0][drg] = 9999
    example = json.dumps(body).encode()
    given["data"].append(given["data"][-1])
    twice = json.dumps(body).encode()
    del given["data"][-1]
    for row in given["data"]:
        row[year] = 2001
    old = json.dumps(body).encode()
    words = ["-m", "models:/inpatient_profit_ci@champion", "--env-manager", "local"]
    place = ["--host", "127.0.0.1", "--port", port, "--workers", "1"]
    bin_folder = Path(sys.executable).parent
    env = os.environ | environment() | {"MLFLOW_TRACKING_URI": store_uri(promoted)}
    env["PATH"] = f"{bin_folder}{os.pathsep}{env['PATH']}"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "models", "serve", *words, *place],
            cwd=tmp_path,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}/invocations"
            made = answer_of(url, process, example)
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request_of(url, old), timeout=30)
            answer = json.loads(refused.value.read())
            with pytest.raises(urllib.error.HTTPError, match="400") as repeated:
                urllib.request.urlopen(request_of(url, twice), timeout=30)
            rows_twice = json.loads(repeated.value.read())["message"]
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    rows = json.loads(made)["predictions"]
    assert [row["year"] for row in rows] == [2018] * len(given["data"])
    assert "\n  key: expected unique rows by year, facility_id, " in rows_twice
    # Python reads the NaN of MLflow's, which is no JSON.
    assert b"NaN" not in made
    assert rows[0]["prediction"] is None
    assert any(row["prediction"] is not None for row in rows)
    assert {"prediction", "lower", "upper"} <= set(rows[0])
    assert refused.value.code == 400
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"
    assert (
        "bundle: rows end in 2001, expected 2017 or later\nhint: " in answer["message"]
    )
    assert "stack_trace" not in answer
