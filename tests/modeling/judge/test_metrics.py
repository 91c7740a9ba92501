from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.metrics import (
    mean_absolute_error,
    mean_pinball_loss,
    r2_score,
    root_mean_squared_error,
)

from pipeline.errors import ContractError
from pipeline.modeling.judge.bootstrap import Resampling, cluster_weights
from pipeline.modeling.judge.metrics import METRICS, measure, naive_errors


def measured(
    df: pl.DataFrame, *, slices: Sequence[str] = (), n_samples: int = 50
) -> pl.DataFrame:
    how = Resampling("facility", slices, n_samples, seed=3)
    return measure(df, how, coverage=0.8)


def simulated(n_clusters: int = 9, n_rows: int = 200, seed: int = 0) -> pl.DataFrame:
    """Predictions of a model with intervals, in dollars: skewed, some below 0."""
    rng = np.random.default_rng(seed)
    y = rng.normal(2e5, 1e5, n_rows) * rng.lognormal(0, 1.5, n_rows)
    prediction = y * rng.normal(1, 0.3, n_rows)
    width = rng.uniform(1e4, 2e5, n_rows)
    return pl.DataFrame(
        {
            "model": "lightgbm",
            "facility": rng.integers(n_clusters, size=n_rows),
            "drg": rng.integers(3, size=n_rows),
            "y": y,
            "prediction": prediction,
            "lower": prediction - width,
            "upper": prediction + 2 * width,
            "naive_error": np.where(y > 0, 1e5 + np.abs(y), np.nan),
        },
        nan_to_null=True,
    )


def by_sklearn(df: pl.DataFrame) -> dict[str, float]:
    """The metrics of rows, of independent origin."""
    y, prediction, lower, upper, scale = (
        df[column].to_numpy()
        for column in ("y", "prediction", "lower", "upper", "naive_error")
    )
    return {
        "rmse": root_mean_squared_error(y, prediction),
        "mae": mean_absolute_error(y, prediction),
        "r2": r2_score(y, prediction),
        "wape": float(np.abs(y - prediction).sum() / np.abs(y).sum()),
        "bias": float((prediction - y).sum() / np.abs(y).sum()),
        "pinball": (
            mean_pinball_loss(y, lower, alpha=0.1)
            + mean_pinball_loss(y, upper, alpha=0.9)
        )
        / 2,
        "coverage": float(np.mean((lower <= y) & (y <= upper))),
        "mase": float(np.nanmean(np.abs(y - prediction) / scale)),
    }


def values(df: pl.DataFrame) -> dict[str, float | None]:
    return dict(df.select("metric", "value").iter_rows())


def test_metrics_are_those_of_sklearn_in_every_slice() -> None:
    df = simulated()
    result = measured(df, slices=["drg"])
    assert values(result.filter(slice="all")) == pytest.approx(by_sklearn(df))
    for drg in range(3):
        found = values(result.filter(slice_by="drg", slice=str(drg)))
        assert found == pytest.approx(by_sklearn(df.filter(drg=drg)), rel=1e-9)


def test_intervals_are_those_of_resampled_rows() -> None:
    df = simulated(n_clusters=6)
    parts = df.partition_by("facility", as_dict=True)
    clusters = [parts[key] for key in sorted(parts)]
    resamples = [
        by_sklearn(
            pl.concat(
                part
                for part, times in zip(clusters, counts, strict=True)
                for _ in range(int(times))
            )
        )
        for counts in cluster_weights(6, n_samples=50, seed=3)
    ]
    for row in measured(df).iter_rows(named=True):
        drawn = [resample[row["metric"]] for resample in resamples]
        limits = np.percentile(drawn, [2.5, 97.5]).tolist()
        assert [row["lower"], row["upper"]] == pytest.approx(limits, rel=1e-9)


def test_metrics_of_two_rows_by_hand() -> None:
    df = pl.DataFrame(
        {
            "model": ["a", "a"],
            "facility": [1, 2],
            "y": [100.0, -300.0],
            "prediction": [130.0, -340.0],
            "lower": [100.0, -290.0],
            "upper": [150.0, -200.0],
            "naive_error": [20.0, None],
        }
    )
    # Errors are 30 and 40, the mean of y is -100. Pinball losses of lower at 0.1 are 0
    # and 0.9 * 10, of upper at 0.9 0.1 * 50 and 0.1 * 100; 24 over 4 in all.
    expected = {
        "rmse": np.sqrt(1250),
        "mae": 35.0,
        "r2": 1 - 2500 / 80000,
        "wape": 70 / 400,
        "bias": (130 - 340 + 200) / 400,
        "pinball": 6.0,
        "coverage": 0.5,
        "mase": 1.5,
    }
    assert values(measured(df)) == pytest.approx(expected, rel=1e-12)


def test_a_model_without_intervals_has_only_point_metrics() -> None:
    df = simulated()
    bare = df.with_columns(
        model=pl.lit("last_year"),
        lower=pl.lit(None, pl.Float64),
        upper=pl.lit(None, pl.Float64),
    )
    result = measured(pl.concat([df, bare])).filter(model="last_year")
    null = result.filter(pl.col("value").is_null())
    assert null["metric"].to_list() == ["pinball", "coverage"]
    assert null.select("lower", "upper").null_count().row(0) == (2, 2)
    assert_frame_equal(result.head(4).drop("model"), measured(df).head(4).drop("model"))
    assert values(measured(df.with_columns(naive_error=None)))["mase"] is None


def test_r2_of_a_constant_y_is_null() -> None:
    # 0.1 + 0.1 + 0.1 is not 3 * 0.1: a mean would leave something of the variance.
    y = [0.1, 0.1, 0.1, 5.0]
    df = simulated(n_rows=4).with_columns(
        y=pl.Series(y), facility=pl.Series([1, 2, 3, 4]), part=pl.Series([0, 0, 0, 1])
    )
    r2 = measured(df, slices=["part"]).filter(metric="r2")
    assert r2["value"].is_null().to_list() == [False, True, True]


def test_r2_survives_a_slice_far_from_zero() -> None:
    df = simulated().with_columns(pl.col("y", "prediction") / 1e7 + 1e9)
    r2 = measured(df).filter(metric="r2")["value"].item()
    assert r2 == pytest.approx(by_sklearn(df)["r2"], rel=1e-6)


def test_a_metric_with_a_resample_without_value_has_no_interval() -> None:
    # One of the facilities is drawn twice in half of the resamples.
    df = simulated(n_rows=2).with_columns(facility=pl.Series([1, 2]))
    row = measured(df).filter(metric="r2").row(0, named=True)
    assert row["value"] is not None
    assert (row["lower"], row["upper"]) == (None, None)


def test_wape_of_zeros_is_null() -> None:
    df = simulated(n_rows=5).with_columns(y=pl.lit(0.0))
    assert values(measured(df))["wape"] is None


def test_where_most_outcomes_are_0_errors_are_held_against_those_that_are_not() -> None:
    df = pl.DataFrame(
        {
            "model": "a",
            "facility": [1, 1, 2, 2, 3],
            "y": [0.0, 0.0, 0.0, 10.0, 0.0],
            "prediction": [1.0, 0.0, 0.0, 4.0, 1.0],
            "lower": 0.0,
            "upper": 4.0,
            "naive_error": [2.0, 2.0, 4.0, 4.0, None],
        }
    )
    found = values(measured(df))
    assert (found["mae"], found["wape"]) == pytest.approx((8 / 5, 8 / 10))
    assert found["mase"] == pytest.approx((1 / 2 + 0 + 0 + 6 / 4) / 4)
    assert found["coverage"] == pytest.approx(4 / 5)


def test_naive_errors_are_of_the_value_before_of_an_entity_that_varies() -> None:
    months = {
        "begins": [(3, 5.0), (4, 9.0), (5, 7.0)],
        "gap": [(1, 0.0), (2, 6.0), (4, 0.0), (5, 0.0), (6, 3.0)],
        "constant": [(1, 4.0), (2, 4.0), (3, 4.0)],
        "one": [(6, 1.0)],
    }
    learned = pl.DataFrame(
        [(shop, m, sold) for shop, rows in months.items() for m, sold in rows],
        schema=["shop", "month", "sold"],
        orient="row",
    )
    # Several steps ahead, a row is there once per step.
    twice = pl.concat([learned, learned])

    def errors(season: int) -> list[tuple[object, ...]]:
        of = {"entity": ["shop"], "time": "month", "every": 1, "season": season}
        return naive_errors(twice, "sold", **of).rows()

    # |9 - 5|, |7 - 9|; and |6 - 0|, |0 - 0|, |3 - 0|, as of month 3 there is no row.
    assert errors(1) == [("begins", 3.0), ("gap", 3.0)]
    # |7 - 5|; |0 - 6| of month 4, and |3 - 0| of month 6.
    assert errors(2) == [("begins", 2.0), ("gap", 4.5)]


def test_rows_are_sorted_by_model_slice_and_metric() -> None:
    df = simulated()
    df = pl.concat([df.with_columns(model=pl.lit(name)) for name in ("b", "a")])
    result = measured(df, slices=["drg", "facility"], n_samples=2)
    slices = ["all", *map(str, range(3)), *map(str, range(9))]
    assert result["metric"].to_list() == list(METRICS) * 2 * len(slices)
    assert result.filter(model="a")["slice"].to_list()[:: len(METRICS)] == slices
    assert result["model"].is_sorted()


def test_models_are_measured_alike_alone_and_together_and_in_any_row_order() -> None:
    first = simulated()
    second = simulated(seed=1).with_columns(model=pl.lit("ridge"))
    both = pl.concat([second, first]).sample(fraction=1, shuffle=True, seed=2)
    alone = [measured(df, slices=["drg"]) for df in (first, second)]
    assert_frame_equal(
        measured(both, slices=["drg"]), pl.concat(alone), check_exact=True
    )


def test_rows_that_cannot_be_measured_are_refused_with_their_count() -> None:
    df = simulated(n_rows=6)
    head = pl.row_index() < 2
    null = df.with_columns(y=pl.when(~head).then("y"))
    with pytest.raises(ContractError, match="null values: 2 in y\n"):
        measured(null)
    for column in ("prediction", "upper"):
        value = pl.when(head).then(float("nan")).otherwise(column).alias(column)
        with pytest.raises(ContractError, match=f"not finite: 2 in {column}\n"):
            measured(df.with_columns(value))
    infinite = df.with_columns(y=pl.when(head).then(float("inf")).otherwise("y"))
    with pytest.raises(ContractError, match="not finite: 2 in y\n"):
        measured(infinite)
    with pytest.raises(ContractError, match="null values: 2 in facility\n"):
        measured(df.with_columns(facility=pl.when(~head).then("facility")))
    diverged = df.with_columns(prediction=pl.when(head).then(-1e15).otherwise(0.0))
    with pytest.raises(ContractError, match=r"beyond 1e\+11: 2 in prediction\n"):
        measured(diverged)


@pytest.mark.parametrize("y", [1e11, 3e13, 1e139])
def test_outcomes_of_any_size_add_up(y: float) -> None:
    df = simulated(n_rows=100_000).with_columns(y=pl.lit(y), prediction=pl.lit(-y))
    assert values(measured(df, n_samples=1))["rmse"] == pytest.approx(2 * y)
