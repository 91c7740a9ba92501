"""A small project that has run twice, and all its pages, made once."""

import json
import shutil
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.files.checksum import write_sealed
from pipeline.files.state import State
from pipeline.modeling.audit.audit import Audit
from pipeline.modeling.audit.guard import AuditRecord
from pipeline.pages.docs import frame_of, pages_of
from pipeline.pages.facts import Facts, read_facts
from pipeline.pages.site import render
from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from pipeline.snapshots.publish import contribute
from pipeline.snapshots.store import open_store
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
    """`seen` after a third run, which set cells aside and warned."""
    root = tmp_path_factory.mktemp("dirty") / "project"
    shutil.copytree(seen, root, symlinks=True)
    raw = root / "data" / "raw.csv"
    rows = raw.read_text().splitlines(keepends=True)
    spoilt = [row.rstrip().rpartition(",")[0] for row in rows[1:4]]
    values = ("x", HOSTILE, "x")
    rows[1:4] = [f"{row},{v}\n" for row, v in zip(spoilt, values, strict=True)]
    rows[4] = f"never,{rows[4].partition(',')[2]}"
    raw.write_text("".join(rows))
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


FINGERPRINT = "f" * 64
MADE = datetime(2026, 11, 1)


def trained(**other: Any) -> dict[str, Any]:
    row = {
        "model": "ridge",
        "fingerprint": FINGERPRINT,
        "features": "a",
        "study": None,
        "params": "{}",
        "metrics": json.dumps({"test_mae": 10.0}),
        "mlflow_run": "m",
        "run_id": "r1",
        "created_at": MADE,
        "spans": json.dumps({"train": ["2010", "2014"], "test": ["2016", "2017"]}),
        "name": "cost",
        "version": 2,
        "aliases": ["champion"],
        "target": "cost",
        "unit": "$",
        "entity": ["store"],
        "horizon": 1,
        "metric": "mae",
        "on_trust": [f"{HOSTILE}: from a calendar"],
    }
    return row | other


def evaluated(model: str, metric: str, value: float | None) -> dict[str, Any]:
    ends = {"lower": value and value - 1, "upper": value and value + 1}
    of = {"fingerprint": FINGERPRINT, "slice_by": "all", "n_rows": 9}
    return {**of, "model": model, "metric": metric, "value": value, **ends}


def scored(period: str, model: str, mae: float) -> dict[str, Any]:
    return {
        "name": "cost",
        "version": 2,
        "period": period,
        "step": 1,
        "model": model,
        "is_baseline": model != "ridge",
        "slice_by": "all",
        "unit": "$",
        "mae": mae,
        "n_rows": 7,
        "n_not_come": 1,
        "n_not_forecast": 2,
        "bias": 0.01,
        "coverage": 0.88,
        "nominal_coverage": 0.9,
    }


def drifting(feature: str, importance: float, why: str | None) -> dict[str, Any]:
    names = ("psi", "psi_by_chance", "nulls", "q50", "nulls_learned", "q50_learned")
    of = {"feature": feature, "importance": importance, "why": why, "period": "2018"}
    return {**of, "is_drifted": why is not None, **dict.fromkeys(names, 0.5)}


@pytest.fixture(scope="session")
def modeled(dirty: Path, tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """A project whose models have left rows in the catalog's tables, and a card."""
    root = tmp_path_factory.mktemp("modeled") / "project"
    shutil.copytree(dirty, root, symlinks=True)
    promoted = {
        "name": "cost",
        "fingerprint": FINGERPRINT,
        "decided_at": MADE,
        "against": None,
        "notes": ["`leaks` let year pass"],
    }
    refused = "10% too low in sum"
    tables = {
        "models": [
            trained(),
            trained(model="tree", fingerprint="e" * 64, aliases=[], version=None),
        ],
        "evaluations": [
            evaluated("naive", "mae", 12.0),
            evaluated("ridge", "mae", 10.0),
            evaluated("ridge", "bias", -0.02),
            evaluated("naive", "bias", None),
        ],
        "comparisons": [
            {
                "fingerprint": FINGERPRINT,
                "reference": "naive",
                "slice_by": "all",
                "difference": -2.0,
                "lower": -3.0,
                "upper": -1.0,
            }
        ],
        "promotions": [
            promoted | {"version": 1, "is_champion": False, "reasons": [refused]},
            promoted | {"version": 2, "is_champion": True, "reasons": []},
        ],
        "forecast_scores": [
            scored(period, model, mae)
            for period, errors in (("9", (5.0, 6.0)), ("10", (7.0, 4.0)))
            for model, mae in zip(("ridge", "naive"), errors, strict=True)
        ],
        "drift": [
            drifting("steady", 0.9, None),
            drifting("moved", 0.1, "PSI above chance"),
        ],
    }
    frames = {
        name: pl.DataFrame(rows, infer_schema_length=None)
        for name, rows in tables.items()
    }
    contribute(open_store(root), frames)
    state = State(root)
    card = state.models / "ridge" / FINGERPRINT[:16] / "evaluation" / "card.html"
    card.parent.mkdir(parents=True)
    card.write_text("<!doctype html><title>a card</title>")
    state.audits.mkdir()
    audit = Audit([], ["a", "b"], [1, 2, 3], n_values=600, of_names=[], part=0.5)
    write_sealed(state.audits / "a.json", AuditRecord("x", audit))
    return read_facts(root)


@pytest.fixture(scope="session")
def unpromoted(modeled: Facts) -> Facts:
    """`modeled`, where the champion was refused, and a newer model errs more."""
    facts = replace(modeled)
    for row in facts.meta("models"):
        row["aliases"] = []
        row["created_at"] = MADE.replace(day=1 if row["model"] == "ridge" else 2)
    newest, *_ = facts.meta("promotions")
    newest["decided_at"] = MADE.replace(year=2027)
    [own] = [
        row
        for row in facts.meta("evaluations")
        if (row["model"], row["metric"]) == ("ridge", "mae")
    ]
    worse = {"model": "tree", "fingerprint": "e" * 64, "value": own["value"] + 9}
    facts.meta("evaluations").append(defaultdict(lambda: None, own | worse))
    return facts
