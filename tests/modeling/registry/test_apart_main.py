"""The program that uses a bundle writes what it makes, and ends as `apart` reads it."""

import logging
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace

import mlflow.pyfunc  # or a stand-in would be replaced as it is first used
import polars as pl
import pytest

from pipeline.errors import ModelError
from pipeline.log import LOG
from pipeline.modeling.registry.apart import REFUSED
from pipeline.modeling.registry.apart_main import main


class Bundle:
    """A bundle that says which way it was asked."""

    def forecast(self, rows: pl.DataFrame, *, alone: bool) -> pl.DataFrame:
        if rows.is_empty():
            raise ModelError("rows: none\nhint: give some")
        LOG.warning("the panel is old")
        return rows.with_columns(alone=alone)

    def backtest(self, rows: pl.DataFrame, periods: list[int]) -> pl.DataFrame:
        return rows.with_columns(periods=pl.lit(str(periods)))


@pytest.fixture(autouse=True)
def bundle(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Let MLflow know this bundle only, and leave the log as it was."""
    served = SimpleNamespace(bundle=Bundle())
    model = SimpleNamespace(unwrap_python_model=lambda: served)
    monkeypatch.setattr(mlflow.pyfunc, "load_model", {"models:/a/1": model}.get)
    for name in ("set_tracking_uri", "set_registry_uri"):
        monkeypatch.setattr(mlflow, name, {"sqlite:///x": None}.__getitem__)
    handlers = [*logging.getLogger("pipeline").handlers]
    yield
    logging.getLogger("pipeline").handlers[:] = handlers


def test_what_is_made_is_written_and_warnings_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, periods = tmp_path / "[a].parquet", tmp_path / "b.parquet"
    made = tmp_path / "made.parquet"
    others = tmp_path / "others"
    others.mkdir()
    pl.DataFrame({"x": [1]}).write_parquet(rows)
    pl.DataFrame({"t": [2016, 2017]}).write_parquet(periods)
    for how, given, expected in (
        ("alone", [rows], True),
        ("completed", [rows], False),
        ("backtest", [rows, periods], "[2016, 2017]"),
    ):
        words = map(str, (made, others, *given))
        main("sqlite:///x", "models:/a/1", how, *words)
        assert pl.read_parquet(made).rows() == [(1, expected)]
    assert "the panel is old" in capsys.readouterr().out.splitlines()


def test_what_the_bundle_refuses_is_its_message_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, made = tmp_path / "a.parquet", tmp_path / "made.parquet"
    (tmp_path / "others").mkdir()
    pl.DataFrame({"x": []}).write_parquet(path)
    words = [*map(str, (made, tmp_path / "others", path))]
    with pytest.raises(SystemExit) as ended:
        main("sqlite:///x", "models:/a/1", "alone", *words)
    assert ended.value.code == REFUSED
    assert capsys.readouterr().err == "rows: none\nhint: give some"
    assert not made.exists()
