"""A small project that has run twice, and all its pages, made once."""

import shutil
from pathlib import Path

import pytest

from pipeline.pages.docs import frame_of, pages_of
from pipeline.pages.facts import Facts, read_facts
from pipeline.pages.site import render
from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from tests.conftest import LEAN, make_project


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of few stages with two runs; not to be changed."""
    root = make_project(tmp_path_factory.mktemp("seen"), of=LEAN)
    source = "source: {use: csv, path: data/raw.csv}"
    config = root / "configs" / "pipeline.yaml"
    lines = config.read_text().splitlines()
    kept = [source if line.startswith("source:") else line for line in lines]
    config.write_text("\n".join(kept))
    run(load_settings(root))
    raw = root / "data" / "raw.csv"
    raw.write_text("".join(raw.read_text().splitlines(keepends=True)[:-3]))
    run(load_settings(root))
    return root


@pytest.fixture(scope="session")
def facts(seen: Path) -> Facts:
    return read_facts(seen)


@pytest.fixture(scope="session")
def files(facts: Facts) -> dict[str, str]:
    """The text of each page, by its path."""
    return render(pages_of(facts), frame_of(facts))


HOSTILE = "<script>alert('a')</script>"


@pytest.fixture(scope="session")
def dirty(seen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`seen` after a third run, which set cells aside, warned, and may show rows."""
    root = tmp_path_factory.mktemp("dirty") / "project"
    shutil.copytree(seen, root, symlinks=True)
    raw = root / "data" / "raw.csv"
    rows = raw.read_text().splitlines(keepends=True)
    spoilt = [row.rstrip().rpartition(",")[0] for row in rows[1:4]]
    values = ("x", HOSTILE, "x")
    rows[1:4] = [f"{row},{v}\n" for row, v in zip(spoilt, values, strict=True)]
    raw.write_text("".join(rows))
    config = root / "configs" / "pipeline.yaml"
    config.write_text(config.read_text() + "\ndocs: {samples: 2}\n")
    (root / "configs" / "checks").mkdir(exist_ok=True)
    (root / "configs" / "checks" / "discharges.yaml").write_text(
        "ranges: {mean_cost: {max: 10}}\nwarn: [ranges.mean_cost]\n"
    )
    run(load_settings(root))
    return root


@pytest.fixture(scope="session")
def dirty_facts(dirty: Path) -> Facts:
    return read_facts(dirty)


@pytest.fixture(scope="session")
def dirty_files(dirty_facts: Facts) -> dict[str, str]:
    """The text of each page, by its path."""
    return render(pages_of(dirty_facts), frame_of(dirty_facts))
