"""The champion's forecast is a snapshot like any other."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline.errors import ModelError
from pipeline.modeling import forecast as forecasting
from pipeline.modeling.bundle.bundle import load_bundle
from pipeline.modeling.data import read_rows
from pipeline.modeling.evaluate import evaluate
from pipeline.modeling.forecast import (
    Forecast,
    champion_of,
    forecast,
    publish_forecast,
    withdraw_another,
)
from pipeline.modeling.predictor import fit_model
from pipeline.modeling.promote import promote
from pipeline.modeling.registry.publish import publish_models
from pipeline.modeling.registry.registry import Version
from pipeline.modeling.settings import ModelingSettings, load_modeling
from pipeline.modeling.tracking.tracking import tracking
from pipeline.modeling.train import train
from pipeline.plan.content import key, package_hash
from pipeline.plan.wiring import Selection
from pipeline.run.explain import describe_freshness
from pipeline.run.run import run, stamp
from pipeline.run.stamp import read_stamp
from pipeline.snapshots.export import export
from pipeline.snapshots.history import describe_history, diff_runs, restore, verify
from pipeline.snapshots.records import (
    FORECASTS,
    PREDICTED_TOTALS,
    PREDICTIONS,
    RunRecord,
)
from pipeline.snapshots.retention import collect_garbage
from pipeline.snapshots.sql import connect, current_catalog
from pipeline.snapshots.store import open_store, read_runs, writing
from tests.modeling.conftest import LENIENT, Load

pytestmark = pytest.mark.usefixtures("here")


def latest(settings: ModelingSettings) -> RunRecord:
    """Read the newest run."""
    return read_runs(open_store(settings.root))[-1]


def states(settings: ModelingSettings) -> dict[str, str]:
    """Say how the newest run came by each snapshot."""
    return {s.name: s.state for s in latest(settings).snapshots}


def ask(settings: ModelingSettings, statement: str) -> pl.DataFrame:
    """Ask the catalog."""
    with connect(open_store(settings.root)) as con:
        return con.sql(statement).pl()


def no_bundle(*args: object, **kwargs: object) -> list[pl.DataFrame]:
    """Stand where a bundle is used that must not be."""
    raise ModelError("the bundle was asked")


def test_a_forecast_has_a_row_per_entity_and_says_what_made_it(copied: Load) -> None:
    settings = copied()
    made = ask(settings, "from predictions")
    assert made.schema == {
        "facility_id": pl.Int32,
        "apr_drg_code": pl.Int32,
        "year": pl.Int32,
        "prediction": pl.Float64,
        "lower": pl.Float64,
        "upper": pl.Float64,
        "probability": pl.Float64,
        "fitted_through": pl.Int32,
        "target": pl.String,
        "unit": pl.String,
        "model_version": pl.Int32,
        "run": pl.String,
    }
    key_columns = ["facility_id", "apr_drg_code", "year"]
    assert made.select(key_columns).is_unique().all()
    assert made.equals(made.sort(key_columns))
    assert made["year"].unique().to_list() == [2018]
    assert made.select("target", "unit").unique().row(0) == (
        settings.modeling.target,
        "$",
    )
    assert made["model_version"].unique().to_list() == [1]
    assert made["fitted_through"].unique().to_list() == [2017]
    assert made["run"].unique().to_list() == [latest(settings).run_id]
    assert made.filter(
        (pl.col("lower") > pl.col("prediction"))
        | (pl.col("upper") < pl.col("prediction"))
    ).is_empty()
    assert states(settings) == {
        **dict.fromkeys(("drgs", "facilities", "discharges"), "fresh"),
        **dict.fromkeys(("facility_drg_year", "features", "quarantine"), "fresh"),
        PREDICTIONS: "computed",
        PREDICTED_TOTALS: "computed",
    }


def test_a_second_forecast_has_nothing_to_do(
    copied: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.modeling.forecast.forecast_apart", no_bundle)
    settings = copied()
    before = latest(settings)
    again = forecast(settings)
    assert not again.is_new
    assert again.run_id == before.run_id
    assert latest(settings) == before


def test_a_run_keeps_the_forecast_and_nothing_to_do_is_stamped(copied: Load) -> None:
    settings = copied()
    words = ("source=csv", "source.path=data/raw.csv")
    stamp_key = key(settings.root, words, package_hash())
    assert stamp_key is not None
    report = run(settings.pipeline)
    assert not report.is_new
    stamp(report, stamp_key)
    is_settled = all(file.is_settled for file in report.files)
    stamped = read_stamp(settings.root, stamp_key)
    assert (stamped is not None) == is_settled
    told = describe_freshness(settings.pipeline, Selection())
    assert told.endswith("to leave as published: predictions, predicted_totals")
    assert stamped is None or stamped.say() == told

    before = ask(settings, "from predictions")
    other = copied("lag_columns.periods=2")
    assert run(other.pipeline).is_new
    assert states(other)[PREDICTIONS] == "kept"
    assert states(other)["features"] == "computed"
    assert ask(settings, "from predictions").equals(before)
    [comment] = ask(
        settings,
        "select comment from duckdb_views() where view_name = 'predictions'"
        " and schema_name = 'main'",
    )["comment"]
    assert comment.startswith("the last `just forecast`, sorted by facility_id")
    assert "STALE" not in comment


def test_a_forecast_is_not_shown_beside_another_target(
    copied: Load, caplog: pytest.LogCaptureFixture
) -> None:
    run(copied("panel.target=w_mean_cost").pipeline)
    assert PREDICTIONS not in states(copied())
    assert "'predictions' was of other rows, another target or" in caplog.text
    run(copied().pipeline)
    assert states(copied())[PREDICTIONS] == "kept"


def test_a_forecast_is_never_shown_beside_other_rows_or_another_profile(
    copied: Load, caplog: pytest.LogCaptureFixture
) -> None:
    settings = copied()
    before = ask(settings, "from predictions")
    real = load_modeling(
        settings.root, overrides=("source=csv", "source.path=data/raw.csv")
    )
    run(real.pipeline)
    assert PREDICTIONS not in states(settings)
    assert "'predictions' was of other rows, another target or profile" in caplog.text
    run(settings.pipeline)
    assert states(settings)[PREDICTIONS] == "kept"
    assert ask(settings, "from predictions").equals(before)
    path = settings.root / "data" / "raw.csv"
    path.write_text(path.read_text().rpartition("\n2")[0] + "\n")
    run(settings.pipeline)
    assert PREDICTIONS not in states(settings)
    with pytest.raises(duckdb.CatalogException):
        ask(settings, "from predictions")


def test_a_forecast_of_another_version_is_taken_out(copied: Load) -> None:
    settings = copied()
    assert not withdraw_another(settings)
    with tracking(settings) as store:
        store.client.delete_registered_model_alias(settings.modeling.name, "champion")
    assert withdraw_another(settings)
    assert PREDICTIONS not in states(settings)
    # Nor does the next run bring it back.
    run(copied("lag_columns.periods=2").pipeline)
    assert PREDICTIONS not in states(settings)
    assert not withdraw_another(settings)


def test_a_stored_forecast_is_not_made_again(
    copied: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = copied()
    store = open_store(settings.root)
    without = read_runs(store)[0].run_id
    restore(store, without)
    assert PREDICTIONS not in states(settings)
    monkeypatch.setattr("pipeline.modeling.forecast.forecast_apart", no_bundle)
    again = forecast(settings)
    assert again.is_new
    assert states(settings)[PREDICTIONS] == "restored"
    assert again.predictions.equals(ask(settings, "from predictions"))


def changed_source(settings: ModelingSettings) -> Forecast:
    """Forecast after a row of the source was changed."""
    path = settings.root / "data" / "raw.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n")
    return forecast(settings)


@pytest.mark.slow
def test_new_data_make_a_new_forecast_with_a_history(copied: Load) -> None:
    settings = copied()
    store = open_store(settings.root)
    made = changed_source(settings)
    assert made.is_new
    assert states(settings)[PREDICTIONS] == "computed"
    _, found = diff_runs(store, PREDICTIONS, "-2", "latest")
    assert not found.is_equal  # column run
    lines = describe_history(store, read_runs(store), PREDICTIONS)
    assert (
        len(
            [
                line
                for line in lines
                if "just forecast, inpatient_profit_ci version 1" in line
            ]
        )
        == 2
    )
    assert verify(store) == []
    with writing(store):
        collect_garbage(store, read_runs(store))
    assert ask(settings, "from predictions").equals(made.predictions)
    restore(store, "-2")
    assert ask(settings, "select distinct run from predictions")["run"][0] < made.run_id


def test_a_forecast_of_another_target_has_other_rows(copied: Load) -> None:
    settings = copied()
    tables = {
        name: ask(settings, f"from {name}").drop("run").with_columns(target=pl.lit("a"))
        for name in FORECASTS
    }
    publish_forecast(
        settings.pipeline,
        tables,
        "ab" * 32,
        key=settings.modeling.key,
        reason="a test",
    )
    for name, made in tables.items():
        _, found = diff_runs(open_store(settings.root), name, "-1", "latest")
        rows = found.rows
        assert (rows.added, rows.removed) == (made.height, made.height)
        assert (rows.changed, rows.unchanged) == (0, 0)


def test_a_bundle_that_fails_leaves_the_previous_run(
    copied: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = copied()
    monkeypatch.setattr("pipeline.modeling.forecast.forecast_apart", no_bundle)
    before = ask(settings, "from predictions")
    with pytest.raises(ModelError, match="the bundle was asked"):
        changed_source(settings)
    # The run brought the features of the new data up to date.
    assert PREDICTIONS not in states(settings)
    restore(open_store(settings.root), "-1")
    assert ask(settings, "from predictions").equals(before)


@pytest.mark.slow
def test_rows_that_another_run_publishes_meanwhile_are_forecast_from(
    copied: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = copied()
    path = settings.root / "data" / "raw.csv"
    lines = path.read_text().splitlines()
    apart = forecasting.forecast_apart
    n_seen: list[int] = []

    def change(*left_out: str) -> None:
        path.write_text("\n".join(line for line in lines if line not in left_out))

    def overtaken(
        settings: ModelingSettings, version: Version, rows: pl.DataFrame, *, alone: bool
    ) -> pl.DataFrame:
        n_seen.append(rows.height)
        if len(n_seen) == 1:
            change(*lines[-2:])
            run(settings.pipeline)
        return apart(settings, version, rows, alone=alone)

    monkeypatch.setattr(forecasting, "forecast_apart", overtaken)
    change(lines[-1])
    assert forecast(settings).is_new
    assert n_seen == [len(lines) - 2, len(lines) - 3]
    assert not forecast(settings).is_new


def test_a_damaged_forecast_is_dropped_and_made_again(copied: Load) -> None:
    settings = copied()
    store = open_store(settings.root)
    [found] = [s for s in latest(settings).snapshots if s.name == PREDICTIONS]
    path = store.object(PREDICTIONS, found.fingerprint)
    content = pl.read_parquet(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert [damage.snapshot for damage in verify(store)] == [PREDICTIONS]
    run(settings.pipeline)
    assert PREDICTIONS not in states(settings)
    again = forecast(settings)
    assert again.is_new
    assert again.predictions.drop("run").equals(content.drop("run"))


def test_an_export_holds_forecast_and_models(copied: Load, tmp_path: Path) -> None:
    settings = copied()
    publish_models(settings)
    with current_catalog(open_store(settings.root)) as catalog:
        written = export(catalog, tmp_path / "shared.duckdb")
    [table] = [table for table in written if table.name == PREDICTIONS]
    assert not table.why_no_primary_key
    assert table.n_rows == ask(settings, "from predictions").height


def test_a_champion_that_was_lost_is_shown_no_more(copied: Load) -> None:
    settings = copied()
    publish_models(settings)
    select = "select aliases from meta.models where version is not null"
    assert ask(settings, select).to_dicts() == [{"aliases": ["champion"]}]
    with tracking(settings) as store:
        name = settings.modeling.name
        store.client.delete_registered_model_alias(name, "champion")
    with pytest.raises(ModelError, match="no champion yet"):
        forecast(settings)
    assert ask(settings, select).to_dicts() == [{"aliases": []}]


def test_without_a_champion_nothing_is_published(ml: Load) -> None:
    settings = ml()
    before = latest(settings)
    with pytest.raises(
        ModelError, match="inpatient_profit_ci: no champion yet\nhint: "
    ):
        forecast(settings)
    assert latest(settings) == before


@pytest.mark.slow
def test_a_model_that_says_who_comes_forecasts_by_it(ml: Load) -> None:
    occurrence = "models.ridge.occurrence={rounds: 20, min_data_in_leaf: 20}"
    settings = ml(*LENIENT, occurrence)
    assert promote(settings, "ridge", withdraw=False).is_champion
    judged = evaluate(settings, "ridge").record.metrics
    assert 0 < judged["brier"] < 0.25
    card = (evaluate(settings, "ridge").folder / "card.html").read_text()
    assert f"its Brier score is {judged['brier']:.3f}" in card
    made = forecast(settings).predictions
    assert made["probability"].is_between(0, 1).all()
    assert made["probability"].n_unique() > 2
    [(total, n)] = ask(
        settings, "select total, n_rows from predicted_totals where total_by = 'all'"
    ).rows()
    expected = made.select(pl.col("prediction").dot("probability")).item()
    assert (total, n) == (pytest.approx(expected), made.height)


def test_the_judged_model_is_kept_and_its_recipe_is_fitted_to_all_years(
    copied: Load,
) -> None:
    settings = copied()
    training = train(settings, "ridge")
    version = champion_of(settings)
    bundle = load_bundle(version.folder / "artifacts" / "bundle")
    rows = read_rows(settings.pipeline)
    used = bundle.forecast(rows, alone=True).unique(settings.modeling.key)
    judged = bundle.backtest(rows, [2018])
    both = used.join(judged, on=settings.modeling.key)
    assert both.height == judged.height
    assert not both["prediction"].equals(both["prediction_right"])
    df = training.features.read(settings.modeling)
    assert bundle.judged.predict(df).equals(training.load().predict(df))
    again = fit_model(df, training.config, settings.modeling)
    assert bundle.predictor.point(df).tolist() == again.point(df).tolist()
    used_record, judged_record = bundle.predictor.record, bundle.judged.record
    assert used_record.calibrations == judged_record.calibrations


def test_a_refused_promotion_of_another_name_leaves_the_forecast(copied: Load) -> None:
    settings = copied("modeling.name=mine", "modeling.baselines=[rolling_mean]")
    promotion = promote(settings, "last_value")
    assert not promotion.is_champion
    assert not promotion.is_withdrawn
    assert PREDICTIONS in states(settings)
