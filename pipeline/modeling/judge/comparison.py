"""Paired comparison of models."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from pipeline.errors import ContractError, nearest
from pipeline.modeling.fit.loss import Metric
from pipeline.modeling.judge.bootstrap import (
    FloatArray,
    Resampling,
    Statistic,
    bootstrap,
)
from pipeline.modeling.judge.metrics import measurable
from pipeline.progress import doing


@doing("comparing")
def compare(
    predictions: pl.DataFrame,
    model: str,
    metric: Metric,
    how: Resampling,
    *,
    key: Sequence[str],
) -> pl.DataFrame:
    """Compare the errors of a model with those of every other one, on the same rows.

    Both models of a pair are resampled together, cluster by cluster, so what makes a
    cluster hard for both drops out: see `pipeline.modeling.judge.bootstrap.bootstrap`.
    `predictions` are as of `pipeline.modeling.judge.metrics.measure`, but need no
    intervals; `key` names a test row, the same ones of all models.

    Returns
    -------
    pl.DataFrame
        `metric`, `reference` (the other model), `slice_by` ('all', then the slices),
        `slice` (String), `value`, `reference_value`, `difference` (of the two: below 0,
        `model` is better), `lower`, `upper` (its 95 % interval, null where there are
        fewer than two clusters; all Float64), `n_rows`, `n_clusters`
        (UInt32); sorted as in `measure`.

    Raises
    ------
    ContractError
        If there is no such model or no other, rows cannot be measured, or keys repeat.
    """
    rows = measurable(predictions, how.cluster, ("y", "prediction"))
    models = rows["model"].unique().sort().to_list()
    others = [name for name in models if name != model]
    if model not in models or not others:
        raise ContractError(
            f"predictions: no model '{model}' to compare with others"
            f"{nearest(model, models) if model not in models else ''}\n"
            f"found: {', '.join(models)}\n"
            "hint: compare needs the rows of the model and of at least one other"
        )
    repeated = rows.filter(rows.select("model", *key).is_duplicated())
    if repeated.height:
        counts = repeated.group_by("model").len().sort("model")
        found = ", ".join(f"{name} {n:,} rows" for name, n in counts.iter_rows())
        raise ContractError(
            f"predictions: keys repeat: {found}\n"
            f"expected: one row per model and {', '.join(key)}\n"
            "hint: is a column missing from the key?"
        )
    reference = rows.filter(pl.col("model") != model).select(
        *key, reference="model", reference_prediction="prediction"
    )
    pairs = rows.filter(model=model).join(reference, on=key, nulls_equal=True)
    estimates = bootstrap(
        pairs,
        how,
        by="reference",
        sums=[
            pl.lit(1.0),
            _loss(metric, "prediction"),
            _loss(metric, "reference_prediction"),
        ],
        names=("own", "reference", "difference"),
        statistic=_differences(metric),
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


def _differences(metric: Metric) -> Statistic:
    """Turn a count and two sums of losses into two metrics and their difference."""

    def statistic(sums: FloatArray) -> FloatArray:
        means = sums[1:] / sums[0]
        own, reference = np.sqrt(means) if metric == "rmse" else means
        return np.stack([own, reference, own - reference])

    return statistic
