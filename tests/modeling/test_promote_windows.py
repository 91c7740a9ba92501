"""A champion is chosen on all windows, not on the newest alone."""

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline.modeling.evaluate import evaluate
from pipeline.modeling.promote import promote, slices_that_lose
from pipeline.modeling.settings import ModelingSettings, load_modeling
from tests.modeling.conftest import draw_nothing, forecast_here
from tests.modeling.shops import shops, with_store_of

MEAN = """
kind: known_value
params: {columns: [sold_rolling2]}
"""
FOUR = "modeling.backtest.windows=4"


def sold(shop: int, year: int) -> float:
    """Ten more each year; in the last, the mean of the two before it, give or take 3.

    So the last value errs by 10, or 5 there, and the mean of two by 15, or 3.
    """
    if year < 2015:
        return 100.0 + 20 * shop + 10 * (year - 2005)
    side = 1 if shop % 2 else -1
    return (sold(shop, 2013) + sold(shop, 2014)) / 2 + 3 * side


@pytest.fixture(scope="module")
def load(
    prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., ModelingSettings]:
    root = shops(tmp_path_factory.mktemp("gate"), range(2005, 2016))
    with_store_of(prepared, root)
    path = root / "data.csv"
    rows = [
        (f"s{i:02}", year, i, year) for i in range(20) for year in range(2005, 2016)
    ]
    noise = pl.Series([(i * 7 + year * 3) % 5 / 10 for _, year, i, _ in rows])
    df = pl.DataFrame(rows, schema=["shop", "year", "price", "visits"], orient="row")
    amounts = pl.Series("sold", [sold(i, year) for _, year, i, _ in rows]) + noise
    df.with_columns(amounts).write_csv(path)
    (root / "configs" / "models" / "mean.yaml").write_text(MEAN)
    words = (
        f"source.path={path}",
        "modeling.split={train: 3, valid: 1, test: 1}",
        "modeling.promotion.max_slice_loss=0.99",
    )
    return lambda *more: load_modeling(root, overrides=(*words, *more))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_nothing(monkeypatch)
    forecast_here(monkeypatch)


@pytest.mark.slow
def test_a_model_that_is_best_in_the_newest_window_alone_is_no_champion(
    load: Callable[..., ModelingSettings],
) -> None:
    first = promote(load(), "mean")
    assert first.is_champion, first.reasons

    held = promote(load(FOUR, "modeling.name=held"), "mean")
    assert held.reasons[0].startswith("MAE 12 is not below that of last_value, 8.7")
    by = held.comparison.filter(slice_by="window").select("slice", "difference")
    assert [round(value) for value in by["difference"]] == [5, 5, 5, -2]

    # Of the champion, too, all windows are asked: it has lost three of four.
    second = promote(load(FOUR, "modeling.baselines=[ridge]"), "last_value")
    against = second.comparison.filter(reference="champion (version 1)")
    rows = evaluate(load(FOUR), "mean").table("predictions").filter(model="mean")
    error = (rows["y"] - rows["prediction"]).abs().mean()
    [overall] = against.filter(slice_by="all").to_dicts()
    assert overall["n_rows"] == 80
    assert overall["reference_value"] == pytest.approx(error)
    assert overall["upper"] < 0
    assert not [reason for reason in second.reasons if "champion" in reason]
    assert not [note for note in second.notes if "not compared" in note]
    assert "backtest.windows is 4, of version 1 it was 1" in second.notes


@pytest.mark.slow
def test_a_champion_whose_training_is_lost_is_asked_what_it_has_not_learned(
    load: Callable[..., ModelingSettings],
) -> None:
    named = "modeling.name=lost"
    champion = promote(load(named), "mean")
    assert champion.is_champion
    shutil.rmtree(load().root / ".pipeline" / "models" / "mean")
    second = promote(load(named, FOUR, "modeling.baselines=[last_value]"), "ridge")
    against = second.comparison.filter(reference="champion (version 1)")
    assert against.filter(slice_by="window")["slice"].to_list() == ["2015"]
    assert second.notes[-1] == (
        "version 1 is not compared on 2012 and 2013 and 2014: it has learned from these"
        " periods, and what it was trained by is not at hand"
    )


def test_a_window_must_not_pay_for_the_others(
    load: Callable[..., ModelingSettings],
) -> None:
    names = ["slice_by", "slice", "value", "reference_value", "lower"]
    rows = [("window", str(i), 3.0 if i == 2 else 1.0, 1.0, 0.1) for i in range(4)]
    four = pl.DataFrame(rows, schema=names, orient="row")
    modeling = load(FOUR).modeling
    assert slices_that_lose(modeling, four)["slice"].to_list() == ["2"]
    five = pl.concat([four, four.head(1).with_columns(slice=pl.lit("4"))])
    assert slices_that_lose(modeling, five).is_empty()
