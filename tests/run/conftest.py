"""What the tests of runs share: a project of five stages."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline.plan.settings import load_settings
from pipeline.run.rows import Now, look_now
from pipeline.run.run import RunReport, run
from tests.conftest import LEAN, make_project
from tests.why.conftest import Shop, make_sales, run_in


def query(project: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask the catalog as any DuckDB client does."""
    with duckdb.connect(
        project / ".pipeline" / "snapshots.duckdb", read_only=True
    ) as con:
        return con.execute(sql).fetchall()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A lean project to run and to spoil."""
    return make_project(tmp_path, n_rows=3000, of=LEAN)


@pytest.fixture(scope="session")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunReport]:
    """A lean project and its first run; only to be copied."""
    root = make_project(tmp_path_factory.mktemp("run_once"), n_rows=3000, of=LEAN)
    words = ("source=csv", "source.path=data/raw.csv")
    return root, run(load_settings(root, overrides=words))


@pytest.fixture
def first(run_once: tuple[Path, RunReport], project: Path) -> RunReport:
    """The first run of `project`, copied: its raw.csv is one not seen before."""
    root, report = run_once
    shutil.copytree(root / ".pipeline", project / ".pipeline", symlinks=True)
    return report


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A project of eighteen stages that has run; only to be looked at, or copied."""
    return run_in(make_sales(tmp_path_factory.mktemp("shop")))


@pytest.fixture(scope="session")
def now(shop: Shop) -> Now:
    """What of it is there."""
    return look_now(shop.settings)


@pytest.fixture(scope="session")
def changed(shop: Shop) -> Now:
    """What is of another configuration, in which more items are rare."""
    words = ("common.min_total=60",)
    return look_now(load_settings(shop.settings.root, overrides=words))
