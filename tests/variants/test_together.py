from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.engine import one_pass
from pipeline.plan.plan import Plan
from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from pipeline.snapshots.store import open_store
from pipeline.snapshots.variants import read_variants
from tests.variants.conftest import WORDS, make_published


def test_a_variant_has_what_a_run_of_its_values_publishes(swept: Path) -> None:
    store = open_store(swept)
    for variant in read_variants(store):
        objects = {s.name: s.object for s in variant.run.snapshots}
        report = run(load_settings(swept, overrides=tuple(variant.words)))
        ran = {s.name: s.object for s in report.run.snapshots}
        assert objects == ran
        computed = [s.name for s in report.run.snapshots if s.state == "computed"]
        assert not (report.is_new and computed)


def test_objects_of_one_pass_are_those_of_a_run_alone(
    swept: Path, tmp_path: Path
) -> None:
    variant = {v.name: v for v in read_variants(open_store(swept))}[
        "periods_2_min_total_40"
    ]
    alone = make_published(tmp_path / "alone")
    words = ("lag_columns.periods=2", "drop_rare_drgs.min_total=40")
    report = run(load_settings(alone, overrides=words))
    for ours, its in zip(variant.run.snapshots, report.run.snapshots, strict=True):
        assert_frame_equal(
            pl.read_parquet(open_store(swept).object(*ours.object)),
            pl.read_parquet(open_store(alone).object(*its.object)),
        )
        assert [(c.name, c.n_failures) for c in ours.checks] == [
            (c.name, c.n_failures) for c in its.checks
        ]
    rows = {s.name: s.n_rows for s in report.run.stages}
    assert {s.name: s.n_rows for s in variant.run.stages} == rows


def test_all_go_through_one_pass_in_which_what_is_equal_stands_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.variants.sweep import sweep

    root = make_published(tmp_path / "project")
    passes: list[list[str]] = []
    execute = one_pass.execute

    def seen(plan: Plan, *args: object) -> object:
        passes.append([node.stage.transform.name for node in plan.nodes.values()])
        return execute(plan, *args)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr("pipeline.run.compute.execute", seen)
    sweep(root, WORDS)
    [transforms] = passes
    # One is published, and two of the other three have their discharges in common.
    assert transforms.count("lag_columns") == 3
    assert transforms.count("drop_rare") == 2
    assert transforms.count("sanitize_column_names") == 1
