import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.files.checksum import write_sealed
from pipeline.files.state import State
from pipeline.pages.docs import frame_of
from pipeline.pages.facts import Facts, read_facts
from pipeline.pages.model import model
from pipeline.pages.site import render
from pipeline.snapshots.publish import contribute
from pipeline.snapshots.store import open_store
from tests.pages.conftest import HOSTILE

FINGERPRINT = "f" * 64
MADE = datetime(2026, 11, 1)


def trained(**other: Any) -> dict[str, Any]:
    row = {
        "model": "ridge",
        "fingerprint": FINGERPRINT,
        "features": "a",
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


@pytest.fixture(scope="module")
def modeled(seen: Path, tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """A project whose models have left rows in the catalog's tables, and a card."""
    root = tmp_path_factory.mktemp("modeled") / "project"
    shutil.copytree(seen, root, symlinks=True)
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
    audit = {
        "leaks": [],
        "features": ["a", "b"],
        "times": [1, 2, 3],
        "n_values": 600,
        "of_names": [],
        "part": 0.5,
        "unseen": [],
    }
    write_sealed(state.audits / "a.json", {"fingerprint": "x", "audit": audit})
    return read_facts(root)


@pytest.fixture(scope="module")
def text(modeled: Facts) -> str:
    return render([*model(modeled)], frame_of(modeled))["model.html"]


def test_candidates_stand_side_by_side_by_their_error(modeled: Facts) -> None:
    page, _ = model(modeled)
    [judged] = page.values["judged"]
    assert [(c.name, c.error, c.ends) for c in judged.candidates] == [
        ("ridge", "$10", "$9 to $11"),
        ("naive", "$12", "$11 to $13"),
    ]
    ridge, naive = judged.candidates
    assert (ridge.others["bias"], naive.others["bias"]) == ("-2.0%", "\N{EN DASH}")
    assert (ridge.difference, naive.difference) == ("", "-$2 (-$3 to -$1)")
    assert ridge.bar.width == pytest.approx(100 * 10 / 13)
    assert naive.bar.upper == 100


def test_the_card_is_copied_and_shown_in_a_frame(modeled: Facts, text: str) -> None:
    _, card = model(modeled)
    files = render([*model(modeled)], frame_of(modeled))
    assert files[card.path].strip() == "<!doctype html><title>a card</title>"
    assert f'<iframe class="card" src="{card.path}"' in text


def test_promotions_are_told_with_their_reasons(text: str) -> None:
    assert text.index("cost 2</th>") < text.index("cost 1</th>")
    assert "10% too low in sum" in text
    assert "`leaks` let year pass" in text


def test_forecasts_that_have_come_stand_beside_the_best_baseline(
    modeled: Facts,
) -> None:
    page, _ = model(modeled)
    rows = page.values["scored"]
    assert [(r.period, r.error, r.best) for r in rows] == [
        ("10", "MAE $7", "naive, $4"),
        ("9", "MAE $5", "naive, $6"),
    ]
    assert rows[0].coverage == "88.0 % of 90.0 % meant"
    [(name, drawn)] = page.values["errors"]
    assert (name, drawn.text) == ("cost", "5, then 7")


def test_what_has_drifted_comes_first(modeled: Facts) -> None:
    page, _ = model(modeled)
    assert [row["feature"] for row, _ in page.values["drift"]] == ["moved", "steady"]
    assert page.values["n_drifted"] == 1


def test_the_audit_says_what_it_looked_at_and_what_is_on_trust(text: str) -> None:
    assert "600 values of 2 features" in text
    assert "50.0 % of the rows" in text
    assert "&lt;script&gt;" in text
    assert HOSTILE not in text


def test_a_project_without_a_model_is_told_what_to_do_next(
    files: dict[str, str],
) -> None:
    assert "<code>configs/modeling.yaml</code>" in files["model.html"]
    assert "iframe" not in files["model.html"]
