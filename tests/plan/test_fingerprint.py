"""What rows are made of decides their fingerprint; what they are called does not."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.files.local import FileContent, FileStat
from pipeline.plan import fingerprint as fingerprint_module
from pipeline.plan.fingerprint import (
    SourceIdentity,
    fingerprint,
    merged,
    nothing_known,
    source_plan,
)
from pipeline.plan.plan import Plan
from pipeline.plan.settings import SOURCE, Settings
from pipeline.run.run import check
from pipeline.snapshots.records import QUARANTINE
from tests.conftest import GOLDEN


def source(path: str = "a.csv", sha256: str = "x", plan: str = "p") -> SourceIdentity:
    stat = FileStat(path, 1, 0, 0, 0)
    return SourceIdentity(plan, [FileContent(stat, sha256, 0)])


@pytest.fixture
def plan(golden_settings: Callable[..., Settings]) -> Plan:
    return check(golden_settings())


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize("other", [source(sha256="y"), source(plan="q")])
def test_other_rows_change_every_stage_and_snapshot(
    plan: Plan, other: SourceIdentity
) -> None:
    before, after = (
        fingerprint(plan, {SOURCE: source()}, nothing_known),
        fingerprint(plan, {SOURCE: other}, nothing_known),
    )
    assert changed(before.stages, after.stages) == {*plan.nodes}
    assert changed(before.snapshots, after.snapshots) == {*plan.snapshots, QUARANTINE}


def test_a_renamed_file_changes_the_quarantine_alone(plan: Plan) -> None:
    before, after = (
        fingerprint(plan, {SOURCE: source()}, nothing_known),
        fingerprint(plan, {SOURCE: source("b.csv")}, nothing_known),
    )
    assert changed(before.stages, after.stages) == set()
    assert changed(before.snapshots, after.snapshots) == {QUARANTINE}


def test_a_changed_stage_changes_what_follows_it(
    plan: Plan, golden_settings: Callable[..., Settings]
) -> None:
    before = fingerprint(plan, {SOURCE: source()}, nothing_known)
    other = check(golden_settings("lag_columns.periods=2"))
    after = fingerprint(other, {SOURCE: source()}, nothing_known)
    assert changed(before.stages, after.stages) == {*plan.downstream("lag_columns")}
    assert changed(before.snapshots, after.snapshots) == {"features"}


def test_another_key_changes_the_snapshot_but_not_its_stage(plan: Plan) -> None:
    node = plan.snapshots["drgs"]
    other = replace(node, stage=replace(node.stage, key=("other",)))
    nodes = plan.nodes | {node.stage.name: other}
    before = fingerprint(plan, {SOURCE: source()}, nothing_known)
    after = fingerprint(Plan(plan.source, nodes), {SOURCE: source()}, nothing_known)
    assert changed(before.stages, after.stages) == set()
    assert changed(before.snapshots, after.snapshots) == {"drgs"}


def test_versions_that_can_change_values_count(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprint(plan, {SOURCE: source()}, nothing_known)
    monkeypatch.setitem(fingerprint_module.VERSIONS, "polars", "0")
    after = fingerprint(plan, {SOURCE: source()}, nothing_known)
    assert changed(before.stages, after.stages) == {*plan.nodes}


def test_how_files_are_read_counts_and_what_they_are_called_does_not(
    golden_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    renamed = shutil.copy(GOLDEN / "raw.csv", tmp_path / "other.csv")

    def of(*words: str) -> str:
        settings = golden_settings(*words)
        return source_plan(settings.source, settings.root)[0]

    assert of() == of(f"source.path={renamed}")
    assert of() != of("columns.Discharges=money")


def test_sources_are_seen_as_one() -> None:
    one, other = source(), source("b.csv", plan="q")
    assert merged([one]) == one
    assert merged([one, other]).files == [*one.files, *other.files]
    assert merged([one, other]).plan != merged([one, one]).plan
