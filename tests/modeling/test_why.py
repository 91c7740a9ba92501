"""A forecast is the sum of what is said to make it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import LineageError
from pipeline.modeling.contributions import Contribution, past_added
from pipeline.modeling.fit.target import GrowthTarget, NoneTarget, RelativeTarget
from pipeline.modeling.why import (
    WhyPrediction,
    base_lines,
    show_prediction,
    why_prediction,
)
from pipeline.snapshots.records import PREDICTIONS, RunRecord
from pipeline.snapshots.store import Store, open_store, read_runs
from tests.modeling.conftest import LENIENT, load_in

KEY = ("facility_id", "apr_drg_code", "year")


def published(store: Store, run: RunRecord, name: str) -> pl.DataFrame:
    """Read a snapshot."""
    [found] = [s for s in run.snapshots if s.name == name]
    return pl.read_parquet(store.object(*found.object))


@pytest.fixture(scope="module")
def asked(promoted: Path) -> tuple[WhyPrediction, pl.DataFrame]:
    """Why the tenth largest prediction is so, and all of them."""
    settings = load_in(promoted, *LENIENT)
    store = open_store(settings.root)
    run = read_runs(store)[-1]
    rows = published(store, run, PREDICTIONS).sort("prediction", descending=True)
    key = [f"{name}={rows[name][9]}" for name in KEY]
    return why_prediction(settings, store, run, key), rows


def test_contributions_add_up_to_what_is_published(
    asked: tuple[WhyPrediction, pl.DataFrame],
) -> None:
    found, rows = asked
    row = rows.row(9, named=True)
    assert found.key == {name: row[name] for name in KEY}
    assert (found.prediction, found.rank) == (row["prediction"], 10)
    assert found.fitted == ""
    total = found.base + sum(one.amount for one in found.contributions)
    assert total == pytest.approx(found.prediction, rel=1e-9)
    bigger = [one["prediction"] for one in found.bigger]
    assert bigger == rows["prediction"][6:9].to_list()[::-1]
    interval = found.interval
    assert (interval.lower, interval.upper) == (row["lower"], row["upper"])
    assert interval.own_lower + interval.lower_moved == pytest.approx(row["lower"])
    assert interval.own_upper + interval.upper_moved == pytest.approx(row["upper"])
    assert interval.sizes[0] <= abs(found.prediction)
    assert found.version.endswith("version 1")


def test_the_largest_is_followed_to_the_source(
    asked: tuple[WhyPrediction, pl.DataFrame],
) -> None:
    found, _ = asked
    assert found.past is None
    first = max(found.contributions, key=lambda one: abs(one.amount))
    down = found.largest
    assert down is not None, found.not_followed
    assert (down.column, down.value) == (first.feature, first.value)
    rows = down.sources["source"]
    assert {*rows["Facility Id"]} <= {found.key["facility_id"]}
    assert rows["Year"].max() == found.key["year"] - 1
    text = show_prediction(found, "md", every_row=False)
    assert f"`features.{first.feature}` = {first.value!r}" in text
    plain: dict[str, Any] = json.loads(show_prediction(found, "json", every_row=True))
    assert plain["largest"]["sources"]["source"]["n_rows"] == rows.height
    assert len(plain["contributions"]) == len(found.contributions)


def test_a_base_of_a_change_is_said_as_past_and_usual_growth(
    asked: tuple[WhyPrediction, pl.DataFrame],
) -> None:
    features = pl.DataFrame({"b_rolling2": [None], "b_lag1": [300_829.0], "c": [1.0]})
    names = ["b_rolling2", "b_lag1"]
    past = past_added(RelativeTarget(scale=1), names, features)
    assert past == Contribution("b_lag1", 300_829.0, 300_829.0)
    assert past_added(NoneTarget(), names, features) is None
    found = replace(asked[0], past=past, base=310_829.0)
    assert list(base_lines(found)) == [
        "from its past, b_lag1 = 300,829",
        "usual growth +10,000, and what features add:",
    ]
    grown = past_added(GrowthTarget(scale=1), names, features)
    lines = list(base_lines(replace(asked[0], past=grown, fitted="growth", base=0.5)))
    assert lines[0] == "grown from its past, b_lag1 = 300,829"
    assert "in units of growth" in lines[1]


def test_a_question_without_an_answer(promoted: Path) -> None:
    settings = load_in(promoted, *LENIENT)
    store = open_store(settings.root)
    *before, run = read_runs(store)
    with pytest.raises(LineageError, match=r"lacking of the key: .*year"):
        why_prediction(settings, store, run, [])
    with pytest.raises(LineageError, match="expected the column 'prediction'"):
        why_prediction(settings, store, run, ["year=2018", "lower"])
    with pytest.raises(LineageError, match="has no 'predictions'\nhint: `just fore"):
        why_prediction(settings, store, before[0], [])
