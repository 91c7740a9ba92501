"""The catalog shows the trained models and their figures."""

import json
import shutil
from pathlib import Path

import duckdb  # noqa: F401 - connections give relations by it
import polars as pl
import pytest

from pipeline.modeling.evaluate import evaluate
from pipeline.modeling.forecast import publish_forecast
from pipeline.modeling.registry.publish import publish_models
from pipeline.modeling.train import train
from pipeline.run.run import run
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store
from tests.modeling.conftest import Load


def ask(root: Path, statement: str) -> pl.DataFrame:
    """Ask the catalog."""
    with connect(open_store(root)) as con:
        return con.sql(statement).pl()


def test_models_are_listed_with_versions_and_figures(copied: Load) -> None:
    settings = copied()
    publish_models(settings)
    select = "from meta.models order by version nulls last"
    row, baseline = ask(settings.root, select).iter_rows(named=True)
    assert (baseline["model"], baseline["version"]) == ("last_value", None)
    training = train(settings, "ridge").record
    assert (row["model"], row["fingerprint"]) == ("ridge", training.fingerprint)
    assert (row["name"], row["version"]) == ("inpatient_profit_ci", 1)
    assert row["aliases"] == ["champion"]
    assert json.loads(row["params"]) == {"alpha": 100}
    metrics = json.loads(row["metrics"])
    assert metrics["valid_rmse"] == training.metrics["rmse"]
    evaluation = evaluate(settings, "ridge")
    assert metrics["test_rmse"] == evaluation.record.metrics["rmse"]
    figures = ask(settings.root, "from meta.evaluations")
    for name in ("evaluations", "comparisons"):
        of = ask(
            settings.root, f"select distinct fingerprint, target, unit from meta.{name}"
        )
        assert of.rows() == [(row["fingerprint"], "w_total_median_profit", "$")], name
    expected = evaluation.table("evaluation")
    assert figures.select("value", "lower", "upper").equals(
        expected.select("value", "lower", "upper")
    )
    assert figures["model"].to_list() == expected["model"].to_list()


def test_models_stay_in_the_catalogs_of_later_runs(copied: Load) -> None:
    settings = copied()
    publish_models(settings)
    run(copied("lag_columns.periods=2").pipeline)
    assert ask(settings.root, "from meta.models").height == 2
    assert ask(settings.root, "from meta.evaluations").height > 0


def test_models_that_are_gone_are_shown_no_more(copied: Load) -> None:
    settings = copied()
    publish_models(settings)
    shutil.rmtree(settings.root / ".pipeline" / "models")
    publish_models(settings)
    assert ask(settings.root, "from meta.models").is_empty()
    assert ask(settings.root, "from meta.evaluations").is_empty()


@pytest.mark.parametrize("stored", [False, True], ids=["new", "stored"])
def test_a_forecast_is_sorted_and_names_its_run(ml: Load, stored: bool) -> None:
    settings = ml().pipeline
    tables = {
        "predictions": pl.DataFrame({"unit": [2, 1], "target": "a"}),
        "predicted_totals": pl.DataFrame(
            {"total_by": "all", "total_of": ["b", "a"], "target": "a"}
        ),
    }

    def publish(tables: dict[str, pl.DataFrame] | None) -> str:
        return publish_forecast(
            settings, tables, "ab" * 32, key=["unit"], reason="a test"
        )

    first = publish(tables)
    if stored:
        assert publish(None) > first
    totals = ask(settings.root, "from predicted_totals")
    assert totals["total_of"].to_list() == ["a", "b"]
    assert ask(settings.root, "from predictions").to_dict(as_series=False) == {
        "unit": [1, 2],
        "target": ["a", "a"],
        "run": [first, first],
    }
