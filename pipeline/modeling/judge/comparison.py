"""Paired comparison of models."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from pipeline.errors import ContractError, nearest
from pipeline.modeling.fit.loss import Metric
from pipeline.modeling.judge.bootstrap import FloatArray, Statistic, bootstrap
from pipeline.modeling.judge.prediction_rows import check_unique, checked, paired


def compare(
    predictions: pl.DataFrame,
    model: str,
    metric: Metric,
    *,
    cluster: str,
    key: Sequence[str],
    slices: Sequence[str],
    n_samples: int,
    seed: int,
) -> pl.DataFrame:
    """Compare the errors of a model with those of every other one, on the same rows.

    Both models of a pair are resampled together, cluster by cluster, so what makes a
    cluster hard for both drops out: see `pipeline.modeling.judge.bootstrap.bootstrap`.

    Parameters
    ----------
    predictions : pl.DataFrame
        As for `evaluate`, and `key`; `lower` and `upper` are not needed.
    model : str
        The model to judge.
    metric : {'rmse', 'mae'}
        What to compare them by.
    cluster : str
        Column of the cluster, such as the facility.
    key : sequence of str
        Columns that name a test row: unique per model, and the same for all models.
    slices : sequence of str
        Columns to slice by, each on its own; a null is a slice named null.
    n_samples : int
        Bootstrap resamples, at least 1.
    seed : int
        Of the resamples, 0 or more.

    Returns
    -------
    pl.DataFrame
        `metric`, `reference` (the other model), `slice_by` ('all', then `slices`),
        `slice` (String), `value`, `reference_value`, `difference` (of the two: below 0,
        `model` is better), `lower`, `upper` (its 95 % interval, null where there are
        fewer than two clusters; all Float64, US dollars), `n_rows`, `n_clusters`
        (UInt32); sorted as in `evaluate`.

    Raises
    ------
    SchemaError
        If a column is missing or not a number.
    ContractError
        If there is no such model or no other; if there is a null where none may be, a
        number that is not finite or too large; if keys repeat, or the rows of two
        models do not match.
    """
    shared = list(dict.fromkeys([*key, cluster, *slices, "y"]))
    rows = checked(
        predictions,
        ids=("model", cluster),
        numbers=("y", "prediction"),
        others=shared,
    )
    models = rows["model"].unique().sort().to_list()
    others = [name for name in models if name != model]
    if model not in models or not others:
        raise ContractError(
            f"predictions: no model '{model}' to compare with others"
            f"{nearest(model, models) if model not in models else ''}\n"
            f"found: {', '.join(models)}\n"
            "hint: compare needs the rows of the model and of at least one other"
        )
    check_unique(rows, key)
    own = rows.filter(pl.col("model") == model).drop("model")
    pairs = pl.concat(
        paired(
            own,
            rows.filter(pl.col("model") == name).drop("model"),
            key,
            names=(model, name),
        ).with_columns(pl.lit(name).alias("reference"))
        for name in others
    )
    estimates = bootstrap(
        pairs,
        by="reference",
        cluster=cluster,
        slices=slices,
        sums=[
            pl.lit(1.0),
            _loss(metric, "prediction"),
            _loss(metric, "reference_prediction"),
        ],
        names=_NAMES,
        statistic=_STATISTICS[metric],
        n_samples=n_samples,
        seed=seed,
    )
    return estimates.pivot(
        "metric",
        index=["reference", "slice_by", "slice", "n_rows", "n_clusters"],
        values=["value", "lower", "upper"],
    ).select(
        pl.lit(metric).alias("metric"),
        "reference",
        "slice_by",
        "slice",
        pl.col("value_own").alias("value"),
        pl.col("value_reference").alias("reference_value"),
        pl.col("value_difference").alias("difference"),
        pl.col("lower_difference").alias("lower"),
        pl.col("upper_difference").alias("upper"),
        "n_rows",
        "n_clusters",
    )


def _loss(metric: Metric, prediction: str) -> pl.Expr:
    """Make the column whose mean the metric is a function of."""
    error = pl.col("y") - pl.col(prediction)
    return error**2 if metric == "rmse" else error.abs()


def _rmse_difference(sums: FloatArray) -> FloatArray:
    """Turn counts and two sums of squared errors into two RMSE and their difference."""
    own, reference = np.sqrt(sums[1:] / sums[0])
    return np.stack([own, reference, own - reference])


def _mae_difference(sums: FloatArray) -> FloatArray:
    """Turn counts and two sums of absolute errors into two MAE and their difference."""
    own, reference = sums[1:] / sums[0]
    return np.stack([own, reference, own - reference])


_NAMES = ("own", "reference", "difference")
_STATISTICS: dict[Metric, Statistic] = {
    "rmse": _rmse_difference,
    "mae": _mae_difference,
}
