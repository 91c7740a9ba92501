"""Small evaluation and explanation frames, as charts and cards take them."""

import numpy as np
import polars as pl

RMSE = {"boosted": 1.2e6, "last year": 1.5e6, "ridge": 2e6}
SLICES = {
    "all": ["all"],
    "year": ["2016", "2017"],
    "size_decile": [str(i) for i in range(1, 11)],
    "severity": ["low", "mid", "high", "unknown"],
    "apr_drg_code": [str(code) for code in range(100, 120)],
}
METRICS = {
    "rmse": 1.0,
    "mae": 0.25,
    "r2": 5e-7,
    "wape": 3e-7,
    "bias": -5e-8,
    "wape_total": 5e-8,
    "wape_by_facility_id": 1e-7,
    "wape_by_apr_drg_code": 2e-7,
    "pinball": 0.02,
    "coverage": 7.5e-7,
    "mase": 9e-7,
}


def evaluation() -> pl.DataFrame:
    """Each metric a fixed share of the RMSE; only 'boosted' has intervals."""
    rows = [
        (model, by, name, metric, *values, 100, 10)
        for model, rmse in RMSE.items()
        for by, names in SLICES.items()
        for name in sorted(names)
        for metric, share in METRICS.items()
        for values in [[rmse * share * factor for factor in (1, 0.9, 1.05)]]
    ]
    names = ["model", "slice_by", "slice", "metric", "value", "lower", "upper"]
    names += ["n_rows", "n_clusters"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    no_interval = pl.col("metric").is_in(["pinball", "coverage"]) & (
        pl.col("model") != "boosted"
    )
    figures = pl.col("value", "lower", "upper")
    return frame.with_columns(pl.when(~no_interval).then(figures))


def comparison() -> pl.DataFrame:
    """What 'boosted' differs by: -0.3M from 'last year', -0.8M from 'ridge'."""
    rows = [
        (model, by, name, 1.2e6, rmse, 1.2e6 - rmse, 1e6 - rmse, 1.3e6 - rmse, 100)
        for model, rmse in RMSE.items()
        if model != "boosted"
        for by, names in SLICES.items()
        for name in sorted(names)
    ]
    names = ["reference", "slice_by", "slice", "value", "reference_value"]
    names += ["difference", "lower", "upper", "n_rows"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    return frame.with_columns(pl.lit("rmse").alias("metric"))


def predictions() -> pl.DataFrame:
    """500 rows with the long tail of money, some of it negative."""
    rng = np.random.default_rng(0)
    y = 1e5 * np.sinh(rng.normal(1, 1.5, 500))
    prediction = y + rng.normal(0, 5e4, 500)
    return pl.DataFrame({"y": y, "prediction": prediction}).with_columns(
        lower=pl.col("prediction") - 1e5, upper=pl.col("prediction") + 1e5
    )


def importance() -> pl.DataFrame:
    """Twelve groups, the strongest first."""
    increase = [1e6 / 2**i for i in range(12)]
    return pl.DataFrame(
        {
            "group": [f"group_{i}" for i in range(12)],
            "increase": increase,
            "lower": [0.8 * value for value in increase],
            "upper": [1.3 * value for value in increase],
            "share": [value / sum(increase) for value in increase],
        }
    )


def shap() -> pl.DataFrame:
    """Twelve features of 50 rows; of the first, some values are null."""
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "row": np.repeat(np.arange(50), 12),
            "feature": [f"feature_{i}" for i in range(12)] * 50,
            "value": rng.normal(size=600),
            "shap": rng.normal(size=600) * np.tile(1e6 / 2.0 ** np.arange(12), 50),
            "base": 1e6,
        }
    ).with_columns(
        value=pl.when((pl.col("feature") != "feature_0") | (pl.col("row") > 4)).then(
            "value"
        )
    )


def dependence() -> pl.DataFrame:
    """Five columns at four values each."""
    return pl.DataFrame(
        {
            "column": [f"feature_{i}" for i in range(5) for _ in range(4)],
            "value": [0.0, 10.0, 200.0, 2000.0] * 5,
            "prediction": [5e5, 6e5, 8e5, 9e5] * 5,
        }
    )


def trials() -> pl.DataFrame:
    """Four trials; the second was pruned, the third failed."""
    return pl.DataFrame(
        {
            "number": [0, 1, 2, 3],
            "value": [7e5, 5e5, None, 6e5],
            "state": ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"],
        }
    )
