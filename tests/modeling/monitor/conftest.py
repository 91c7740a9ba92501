"""A project whose champion has forecast 2018, and what 2018 brings."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from pipeline.modeling.settings import ModelingSettings
from pipeline.run.run import run
from tests.modeling.conftest import LENIENT, load_in, made_once

NEW = 9_001
"""A facility that 2018 has, and no year before."""


def bring(root: Path, *changes: pl.Expr) -> tuple[ModelingSettings, int]:
    """Let 2018 come as 2017 was, but for some changes; name a facility that is gone."""
    path = root / "data" / "raw.csv"
    rows = pl.read_csv(path)
    last = rows.filter(pl.col("Year") == 2017).with_columns(
        pl.lit(2018, pl.Int64).alias("Year")
    )
    sizes = last.group_by("Facility Id").len().sort("len", "Facility Id")
    gone, copied = sizes["Facility Id"][-2], sizes["Facility Id"][-3]
    new = last.filter(pl.col("Facility Id") == copied).with_columns(
        pl.lit(NEW, pl.Int64).alias("Facility Id")
    )
    came = pl.concat([last.filter(pl.col("Facility Id") != gone), new])
    pl.concat([rows, came.with_columns(*changes).select(rows.columns)]).write_csv(path)
    return load_in(root, *LENIENT), gone


@pytest.fixture(scope="session")
def came(promoted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after a run with 2018, which is not scored yet.

    Costs are lower than in 2017, so that forecasts are too low, and mean charges are
    ten times as high.
    """

    def make(root: Path) -> None:
        shutil.copytree(promoted, root, dirs_exist_ok=True, symlinks=True)
        # The target is made of medians.
        changes = pl.col("Median Cost") * 0.8, pl.col("Mean Charge") * 10
        settings, gone = bring(root, *changes)
        (root / "gone.txt").write_text(str(gone))
        run(settings.pipeline)

    return made_once(tmp_path_factory, "came", make)


@pytest.fixture
def arrived(came: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(came, tmp_path, dirs_exist_ok=True, symlinks=True)
