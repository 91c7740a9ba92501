"""Several windows judge: each as it would have been judged when it was the newest."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from mlflow import MlflowClient
from polars.testing import assert_frame_equal

from pipeline.errors import ModelError
from pipeline.modeling.evaluate import Evaluation, evaluate
from pipeline.modeling.settings import ModelingSettings, load_modeling
from pipeline.modeling.tracking.tracking import store_uri
from pipeline.modeling.train import train
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store
from tests.commands.test_cli import invoke
from tests.modeling.conftest import draw_nothing
from tests.modeling.shops import shops, with_store_of

PREDICTED = ["model", "shop", "year", "y", "prediction", "lower", "upper"]


class Judged(NamedTuple):
    """A project of which three windows have judged, and the settings of others."""

    root: Path
    load: Callable[..., ModelingSettings]
    evaluation: Evaluation
    predictions: pl.DataFrame
    figures: pl.DataFrame
    paired: pl.DataFrame


def loader(root: Path) -> Callable[..., ModelingSettings]:
    counted = "modeling.split={train: 3, valid: 1, test: 2}"
    source = f"source.path={root / 'data.csv'}"
    return lambda *words: load_modeling(root, overrides=(counted, source, *words))


THREE = "modeling.backtest.windows=3"


@pytest.fixture(scope="module")
def judged(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    root = shops(tmp_path_factory.mktemp("windows"), range(2005, 2016))
    with_store_of(prepared, root)
    load = loader(root)
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        made = evaluate(load(THREE), "ridge")
    names = ("predictions", "evaluation", "comparison")
    return Judged(root, load, made, *map(made.table, names))


def own(predictions: pl.DataFrame, model: str = "ridge") -> pl.DataFrame:
    return predictions.filter(model=model).sort("shop", "year")


def test_windows_follow_each_other_and_none_is_judged_twice(judged: Judged) -> None:
    rows = own(judged.predictions)
    assert rows.height == judged.evaluation.record.n_rows == 20 * 6
    assert rows.group_by("window").agg(pl.col("year").unique().sort()).sort(
        "window"
    ).rows() == [
        ("2010 to 2011", [2010, 2011]),
        ("2012 to 2013", [2012, 2013]),
        ("2014 to 2015", [2014, 2015]),
    ]


def test_an_older_window_says_what_was_said_then(
    judged: Judged, prepared: Path, tmp_path: Path
) -> None:
    settings = loader(shops(tmp_path, range(2005, 2012)))()
    with_store_of(prepared, tmp_path)
    then = evaluate(settings, "ridge").table("predictions")
    for model in ("ridge", "last_value"):
        expected = own(then, model).select(PREDICTED)
        assert expected["year"].unique().sort().to_list() == [2010, 2011]
        found = own(judged.predictions, model).filter(window="2010 to 2011")
        assert_frame_equal(found.select(PREDICTED), expected, check_exact=True)
        scale = own(then, model)["naive_error"]
        assert found["naive_error"].equals(scale)


def test_the_newest_window_is_that_of_one(judged: Judged) -> None:
    one = evaluate(judged.load(), "ridge")
    assert one.training.record == judged.evaluation.training.record
    rows = own(one.table("predictions"))
    newest = own(judged.predictions).filter(window="2014 to 2015")
    assert_frame_equal(newest.select(PREDICTED), rows.select(PREDICTED))
    assert "window" not in rows.columns
    assert "window" not in one.table("evaluation")["slice_by"]
    assert one.record.windows == []


def test_nothing_is_fitted_twice(judged: Judged) -> None:
    there = {*judged.root.rglob("training.json")}
    assert len(there) == 6
    evaluate(judged.load(THREE), "ridge")
    then = "modeling.split={train: [2006, 2008], valid: [2009, 2009], test: 2010}"
    assert not train(judged.load(then), "ridge").is_new
    assert {*judged.root.rglob("training.json")} == there


def test_all_rows_are_judged_together_and_by_window(judged: Judged) -> None:
    rows, table = own(judged.predictions), judged.figures
    error = (pl.col("y") - pl.col("prediction")).abs().mean()
    [overall] = rows.select(error).to_series()
    by_window = rows.group_by("window").agg(error).sort("window")["y"].to_list()
    mae = table.filter(model="ridge", metric="mae")
    assert judged.evaluation.record.metrics["mae"] == pytest.approx(overall)
    assert mae.filter(slice_by="all")["value"].to_list() == pytest.approx([overall])
    found = mae.filter(slice_by="window")["value"].to_list()
    assert found == pytest.approx(by_window)
    windows = judged.evaluation.record.windows
    assert [window["mae"] for window in windows] == found

    paired = judged.paired
    assert paired.filter(slice_by="all")["n_rows"].to_list() == [120]
    assert paired.filter(slice_by="window")["slice"].to_list() == [
        "2010 to 2011",
        "2012 to 2013",
        "2014 to 2015",
    ]

    client = MlflowClient(store_uri(judged.root))
    for training in (judged.evaluation.training, train(judged.load(), "last_value")):
        run, name = training.record.mlflow_run, training.record.model
        series = client.get_metric_history(run, "window_mae")
        of_model = table.filter(model=name, slice_by="window", metric="mae")["value"]
        last = {metric.step: metric.value for metric in series}
        assert [last[step] for step in range(3)] == of_model.to_list()


def test_without_refit_the_oldest_window_s_model_judges_what_comes_after(
    judged: Judged,
) -> None:
    settings = judged.load(THREE, "modeling.backtest.refit=false")
    rows = own(evaluate(settings, "ridge").table("predictions"))
    then = "modeling.split={train: [2006, 2008], valid: 2009, test: [2010, 2013]}"
    alone = evaluate(judged.load(then), "ridge").table("predictions")
    older = rows.filter(pl.col("year") <= 2013).select(PREDICTED)
    assert_frame_equal(older, own(alone).select(PREDICTED), check_exact=True)
    refitted = own(judged.predictions)
    at = {name: pl.col("window") == name for name in ("2012 to 2013", "2014 to 2015")}
    assert rows.filter(at["2014 to 2015"]).equals(refitted.filter(at["2014 to 2015"]))
    assert not rows.filter(at["2012 to 2013"]).equals(
        refitted.filter(at["2012 to 2013"])
    )


def test_too_few_periods_are_said_with_how_many_windows_fit(judged: Judged) -> None:
    with pytest.raises(ModelError) as caught:
        evaluate(judged.load("modeling.backtest.windows=4"), "ridge")
    assert str(caught.value) == (
        "modeling.backtest: 10 periods, 2006 to 2015, are too few for 4 windows\n"
        "found: 4 before those of `split`, enough for 3\n"
        "expected: 6 before them, 2 for each older window, as many as `split.test`"
        " has\n"
        "hint: modeling.backtest.windows=3; or a shorter `split.train` or `split.test`"
        " in configs/modeling.yaml"
    )


def test_evaluate_shows_each_window_also_in_the_catalog(
    judged: Judged,
) -> None:
    split = "modeling.split={train: 3, valid: 1, test: 2}"
    done = invoke(judged.root, "evaluate", "ridge", split, THREE)
    assert done.exit_code == 0, done.output
    shown = [line for line in done.stdout.splitlines() if ": MAE " in line]
    assert [line.split(":")[0].strip() for line in shown] == [
        "2010 to 2011",
        "2012 to 2013",
        "2014 to 2015",
    ]
    with connect(open_store(judged.root)) as con:
        told = con.execute(
            "select slice, n_rows from meta.evaluations where model = 'ridge'"
            " and slice_by = 'window' and metric = 'mae' order by slice"
        ).fetchall()
    assert told == [("2010 to 2011", 40), ("2012 to 2013", 40), ("2014 to 2015", 40)]
