"""What is published of models and speed, held to what was accepted."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from pipeline.review.figures import judged, speed
from pipeline.snapshots.publish import contribute
from pipeline.snapshots.store import open_store
from tests.conftest import ROOT


def test_projects_without_models_and_benchmarks_have_no_figures(reviewed: Path) -> None:
    assert judged(open_store(reviewed), "f") == []
    assert speed(open_store(reviewed)) == []


def test_figures_are_of_champions_these_features_and_the_newest_benchmark(
    reviewed: Path, tmp_path: Path
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(reviewed, root, symlinks=True)
    (root / "benchmarks").mkdir()
    shutil.copy(ROOT / "benchmarks" / "meta.sql", root / "benchmarks")
    ratios = {"plan": {"pandas": 0.5}, "run": {"pandas": 0.5}}
    text = json.dumps({"processors": {"fast": {"ratios": ratios}}})
    (root / "benchmarks" / "accepted.json").write_text(text)
    models = pl.DataFrame(
        {
            "model": ["trees", "ridge", "old"],
            "fingerprint": ["a", "b", "c"],
            "features": ["before", "now", "before"],
            "version": [3, None, None],
            "aliases": [["champion"], [], []],
            "metric": ["mae"] * 3,
            "unit": ["$", None, "$"],
        }
    )
    evaluations = pl.DataFrame(
        {
            "fingerprint": ["a", "a", "b"],
            "model": ["trees", "last_value", "ridge"],
            "slice_by": ["all"] * 3,
            "metric": ["mae"] * 3,
            "value": [10.0, 20.0, 9.0],
            "lower": [8.0, 18.0, 7.0],
            "upper": [12.0, 22.0, 11.0],
        }
    )
    at = pl.Series(["2026-01-01", "2026-01-02", "2026-01-02"]).str.to_datetime()
    benchmarks = pl.DataFrame(
        {
            "measured_at": at,
            "machine": [json.dumps({"processor": "fast"})] * 3,
            "task": ["features: plan", "features: plan", "features: run"],
            "contender": ["pandas"] * 3,
            "cpu_x": [10.0, 1.0, 2.0],
        }
    )
    store = open_store(root)
    tables = {"models": models, "evaluations": evaluations, "benchmarks": benchmarks}
    contribute(store, tables)
    found = judged(store, "now")
    assert [(m.model, m.is_champion, m.is_of_these, m.value) for m in found] == [
        ("trees", True, False, 10.0),
        ("ridge", False, True, 9.0),
    ]
    held = {s.name: (s.measured, s.is_slower) for s in speed(store)}
    assert held == {"plan": (pytest.approx(1.0), True), "run": (0.5, False)}
