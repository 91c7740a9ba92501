"""Errors of totals, with intervals by drawing clusters."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.modeling.judge.totals import (
    calibrate_totals,
    forecast_totals,
    measure_totals,
)


def totals(df: pl.DataFrame) -> pl.DataFrame:
    return measure_totals(df, "shop", asked=["year"], by=["shop", "item"])


def simulated(n_rows: int = 300) -> pl.DataFrame:
    """Two models of shops and items over two years; one is too low by a tenth."""
    rng = np.random.default_rng(0)
    y = rng.lognormal(3, 1.5, n_rows)
    rows = pl.DataFrame(
        {
            "shop": rng.integers(7, size=n_rows),
            "item": rng.integers(5, size=n_rows),
            "year": rng.integers(2016, 2018, size=n_rows),
            "y": y,
        }
    )
    noisy, low = (y * rng.normal(mean, 0.3, n_rows) for mean in (1, 0.9))
    return pl.concat(
        [
            rows.with_columns(model=pl.lit("noisy"), prediction=noisy),
            rows.with_columns(model=pl.lit("low"), prediction=low),
        ]
    )


def by_hand(df: pl.DataFrame, group: list[str]) -> float:
    """The error of the groups' totals."""
    sums = df.group_by(group).agg(pl.col("y", "prediction").sum())
    y, prediction = (sums[name].to_numpy() for name in ("y", "prediction"))
    return float(np.abs(prediction - y).sum() / np.abs(y).sum())


GROUPS = {
    "wape_total": ["year"],
    "wape_by_shop": ["shop", "year"],
    "wape_by_item": ["item", "year"],
}


def test_errors_of_totals_and_their_intervals_are_those_of_rows_left_out() -> None:
    df = simulated().filter(model="low")
    found = totals(df)
    assert found["metric"].to_list() == list(GROUPS)
    assert found.select("n_rows", "n_clusters").unique().row(0) == (300, 7)
    for row, group in zip(found.iter_rows(named=True), GROUPS.values(), strict=True):
        value = by_hand(df, group)
        replicas = np.array(
            [by_hand(df.filter(pl.col("shop") != i), group) for i in range(7)]
        )
        error = 1.96 * np.sqrt(6 / 7 * np.sum((replicas - np.mean(replicas)) ** 2))
        assert row["value"] == pytest.approx(value)
        assert row["upper"] == pytest.approx(value + error, rel=1e-4)
        assert row["lower"] == pytest.approx(max(0, value - error), rel=1e-4)


def test_a_bias_shows_in_totals_more_than_in_rows() -> None:
    value = {
        row["model"]: row["value"]
        for row in totals(simulated()).filter(metric="wape_total").iter_rows(named=True)
    }
    assert value["low"] > 2 * value["noisy"]


def test_the_order_of_rows_and_the_company_of_models_change_no_bit() -> None:
    df = simulated()
    shuffled = df.sample(fraction=1, shuffle=True, seed=1)
    assert_frame_equal(totals(df), totals(shuffled), check_exact=True)
    alone = totals(df.filter(model="low"))
    assert_frame_equal(totals(df).filter(model="low"), alone, check_exact=True)


def test_nothing_to_divide_by_and_a_single_cluster_have_no_figures() -> None:
    df = simulated().filter(model="low")
    nothing = totals(df.with_columns(y=pl.lit(0.0)))
    assert nothing["value"].null_count() == len(GROUPS)
    single = totals(df.filter(shop=1))
    assert single["lower"].null_count() == len(GROUPS) == single["upper"].null_count()
    assert single["value"].null_count() == 0


def shops(n: int, seed: int, *, off: float = 0.1) -> pl.DataFrame:
    """Rows of many shops, whose totals are off by a part of them."""
    rng = np.random.default_rng(seed)
    size = rng.lognormal(3, 1, n)
    factor = 1 + rng.normal(0, off, n)
    rows = pl.DataFrame({"shop": range(n), "year": 2017, "s": size, "y": size * factor})
    return pl.concat(
        rows.select("shop", "year", pl.col("y") * part, prediction=pl.col("s") * part)
        for part in (0.25, 0.75)
    )


def test_intervals_of_totals_hold_what_they_say() -> None:
    of = {"asked": ["year"], "by": ["shop"]}
    calibrations = calibrate_totals(shops(2_000, 1), **of, coverage=0.9)
    came = shops(4_000, 2)
    found = forecast_totals(
        came.with_columns(probability=None), **of, calibrations=calibrations
    )
    sums = came.group_by(total_of=pl.col("shop").cast(pl.String)).agg(
        pl.col("y", "prediction").sum()
    )
    both = found.filter(total_by="shop").join(sums, on="total_of")
    assert both.height == 4_000
    assert both["total"].to_list() == pytest.approx(both["prediction"].to_list())
    held = both.select(pl.col("y").is_between("lower", "upper").mean()).item()
    # Three standard errors of 2,000 and 4,000 totals.
    assert held == pytest.approx(0.9, abs=3 * (0.09 * (1 / 2_000 + 1 / 4_000)) ** 0.5)


def test_totals_weigh_by_probability_and_say_where_they_are_not_sure() -> None:
    rows = pl.DataFrame(
        {
            "shop": [1, 1, 2],
            "year": 2018,
            "prediction": [10.0, 20.0, -4.0],
            "probability": [0.5, 1.0, 0.25],
        }
    )
    few = calibrate_totals(shops(5, 1), asked=["year"], by=["shop"], coverage=0.9)
    assert few == {}
    found = forecast_totals(rows, asked=["year"], by=["shop"], calibrations=few)
    assert found.drop("lower", "upper").rows() == [
        ("all", "all", 2018, 24.0, 3),
        ("shop", "1", 2018, 25.0, 2),
        ("shop", "2", 2018, -1.0, 1),
    ]
    assert found.select(pl.col("lower", "upper").null_count()).row(0) == (3, 3)
