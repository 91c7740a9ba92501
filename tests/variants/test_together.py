from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.engine import one_pass
from pipeline.plan.plan import Plan
from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from pipeline.snapshots.store import open_store
from pipeline.snapshots.variants import find_variant
from pipeline.variants.sweep import sweep
from tests.variants.conftest import make_published


def test_a_run_of_its_values_finds_a_variant_in_the_store(swept: Path) -> None:
    variant = find_variant(open_store(swept), "periods_2_min_total_40")
    report = run(load_settings(swept, overrides=tuple(variant.words)))
    assert variant.run.fingerprints == report.run.fingerprints
    assert report.is_new
    assert not [s for s in report.run.snapshots if s.state == "computed"]


@pytest.mark.slow
def test_objects_of_one_pass_are_those_of_a_run_alone(
    swept: Path, tmp_path: Path
) -> None:
    variant = find_variant(open_store(swept), "periods_2_min_total_40")
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
    swept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[list[str]] = []
    execute = one_pass.execute

    def seen(plan: Plan, *args: object) -> object:
        passes.append([node.stage.transform.name for node in plan.nodes.values()])
        return execute(plan, *args)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr("pipeline.run.compute.execute", seen)
    sweep(swept, ["lag_columns.periods=3,4", "drop_rare_drgs.min_total=20,50"])
    [transforms] = passes
    # Discharges of 20 are there, and those of 50 two have in common.
    assert transforms.count("lag_columns") == 4
    assert transforms.count("drop_rare") == 2
    assert transforms.count("sanitize_column_names") == 1
