"""A new transformation is written where it belongs, or nothing is."""

import os
from pathlib import Path
from typing import Any

import polars as pl
from click.testing import CliRunner, Result
from polars.testing import assert_frame_equal

from pipeline.commands.cli import main
from pipeline.commands.scaffold import write_transform


def invoke(root: Path, *args: str) -> Result:
    """Run a command in a project's folder."""
    before = Path.cwd()
    os.chdir(root)
    try:
        return CliRunner().invoke(main, args)
    finally:
        os.chdir(before)


def test_new_transform_refuses_names_that_are_taken_or_no_names(project: Path) -> None:
    for name in ("lag_columns", "Not-A-Name", "source", "class", "drgs"):
        result = invoke(project, "new-transform", name)
        assert result.exit_code == 2
        assert "error: " in result.stderr


def test_new_transform_writes_over_nothing(project: Path) -> None:
    (project / "tests" / "transforms").mkdir(parents=True)
    there = project / "tests" / "transforms" / "test_written.py"
    there.write_text("mine")
    result = invoke(project, "new-transform", "written")
    assert result.exit_code == 2
    assert f"{there}: is there already" in result.stderr
    assert there.read_text() == "mine"
    assert not (project / "transforms").exists()


def test_new_transform_works_at_once_and_reaches_the_features(
    project: Path,
) -> None:
    done = invoke(project, "new-transform", "halve_target")
    assert done.stdout.splitlines() == [
        "transforms/halve_target.py",
        "transforms/halve_target.yaml",
        "tests/transforms/test_halve_target.py",
        "and a line in configs/pipeline.yaml",
    ]
    files = write_transform(project, "double_target")
    assert [path.relative_to(project).as_posix() for path in files] == [
        "transforms/double_target.py",
        "transforms/double_target.yaml",
        "tests/transforms/test_double_target.py",
        "configs/pipeline.yaml",
    ]
    found = dict[str, Any]()
    exec(files[0].read_text(), found)
    lf, config = pl.LazyFrame({"x": [2.5]}), found["Config"](column="x")
    assert_frame_equal(found["double_target"](lf, config), lf)
    # What its user will make of it, no one knows: run part by part, it is refused.
    assert "split" not in found
    lines = (project / "configs" / "pipeline.yaml").read_text().splitlines()
    at = lines.index("  double_target: {}")
    assert lines[at + 1] == "  drop_non_lag_columns:"
