from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.metrics import root_mean_squared_error

from pipeline.errors import ContractError
from pipeline.modeling.fit.loss import Metric
from pipeline.modeling.judge.bootstrap import Resampling, cluster_weights
from pipeline.modeling.judge.comparison import compare
from pipeline.modeling.judge.metrics import measure


def compared(
    df: pl.DataFrame,
    model: str = "lightgbm",
    metric: Metric = "rmse",
    *,
    slices: Sequence[str] = (),
) -> pl.DataFrame:
    return compare(
        df,
        model,
        metric,
        Resampling("facility", slices, n_samples=100, seed=3),
        key=["facility", "drg"],
    )


def simulated(*models: str, n_clusters: int = 8, n_drgs: int = 10) -> pl.DataFrame:
    """Predictions of models that err most in the same facilities."""
    rng = np.random.default_rng(0)
    facility, drg = (i.ravel() for i in np.indices((n_clusters, n_drgs)))
    hardness = rng.lognormal(0, 1, n_clusters)[facility]
    y = rng.normal(1e5, 1e4, facility.size)
    return pl.concat(
        pl.DataFrame(
            {
                "model": model,
                "facility": facility,
                "drg": drg,
                "is_surgical": drg < 5,
                "y": y,
                "prediction": y + hardness * rng.normal(size=facility.size) * 1e4,
            }
        )
        for model in models
    )


def test_differences_of_two_facilities_by_hand() -> None:
    df = pl.DataFrame(
        {
            "model": ["lightgbm", "lightgbm", "naive", "naive"],
            "facility": [1, 2, 2, 1],
            "drg": 1,
            "y": [10.0, 20.0, 20.0, 10.0],
            "prediction": [13.0, 16.0, 20.0, 5.0],
        }
    )
    # Squared errors are 9 and 16 against 25 and 0; one facility alone gives 3 - 5 and
    # 4 - 0, which are the extremes of the resamples.
    rmse, reference_rmse = np.sqrt(12.5), np.sqrt(12.5)
    expected = pl.DataFrame(
        {
            "metric": ["rmse"],
            "reference": ["naive"],
            "slice_by": ["all"],
            "slice": ["all"],
            "value": [rmse],
            "reference_value": [reference_rmse],
            "difference": [0.0],
            "lower": [-2.0],
            "upper": [4.0],
            "n_rows": pl.Series([2], dtype=pl.UInt32),
            "n_clusters": pl.Series([2], dtype=pl.UInt32),
        }
    )
    assert_frame_equal(compared(df), expected)
    # Absolute errors are 3 and 4 against 5 and 0.
    by_mae = compared(df, metric="mae").row(0, named=True)
    assert (by_mae["value"], by_mae["reference_value"]) == (3.5, 2.5)
    assert (by_mae["lower"], by_mae["upper"]) == (-2.0, 4.0)


def test_interval_is_that_of_facilities_resampled_for_both() -> None:
    df = simulated("lightgbm", "ridge").sort("facility", "drg")
    lightgbm, ridge = (
        df.filter(model=model).partition_by("facility")
        for model in ("lightgbm", "ridge")
    )

    def rmse(parts: list[pl.DataFrame], counts: np.ndarray) -> float:
        drawn = pl.concat(
            part for part, n in zip(parts, counts, strict=True) for _ in range(int(n))
        )
        return root_mean_squared_error(drawn["y"], drawn["prediction"])

    differences = [
        rmse(lightgbm, counts) - rmse(ridge, counts)
        for counts in cluster_weights(8, n_samples=100, seed=3)
    ]
    limits = np.percentile(differences, [2.5, 97.5]).tolist()
    row = compared(df).row(0, named=True)
    assert [row["lower"], row["upper"]] == pytest.approx(limits, rel=1e-9)


def test_paired_interval_is_narrower_than_an_unpaired_one() -> None:
    df = simulated("lightgbm", "ridge", n_clusters=40)
    row = compared(df).row(0, named=True)
    intervals = (
        measure(
            df.with_columns(lower=None, upper=None, naive_error=None),
            Resampling("facility", [], n_samples=100, seed=3),
            coverage=0.9,
        )
        .filter(metric="rmse")
        .select(pl.col("upper") - pl.col("lower"))
        .to_series()
    )
    unpaired = np.hypot(*intervals)
    assert row["upper"] - row["lower"] < 0.8 * unpaired


def test_every_other_model_is_a_reference_in_every_slice() -> None:
    df = simulated("ridge", "lightgbm", "naive")
    result = compared(df, slices=["is_surgical"])
    assert result.select("reference", "slice").rows() == [
        ("naive", "all"),
        ("naive", "false"),
        ("naive", "true"),
        ("ridge", "all"),
        ("ridge", "false"),
        ("ridge", "true"),
    ]
    surgical = df.filter("is_surgical")
    assert_frame_equal(
        result.filter(slice="true").drop("slice_by", "slice"),
        compared(surgical).drop("slice_by", "slice"),
        check_exact=True,
    )
    assert (result["n_rows"] == pl.Series([80, 40, 40] * 2)).all()


def test_row_order_changes_nothing() -> None:
    df = simulated("ridge", "lightgbm", "naive")
    shuffled = df.sample(fraction=1, shuffle=True, seed=1)
    result = compared(shuffled, slices=["drg"])
    assert_frame_equal(result, compared(df, slices=["drg"]), check_exact=True)


def test_models_swapped_give_the_mirrored_interval() -> None:
    df = simulated("lightgbm", "ridge")
    one = compared(df, "lightgbm").row(0, named=True)
    other = compared(df, "ridge").row(0, named=True)
    assert one["difference"] == -other["difference"]
    assert one["lower"] == pytest.approx(-other["upper"], rel=1e-12)


def test_keys_that_repeat_are_refused() -> None:
    df = simulated("lightgbm", "ridge")
    with pytest.raises(ContractError, match="keys repeat: lightgbm 2 rows\n"):
        compared(pl.concat([df.head(1), df]))


def test_a_model_that_is_not_there_is_named() -> None:
    df = simulated("lightgbm", "ridge")
    with pytest.raises(ContractError, match=r"no model 'ligthgbm'.* mean 'lightgbm'"):
        compared(df, "ligthgbm")
    with pytest.raises(ContractError, match="'ridge' to compare"):
        compared(df.filter(model="ridge"), "ridge")
