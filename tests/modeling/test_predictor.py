from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import numpy as np
import polars as pl
import pytest

from pipeline.errors import ModelError
from pipeline.modeling.data import between, current_features
from pipeline.modeling.fit.intervals import Calibration
from pipeline.modeling.predictor import (
    Predictor,
    _forecast_of,
    fit_model,
    fit_predictor,
    load_predictor,
    past_of,
    target_of,
)
from pipeline.modeling.settings import STEP, ModelConfig, Modeling
from tests.modeling.conftest import Load, load_in

TARGETS = [
    {"kind": "none"},
    {"kind": "asinh", "scale": 1e5},
    {"kind": "difference"},
    {"kind": "growth", "scale": 1e5},
]
KINDS: dict[str, dict[str, Any]] = {
    "ridge": {"params": {"alpha": 10}},
    "known_value": {"params": {"columns": ["w_total_median_profit_rolling2"]}},
    "lightgbm": {"params": {"rounds": 4}, "categorical": ["facility_id"]},
}
IDS = [target["kind"] for target in TARGETS]


@pytest.fixture(scope="module")
def world(prepared: Path) -> tuple[Modeling, pl.DataFrame]:
    settings = load_in(prepared)
    modeling = settings.modeling
    return modeling, current_features(settings).read(modeling)


def fit(world: tuple[Modeling, pl.DataFrame], kind: str, target: Any) -> Predictor:
    modeling, df = world
    tree = {"kind": kind, "target": target, **KINDS[kind]}
    if kind == "known_value":
        tree["target"] = {"kind": "none"}
    config = msgspec.convert(tree, ModelConfig)
    train, valid = (
        between(df, modeling, (2010, 2014)),
        between(df, modeling, (2015, 2015)),
    )
    return fit_predictor(train, valid, config, modeling)


@pytest.mark.parametrize("target", TARGETS, ids=IDS)
@pytest.mark.parametrize("kind", KINDS)
def test_row_gets_the_same_bits_in_any_company_and_once_it_is_loaded(
    world: tuple[Modeling, pl.DataFrame], kind: str, target: Any, tmp_path: Path
) -> None:
    predictor = fit(world, kind, target)
    df = between(world[1], world[0], (2016, 2017))
    whole = predictor.predict(df)
    assert whole.columns == ["prediction", "lower", "upper"]
    assert whole.select(pl.all().is_finite().all()).row(0) == (True, True, True)
    assert (whole["lower"] <= whole["prediction"]).all()
    assert (whole["prediction"] <= whole["upper"]).all()
    for offset, length in [(0, 1), (1, 1), (7, 3), (1, 130), (3, 401)]:
        part = predictor.predict(df.slice(offset, length))
        assert part.equals(whole.slice(offset, length))
    assert predictor.predict(df[::3]).equals(whole[::3])
    assert predictor.predict(df.head(0)).is_empty()

    predictor.save(tmp_path)
    assert load_predictor(tmp_path).predict(df).equals(whole)


def test_intervals_of_the_calibrating_year_hold_what_they_say(
    world: tuple[Modeling, pl.DataFrame],
) -> None:
    modeling, df = world
    valid = between(df, modeling, (2015, 2015))
    made = fit(world, "lightgbm", TARGETS[3]).predict(valid)
    n_held = valid[modeling.target].is_between(made["lower"], made["upper"]).sum()
    # Of each of two bins of 138 rows, 5 lie beyond either end: 139 * 0.95 = 132.05.
    # Rounding may put those on an end beyond it, and an end at the prediction within.
    assert valid.height == 276
    assert 276 - 20 - 4 <= n_held <= 276 - 20 + 4


def test_interval_holds_its_prediction_even_where_it_was_moved_past_it(
    world: tuple[Modeling, pl.DataFrame],
) -> None:
    known = fit(world, "ridge", TARGETS[0])
    past = Calibration(edges=[], lower=[-5e5], upper=[9e5])
    record = msgspec.structs.replace(known.record, calibrations=[past])
    made = Predictor(record, known.model).predict(world[1])
    np.testing.assert_array_equal(made["lower"], made["prediction"])
    width = (made["upper"] - made["prediction"]).to_numpy()
    np.testing.assert_allclose(width, 9e5)


def test_unseen_categories_and_nulls_get_a_prediction(
    world: tuple[Modeling, pl.DataFrame],
) -> None:
    modeling, df = world
    row = df.head(1).with_columns(facility_id=pl.lit(-7, pl.Int32))
    unknown = [c for c in df.columns if c not in (*modeling.key, *modeling.past)]
    empty = row.with_columns(
        pl.lit(None, df.schema[name]).alias(name) for name in unknown
    )
    for kind in ("lightgbm", "ridge"):
        predictor = fit(world, kind, TARGETS[3])
        for df_new in (row, empty):
            assert np.isfinite(predictor.predict(df_new).to_numpy()).all()


@pytest.mark.parametrize("kind", KINDS)
def test_frame_that_does_not_fit_is_refused(
    world: tuple[Modeling, pl.DataFrame], kind: str
) -> None:
    predictor, df = fit(world, kind, TARGETS[3]), world[1]
    name = "sum_discharges_lag1"
    for changed, difference in [
        (df.drop(name), "found no such column"),
        (df.with_columns(pl.col(name).cast(pl.Float32)), "found Float32"),
        (df.with_columns(pl.col(name).cast(pl.String)), "found String"),
    ]:
        with pytest.raises(ModelError, match=f"{name}: .*{difference}"):
            predictor.predict(changed)
    infinite = df.with_columns(w_mean_cost_lag1=pl.lit(np.inf))
    with pytest.raises(ModelError, match="infinite values in w_mean_cost_lag1"):
        predictor.predict(infinite)


def test_past_is_the_first_that_is_known() -> None:
    df = pl.DataFrame({"a": [1, None, None], "b": [5.0, 6.0, None]})
    np.testing.assert_array_equal(past_of(df.head(2), ["a", "b"]), [1, 6])
    with pytest.raises(ModelError, match="1 rows have none of a, b"):
        past_of(df, ["a", "b"])
    with pytest.raises(ModelError, match="no column c, which holds the target's past"):
        past_of(df, ["a", "c"])


def test_target_must_be_finite_and_there() -> None:
    df = pl.DataFrame({"y": [1.0, None, np.nan, np.inf, 2.0]})
    with pytest.raises(ModelError, match="y: 3 of 5 rows are null or not finite"):
        target_of(df, "y")
    with pytest.raises(ModelError, match="no rows to learn from"):
        target_of(df.head(0), "y")


def test_training_takes_no_categories_of_the_key_as_numbers(ml: Load) -> None:
    settings = ml()
    df = current_features(settings).read(settings.modeling)
    config = settings.models["ridge"]
    train, valid = df.filter(year=2014), df.filter(year=2015)
    predictor = fit_predictor(train, valid, config, settings.modeling)
    assert not set(predictor.record.schema.dtypes) & set(settings.modeling.key)
    assert settings.modeling.target not in predictor.record.schema.dtypes


SHOPS = pl.DataFrame(
    {
        "shop": [i for i in range(40) for _ in range(5)],
        "year": [*range(2010, 2015)] * 40,
        "region": [f"r{i % 4}" for i in range(40) for _ in range(5)],
        "sold_lag1": [float(i) for i in range(200)],
        "sold": [100.0 * (i % 4) + t for i in range(40) for t in range(5)],
    }
)


@pytest.mark.parametrize("kind", ["lightgbm", "ridge"])
def test_a_label_is_a_category_or_left_out(kind: str) -> None:
    names = {"time": "year", "entity": ["shop"], "target": "sold"}
    shipped = {"past": ["sold_lag1"], "horizon": 1, "coverage": 0.9, "seed": 1}
    modeling = cast("Modeling", SimpleNamespace(**names, **shipped))
    config = ModelConfig(kind=kind)
    predictor = fit_model(SHOPS, config, modeling)
    here = {"lightgbm": {"region": ["r0", "r1", "r2", "r3"]}, "ridge": {}}[kind]
    assert predictor.record.schema.vocabulary == here
    said = SHOPS.with_columns(said=predictor.point(SHOPS)).group_by("region")
    means = said.agg(pl.mean("said", "sold")).sort("region")
    is_near = (means["said"] - means["sold"]).abs().max() < 5  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
    assert is_near == (kind == "lightgbm")


def test_the_rows_of_a_forecast_know_the_same_last_period() -> None:
    df = pl.DataFrame({"year": [1, 2, 2, 3, 3], "periods_ahead": [1, 1, 2, 1, 2]})
    df = df.rename({"periods_ahead": STEP})
    of = {"time": "year", "every": 1}
    for horizon, expected in ((1, [1, 2, 2, 3, 3]), (2, [0, 1, 0, None, 1])):
        modeling = cast("Modeling", SimpleNamespace(**of, horizon=horizon))
        found = df.select(_forecast_of(modeling, df.schema["year"])).to_series()
        assert found.to_list() == expected
