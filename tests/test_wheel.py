"""Installed as a wheel, it works on a project that knows nothing of this repository."""

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import uv_build

from tests.conftest import LEAN, ROOT, make_project

OWN = """import polars as pl

from pipeline.config import BaseConfig
from pipeline.panel.split import ROW_WISE, Split


class Config(BaseConfig, frozen=True, kw_only=True):
    column: str


def add_one(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    return lf.with_columns(pl.col(config.column) + 1)


def split(_: Config) -> Split:
    return ROW_WISE
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this repository."""
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        return folder / uv_build.build_wheel(str(folder))


def installed(wheel: Path, folder: Path) -> Path:
    """Install a wheel in an environment whose libraries are those of this one."""
    subprocess.run(["uv", "venv", "-q", "-p", sys.executable, folder], check=True)
    python = folder / "bin" / "python"
    words = ("uv", "pip", "install", "-q", "--offline", "--no-deps", "-p", python)
    subprocess.run([*words, wheel], check=True)
    [site] = folder.glob("lib/python*/site-packages")
    # Of a path that is named so, the .pth files do not count: no editable install.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    # Any library may have such a file, and none of them is ours.
    (site / "odd_library").mkdir()
    (site / "odd_library" / "meta.sql").write_text("no SQL at all")
    return folder / "bin" / "pipeline"


def test_it_holds_all_that_is_no_module(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name[-1] != "/"}
    for suffix in ("py", "sql", "yaml", "j2"):
        files = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / "pipeline").rglob(f"*.{suffix}")
        }
        assert files
        assert files <= held


def test_it_holds_no_word_of_the_project_it_was_made_for(wheel: Path) -> None:
    words = rb"(?i)hospital|facilit|\bdrgs?\b|_drg|discharge|inpatient|new york"
    with zipfile.ZipFile(wheel) as held:
        odd = [
            (name, found.group())
            for name in held.namelist()
            if name.endswith((".py", ".sql", ".yaml", ".j2"))
            if (found := re.search(words, held.read(name)))
        ]
    assert not odd


@pytest.mark.slow  # four commands, each of which imports all that it needs
def test_it_runs_a_project_with_a_transformation_of_its_own(
    wheel: Path, tmp_path: Path
) -> None:
    root = make_project(tmp_path / "project", 200, of=LEAN)
    (root / "transforms").mkdir()
    (root / "transforms" / "add_one.py").write_text(OWN)
    (root / "transforms" / "add_one.yaml").write_text("column: mean_cost\n")
    stages = root / "configs" / "pipeline.yaml"
    last = "  lag_columns:\n"
    stages.write_text(stages.read_text().replace(last, f"  add_one: {{}}\n{last}"))
    command = installed(wheel, tmp_path / "venv")

    def pipeline(*words: str) -> str:
        done = subprocess.run(
            [command, *words],
            cwd=root / "configs",
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "computed" in pipeline("run", "source.path=data/raw.csv")
    assert pipeline("sql", "--format", "csv", "select count(*) > 0 from features")
    plan = ("plan", "source.path=data/raw.csv")
    assert pipeline(*plan).endswith("nothing to do\n")
    (root / "transforms" / "add_one.py").write_text(OWN.replace("+ 1", "+ 2"))
    assert "transforms/add_one.py changed" in pipeline(*plan)
