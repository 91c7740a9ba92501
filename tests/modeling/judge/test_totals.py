"""Errors of totals, with intervals by drawing clusters."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.modeling.judge.totals import measure_totals


def totals(df: pl.DataFrame) -> pl.DataFrame:
    return measure_totals(df, "shop", time="year", by=["shop", "item"])


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
