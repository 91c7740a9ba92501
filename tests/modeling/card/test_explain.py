import lightgbm as lgb
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.inspection import partial_dependence as sklearn_partial_dependence
from sklearn.tree import DecisionTreeRegressor

from pipeline.modeling.card.explain import (
    Predict,
    Vector,
    feature_groups,
    mean_abs_shap,
    partial_dependence,
    permutation_importance,
    shap_values,
)


def weighted_sum(**weights: float) -> Predict:
    """Predict a weighted sum of columns."""

    def predict(df: pl.DataFrame) -> Vector:
        return df.select(*weights).to_numpy() @ np.array([*weights.values()])

    return predict


def normal(n_rows: int, *columns: str) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    return pl.DataFrame({column: rng.normal(size=n_rows) for column in columns})


def test_lags_and_rolling_means_of_a_column_are_one_group() -> None:
    features = ["cost_lag1", "age", "cost_rolling2", "costly_lag1"]
    assert feature_groups(features, ["cost", "age", "co"]) == {
        "cost": ["cost_lag1", "cost_rolling2"],
        "age": ["age"],
        "costly_lag1": ["costly_lag1"],
    }


def test_the_longest_base_names_the_group() -> None:
    bases = ["total", "total_cost", "total_cost_lag"]
    assert feature_groups(["total_cost_lag1"], bases) == {
        "total_cost": ["total_cost_lag1"]
    }


def test_shuffling_costs_what_independent_draws_differ_by() -> None:
    # Two independent draws of a normal variable differ by sqrt(2) standard deviations.
    df, predict = normal(20_000, "x", "z", "noise"), weighted_sum(x=3, z=1)
    groups = {"noise": ["noise"], "z": ["z"], "x": ["x"]}
    y = predict(df)
    table = permutation_importance(
        predict, df, y, groups, metric="rmse", n_repeats=3, seed=0
    )
    assert table["group"].to_list() == ["x", "z", "noise"]
    expected = [3 * 2**0.5, 2**0.5, 0]
    np.testing.assert_allclose(table["increase"], expected, rtol=0.03)
    np.testing.assert_allclose(table["share"], [0.75, 0.25, 0], rtol=0.03)
    assert (table["lower"] <= table["increase"]).all()
    assert (table["lower"] < table["upper"]).to_list() == [True, True, False]


def test_columns_of_a_group_move_together() -> None:
    df = normal(100, "x").with_columns(copy="x")
    predict, y = weighted_sum(x=1, copy=-1), np.zeros(100)
    groups = {"both": ["x", "copy"], "x": ["x"], "copy": ["copy"]}
    table = permutation_importance(
        predict, df, y, groups, metric="rmse", n_repeats=2, seed=0
    )
    increases = dict(table.select("group", "increase").iter_rows())
    assert increases["both"] == 0
    assert increases["x"] > 1
    assert increases["copy"] == pytest.approx(increases["x"])  # the same permutations


def test_the_increase_is_over_the_error_before() -> None:
    df = pl.DataFrame({"x": [1.0, 2.0]})
    predict = weighted_sum(x=1)
    table = permutation_importance(
        predict,
        df,
        np.array([2.0, 1.0]),
        {"x": ["x"]},
        metric="rmse",
        n_repeats=20,
        seed=0,
    )
    # Off by 1 before; a swap of the two rows makes it right, no swap changes nothing.
    assert table.select("lower", "upper", "share").row(0) == (-1, 0, 0)


def test_importances_depend_on_seed_but_not_on_other_groups() -> None:
    df, predict = normal(200, "a", "b"), weighted_sum(a=1, b=2)
    y = predict(df)

    def importance(seed: int, *columns: str) -> pl.DataFrame:
        groups = {column: [column] for column in columns}
        table = permutation_importance(
            predict, df, y, groups, metric="rmse", n_repeats=2, seed=seed
        )
        return table.drop("share")

    both = importance(3, "a", "b")
    assert_frame_equal(importance(3, "b", "a"), both)
    assert_frame_equal(importance(3, "a"), both.filter(group="a"))
    assert not importance(4, "a", "b").equals(both)


@pytest.fixture(scope="module")
def booster() -> lgb.Booster:
    X = normal(500, "strong", "weak", "unused").to_numpy()
    label = 5 * X[:, 0] + X[:, 1]
    params = {"verbose": -1, "num_threads": 1, "deterministic": True}
    return lgb.train(params, lgb.Dataset(X, label), num_boost_round=10)


def test_shap_values_add_up_to_the_raw_prediction(booster: lgb.Booster) -> None:
    X = normal(60, "strong", "weak", "unused").to_numpy()
    X[3, 0] = np.nan
    shap = shap_values(booster, X, ["strong", "weak", "unused"], seed=0)
    total = shap.group_by("row").agg(pl.col("shap").sum() + pl.col("base").first())
    np.testing.assert_allclose(
        total.sort("row")["shap"], np.asarray(booster.predict(X))
    )
    assert shap.sort("row")["value"].to_list()[9:12] == [None, *X[3, 1:]]


def test_shap_values_are_of_a_sample_of_the_rows(booster: lgb.Booster) -> None:
    X = normal(60, "strong", "weak", "unused").to_numpy()
    names = ["strong", "weak", "unused"]
    sample = shap_values(booster, X, names, n_rows=10, seed=0)
    every = shap_values(booster, X, names, seed=0)
    assert sample.height == 30
    assert sample["row"].n_unique() == 10
    assert_frame_equal(
        sample, every.filter(pl.col("row").is_in(sample["row"].implode()))
    )
    assert sample.equals(shap_values(booster, X, names, n_rows=10, seed=0))
    assert not sample.equals(shap_values(booster, X, names, n_rows=10, seed=1))


def test_mean_abs_shap_ranks_features_by_size() -> None:
    shap = pl.DataFrame(
        {"feature": ["b", "a", "b", "a", "c"], "shap": [-1.0, 2.0, 3.0, -2.0, -9.0]}
    )
    assert mean_abs_shap(shap).rows() == [("c", 9.0), ("a", 2.0), ("b", 2.0)]


def test_partial_dependence_agrees_with_scikit_learn() -> None:
    df = normal(300, "x", "z")
    X, y = df.to_numpy(), (df["x"] ** 2 + df["x"] * df["z"]).to_numpy()
    tree = DecisionTreeRegressor(max_depth=5, random_state=0).fit(X, y)
    ours = partial_dependence(lambda rows: tree.predict(rows.to_numpy()), df, "x")
    grid = {0: ours["value"].to_numpy()}
    theirs = sklearn_partial_dependence(
        tree, X, [0], custom_values=grid, kind="average", method="brute"
    )
    np.testing.assert_allclose(ours["prediction"], theirs["average"][0])
    assert ours.height == 20
    assert ours["value"].is_in(df["x"].implode()).all()
    ends = [df["x"].quantile(0.05, "nearest"), df["x"].quantile(0.95, "nearest")]
    assert [ours["value"][0], ours["value"][-1]] == ends


def test_partial_dependence_leaves_out_nulls_and_repeated_values() -> None:
    df = pl.DataFrame({"n": [None, 5, None, 1, 5], "z": [1.0, 2.0, 3.0, 4.0, 5.0]})
    table = partial_dependence(weighted_sum(n=10, z=1), df, "n", n_points=4)
    assert table.rows() == [("n", 1.0, 13.0), ("n", 5.0, 53.0)]  # the mean of z is 3
