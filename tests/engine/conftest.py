"""What the tests of runs part by part share."""

import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from pipeline.plan.settings import load_settings
from pipeline.plan.wiring import Selection
from pipeline.run.run import RunReport, run
from pipeline.snapshots.store import open_store
from pipeline.transforms import load_transform
from tests.conftest import make_project

WORDS = ("source=csv", "source.path=data/*.csv", "drop_rare_drgs.min_total=20")


@dataclass(frozen=True)
class Made:
    """What a run has made, without times and random names.

    Attributes
    ----------
    records : dict
        Objects with their profiles; snapshots with their checks, fingerprints and
        states; stages with their rows.
    frames : dict of str to pl.DataFrame
        The snapshots.
    """

    records: dict[str, Any]
    frames: dict[str, pl.DataFrame]


def copy_small(root: Path) -> None:
    """Make a project of 3,000 rows, of 40 facilities, in two files.

    The header of the second is a line further down, so that each file is a task.
    """
    raw = make_project(root, n_rows=3000) / "data" / "raw.csv"
    head, *lines = raw.read_text().splitlines(keepends=True)
    raw.unlink()
    (root / "data" / "a.csv").write_text("".join([head, *lines[:1800]]))
    (root / "data" / "b.csv").write_text("".join(["\n", head, *lines[1800:]]))


@pytest.fixture
def fresh_transforms() -> Generator[None]:
    """Load transformations anew, as they are in the test only."""
    load_transform.cache_clear()
    yield
    load_transform.cache_clear()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small project to run and to spoil."""
    copy_small(tmp_path)
    return tmp_path


@pytest.fixture
def another(
    small: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Path]:
    """Make another project, as `small` is by then."""

    def copy() -> Path:
        root = tmp_path_factory.mktemp("another") / "project"
        shutil.copytree(small, root)
        return root

    return copy


def make(root: Path, *words: str, selection: Selection | None = None) -> Made:
    """Run, and take what it made; nothing of its parts may be left."""
    report = run(load_settings(root, overrides=(*WORDS, *words)), selection)
    store = open_store(root)
    assert not list(store.parts.glob("*"))
    return Made(
        _records(report),
        {
            s.name: pl.read_parquet(store.object(s.name, s.fingerprint), glob=False)
            for s in report.run.snapshots
        },
    )


def _records(report: RunReport) -> dict[str, Any]:
    """Take what a run records, but for times and the bytes of files."""
    records = msgspec.to_builtins(
        {
            "objects": report.objects,
            "snapshots": report.run.snapshots,
            "stages": report.run.stages,
            "n_bad_rows": report.run.n_bad_rows,
        }
    )
    for record in records["objects"].values():
        del record["run_id"], record["n_bytes"], record["crc32"]
    return records
