"""What each cause did is what runs with that alone changed would have made."""

import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import polars.selectors as cs
import pytest

from pipeline.errors import SnapshotError
from pipeline.files.checksum import write_sealed
from pipeline.plan.settings import load_settings
from pipeline.run.causes import diff_by_cause
from pipeline.run.run import run
from pipeline.snapshots.diff.steps import Step, Steps, show
from pipeline.snapshots.records import RunRecord
from pipeline.snapshots.store import open_store, read_runs
from pipeline.transforms import load_transform
from tests.commands.test_cli import invoke
from tests.conftest import LEAN, make_project

SOURCE = ("source=csv", "source.path=data/*.csv")
ADD_PROFIT = """import polars as pl

from pipeline.config import BaseConfig


class Config(BaseConfig, frozen=True, kw_only=True):
    pass


def add_profit(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    profit = pl.col("mean_charge") - pl.col("mean_cost")
    return lf.with_columns(profit=FACTOR * profit)
"""
FROM = "inputs: [sanitize_column_names]"
STAGES = {
    "  drop_rare_drgs:": f"  add_profit: {{{FROM}}}\n  drop_rare_drgs:",
    f"    transform: drop_rare\n    {FROM}": "    transform: drop_rare",
}
OLD, NEW = (), ("drop_rare_drgs.min_total=40", "lag_columns.periods=2")


def set_code(root: Path, factor: int) -> None:
    """Change the code, as seen by a process that has yet to import it."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "transforms"]:
        del sys.modules[name]
    load_transform.cache_clear()
    (root / "transforms" / "add_profit.py").write_text(
        ADD_PROFIT.replace("FACTOR", str(factor))
    )


def add_data(root: Path) -> None:
    header, *lines = (root / "raw.csv").read_text().splitlines(keepends=True)
    (root / "data" / "later.csv").write_text("".join([header, *lines[1500:]]))


def features(root: Path, of: RunRecord | None = None) -> pl.DataFrame:
    store = open_store(root)
    shown = (of or read_runs(store)[-1]).snapshots
    [found] = [s for s in shown if s.name == "features"]
    return pl.read_parquet(store.object(*found.object))


def run_it(root: Path, words: tuple[str, ...]) -> None:
    run(load_settings(root, overrides=(*SOURCE, *words)))


@pytest.fixture(scope="module")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Make projects of two files' rows, the second of which comes later."""

    def make(name: str) -> Path:
        root = make_project(tmp_path_factory.mktemp(name), n_rows=3000, of=LEAN)
        pipeline = root / "configs" / "pipeline.yaml"
        text = pipeline.read_text()
        for old, new in STAGES.items():
            text = text.replace(old, new, 1)
        pipeline.write_text(text)
        (root / "transforms").mkdir()
        (root / "transforms" / "add_profit.yaml").write_text("{}\n")
        raw = root / "data" / "raw.csv"
        shutil.copy(raw, root / "raw.csv")
        lines = raw.read_text().splitlines(keepends=True)
        raw.write_text("".join(lines[:1501]))
        set_code(root, 1)
        return root

    return make


@pytest.fixture(scope="module")
def project(new_project: Callable[[str], Path]) -> Path:
    """A project of which code, configuration and data changed at once."""
    root = new_project("all")
    run_it(root, OLD)
    set_code(root, 3)
    add_data(root)
    run_it(root, NEW)
    return root


@pytest.fixture(scope="module")
def split(project: Path) -> Steps:
    """What each cause did in the project."""
    return why(project)


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    """The project, to spoil."""
    root = tmp_path / "copy"
    shutil.copytree(project, root, symlinks=True)
    return root


def why(root: Path, *runs: str) -> Steps:
    return diff_by_cause(open_store(root), "features", *(runs or ("-1", "latest")))


def by(found: Steps) -> dict[str, Step]:
    return {" and ".join(step.causes): step for step in found.steps}


def require_of(step: Step, before: pl.DataFrame, after: pl.DataFrame) -> None:
    """Hold a step to the rows before and after it."""
    rows, key = step.rows, ["year", "facility_id", "apr_drg_code"]
    key += ["apr_severity_of_illness_code", "apr_medical_surgical_code"]
    assert (rows.before, rows.after) == (before.height, after.height)
    assert rows.added == after.join(before, on=key, how="anti").height
    assert rows.removed == before.join(after, on=key, how="anti").height
    sums = {column.name: column for column in step.columns}
    numbers = [frame.select(cs.numeric()) for frame in (before, after)]
    for name in {*numbers[0].columns, *numbers[1].columns}.difference(key):
        old, new = (
            math.fsum(f[name].drop_nulls()) if name in f else 0 for f in numbers
        )
        found = sums[name].sum_diff if name in sums else 0
        assert found == pytest.approx(new - old, abs=1e-4), name
    for name in {*before.columns} & {*after.columns} - {*key}:
        both = before.join(after, on=key, suffix="_now")
        n = both.filter(pl.col(name).ne_missing(pl.col(f"{name}_now"))).height
        assert (sums[name].n_changed if name in sums else 0) == n, name


def test_each_cause_did_what_it_does_alone(
    project: Path, split: Steps, new_project: Callable[[str], Path]
) -> None:
    runs = read_runs(open_store(project))
    states = [features(project, runs[0])]
    for words in (OLD, NEW):
        root = new_project("alone")
        set_code(root, 3)
        run_it(root, words)
        states.append(features(root))
    states.append(features(project))
    found = by(split)
    assert [*found] == ["versions", "code", "configuration", "data"]
    assert found["versions"].proof
    assert "transforms/add_profit.py changed" in found["code"].changes
    assert "lag_columns.periods: 1 -> 2" in found["configuration"].changes
    assert found["data"].changes == ("source: data/later.csv is new",)
    for i, name in enumerate(("code", "configuration", "data")):
        require_of(found[name], *states[i : i + 2])
    require_of(split.whole, states[0], states[-1])


def test_steps_add_up_to_the_whole_and_nothing_is_touched(
    project: Path, split: Steps
) -> None:
    def files() -> list[tuple[str, int]]:
        below = sorted((project / ".pipeline").rglob("*"))
        return [(str(path), path.lstat().st_mtime_ns) for path in below]

    before = files()
    found = invoke(project, "diff", "features", "--why", "--format", "json")
    assert found.exit_code == 1
    assert files() == before
    steps, whole = (json.loads(found.output)[name] for name in ("steps", "whole"))

    def total(column: str) -> float:
        of = [c for step in steps for c in step["columns"] if c["name"] == column]
        return sum(column["sum_diff"] for column in of)

    net = [step["rows"]["after"] - step["rows"]["before"] for step in steps]
    assert sum(net) == whole["rows"]["after"] - whole["rows"]["before"]
    sums = {c["name"]: c["sum_diff"] for c in whole["columns"] if c["sum_diff"]}
    assert {"discharges", "profit", "mean_cost_lag1", "mean_cost_lag2"} <= {*sums}
    assert sums == {name: pytest.approx(total(name), abs=1e-6) for name in sums}
    for format_ in ("text", "markdown"):
        shown = show(split, format_)
        assert "by configuration: -" in shown
        assert "in all: " in shown


def test_data_that_are_gone_come_first_or_with_the_code(
    copy: Path, project: Path
) -> None:
    (copy / "data" / "raw.csv").write_text((copy / "raw.csv").read_text())
    (copy / "data" / "later.csv").unlink()
    run_it(copy, OLD)
    found = by(why(copy))
    assert [*found] == ["code", "versions", "data", "configuration"]
    assert found["code"].proof
    assert found["data"].rows.before == features(project).height
    assert found["configuration"].rows.after == features(copy).height
    both = by(why(copy, "-2", "latest"))
    assert [*both] == ["versions", "code and data", "configuration"]
    assert both["configuration"].proof
    assert both["code and data"].rows.after == features(copy).height


def test_what_is_not_known_any_more_is_said(copy: Path) -> None:
    store = open_store(copy)
    before = read_runs(store)[0]

    def rewrite(**fields: Any) -> None:
        changed = msgspec.structs.replace(before, **fields)
        write_sealed(store.runs / f"{before.run_id}.json", changed)

    rewrite(versions=before.versions | {"polars": "2.0.0"})
    polars = pl.__version__
    found = by(why(copy))
    assert [*found] == ["code and versions", "configuration", "data"]
    assert f"polars: 2.0.0 -> {polars}" in found["code and versions"].changes
    name = "drop_description_columns"
    stage = before.config[name] | {"suffixes": ["***"]}
    masked = before.config | {name: stage}
    rewrite(config=masked)
    found = why(copy)
    assert any("holds what is masked, in drop_desc" in note for note in found.notes)
    assert [*by(found)] == ["code and versions and configuration", "data"]


@pytest.mark.slow
def test_versions_are_told_from_code_that_is_proven_to_be_the_same(
    copy: Path,
) -> None:
    store = open_store(copy)
    last = read_runs(store)[-1]
    run_it(copy, OLD)
    changed = msgspec.structs.replace(last, versions=last.versions | {"polars": "1"})
    write_sealed(store.runs / f"{last.run_id}.json", changed)
    found = by(why(copy))
    assert [*found] == ["code", "versions", "configuration", "data"]
    assert found["code"].proof
    assert not found["versions"].proof
    assert found["versions"].is_nothing


def test_a_run_of_other_code_than_todays_ends_where_it_did(copy: Path) -> None:
    set_code(copy, 5)
    found = why(copy)
    *_, undone = found.steps
    assert undone.causes == ("today's code, undone",)
    assert undone.rows.after == features(copy).height
    [profit] = [c for c in undone.columns if c.name == "profit"]
    assert profit.sum_after == pytest.approx(features(copy)["profit"].sum())


def test_what_no_stage_makes_is_one_error(project: Path) -> None:
    runs = read_runs(open_store(project))
    with pytest.raises(SnapshotError, match="made by no stage"):
        diff_by_cause(open_store(project), "quarantine", "-1", runs[-1].run_id)
