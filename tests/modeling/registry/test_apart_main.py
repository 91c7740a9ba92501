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

    judged = False

    def as_judged(self) -> "Bundle":
        judged = Bundle()
        judged.judged = True
        return judged

    def forecast(self, rows: pl.DataFrame, *, alone: bool) -> pl.DataFrame:
        if rows.is_empty():
            raise ModelError("rows: none\nhint: give some")
        LOG.warning("the panel is old")
        return rows.with_columns(alone=alone, judged=self.judged)


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


def test_forecasts_lie_beside_the_rows_and_warnings_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / "[a].parquet", tmp_path / "b.parquet"]
    for n, path in enumerate(paths):
        pl.DataFrame({"x": [n]}).write_parquet(path)
    for alone, judged in ((True, False), (False, True)):
        flags = str(int(alone)), str(int(judged))
        main("sqlite:///x", "models:/a/1", *flags, *map(str, paths))
        for n, path in enumerate(paths):
            made = pl.read_parquet(path.with_suffix(".made"), glob=False)
            assert made.rows() == [(n, alone, judged)]
    assert "the panel is old" in capsys.readouterr().out.splitlines()


def test_what_the_bundle_refuses_is_its_message_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"x": []}).write_parquet(path)
    with pytest.raises(SystemExit) as ended:
        main("sqlite:///x", "models:/a/1", "1", "0", str(path))
    assert ended.value.code == REFUSED
    assert capsys.readouterr().err == "rows: none\nhint: give some"
    assert not path.with_suffix(".made").exists()
