"""The program that uses a bundle writes what it makes, and ends as `apart` reads it."""

import logging
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import ModelError
from pipeline.log import LOG
from pipeline.modeling.bundle import bundle as loading
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
    """Let this bundle be the only one, and leave path and log as they were."""
    there = {(Path("/bundle"), Path("/code")): Bundle()}
    monkeypatch.setattr(loading, "load_bundle", lambda *of: there[of])
    monkeypatch.setattr(sys, "path", [*sys.path])
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
        main("/code", "/bundle", how, *words)
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
        main("/code", "/bundle", "alone", *words)
    assert ended.value.code == REFUSED
    assert capsys.readouterr().err == "rows: none\nhint: give some"
    assert not made.exists()


APART = """
import sys
from types import SimpleNamespace as Bundle

from pipeline.modeling.bundle import bundle
from pipeline.modeling.registry.apart_main import main

bundle.load_bundle = lambda *_: Bundle(forecast=lambda rows, alone: rows)
main("/code", "/bundle", "alone", *sys.argv[1:])
assert "lightgbm" in sys.modules
assert not {"mlflow", "pandas", "sklearn"} & {*sys.modules}
import pandas
"""


def test_it_loads_neither_mlflow_nor_what_lightgbm_does_without(tmp_path: Path) -> None:
    """What else the bundle imports, as a kind of its own may, is there all the same."""
    rows, made, others = (tmp_path / name for name in ("rows", "made", "others"))
    pl.DataFrame({"x": [1]}).write_parquet(rows)
    others.mkdir()
    words = [sys.executable, "-c", APART, made, others, rows]
    subprocess.run(words, check=True)
    assert pl.read_parquet(made).rows() == [(1,)]
