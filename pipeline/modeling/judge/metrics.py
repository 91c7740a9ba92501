"""How good predictions are, overall and by slice."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from pipeline.modeling.judge.bootstrap import FloatArray, bootstrap
from pipeline.modeling.judge.prediction_rows import check_intervals, checked

METRICS = ("rmse", "mae", "r2", "wape", "pinball", "coverage")
"""What `evaluate` estimates, in its order."""

# What is left of a variance by rounding, relative to the squares it is made of.
_ROUNDING = 1e-12


def evaluate(
    predictions: pl.DataFrame,
    *,
    cluster: str,
    slices: Sequence[str],
    coverage: float,
    n_samples: int,
    seed: int,
) -> pl.DataFrame:
    """Measure how good predictions are, overall and by slice, with 95 % intervals.

    Intervals are percentiles of the cluster bootstrap. A slice resamples its
    own clusters, as many as it has. All models and metrics of a slice see the same
    draws, as far as the models have the same clusters there.

    Parameters
    ----------
    predictions : pl.DataFrame
        A row per model and test row: `model`, `cluster`, `slices`, and in US dollars
        `y`, `prediction`, `lower` and `upper`, the last two null for a model without
        intervals.
    cluster : str
        Column of the cluster, such as the facility.
    slices : sequence of str
        Columns to slice by, each on its own; a null is a slice named null.
    coverage : float
        Nominal coverage of `lower` to `upper`, above 0 and below 1.
    n_samples : int
        Bootstrap resamples, at least 1.
    seed : int
        Of the resamples, 0 or more.

    Returns
    -------
    pl.DataFrame
        `model`, `slice_by` ('all', then `slices`), `slice` (String), `metric`, `value`,
        `lower`, `upper` (Float64), `n_rows`, `n_clusters` (UInt32); sorted by model,
        slices in the order given and of their values, and `METRICS`:

        - rmse, mae: US dollars.
        - r2: against the mean of the slice itself; null where `y` is constant.
        - wape: sum of absolute errors by sum of absolute `y`; null where that is 0.
        - pinball: US dollars, mean of the pinball losses [1]_ of `lower` and `upper` as
          quantiles ``(1 - coverage) / 2`` and ``(1 + coverage) / 2``.
        - coverage: share of rows with ``lower <= y <= upper``.

        Limits are null where there are fewer than two clusters, or where a resample
        has no value.

    Raises
    ------
    SchemaError
        If a column is missing or not a number.
    ContractError
        If there are no rows; if there is a null where none may be, a number that is not
        finite or too large; or if a model has intervals in some rows only.

    References
    ----------
    .. [1] Koenker & Bassett, "Regression Quantiles", Econometrica 46(1), 1978.
    """
    money = ("y", "prediction", "lower", "upper")
    rows = checked(predictions, ids=("model", cluster), numbers=money, others=slices)
    check_intervals(rows)

    return bootstrap(
        rows,
        by="model",
        cluster=cluster,
        slices=slices,
        sums=_summands(coverage),
        names=METRICS,
        statistic=_metrics,
        n_samples=n_samples,
        seed=seed,
    )


def _summands(coverage: float) -> list[pl.Expr]:
    """Make the columns whose sums every metric is a function of; see `_metrics`."""
    y, error = pl.col("y"), pl.col("y") - pl.col("prediction")
    lower, upper = pl.col("lower"), pl.col("upper")
    # Around the median, squares do not cancel out in the variance; and unlike the mean
    # it has the same bits in any order of the rows.
    centred = y - y.median().over("model", "slice")
    outer = (1 - coverage) / 2
    losses = _pinball(y - lower, outer) + _pinball(y - upper, 1 - outer)
    return [
        pl.lit(1.0),
        centred,
        centred**2,
        error**2,
        error.abs(),
        y.abs(),
        lower.is_not_null().cast(pl.Float64),
        losses / 2,
        y.is_between(lower, upper).cast(pl.Float64),
    ]


def _pinball(error: pl.Expr, quantile: float) -> pl.Expr:
    """Loss of a predicted quantile, given observed minus predicted."""
    return pl.max_horizontal(quantile * error, (quantile - 1) * error)


def _metrics(sums: FloatArray) -> FloatArray:
    """Turn sums of `_summands` into metrics in the order of `METRICS`."""
    n, y, y2, error2, error, abs_y, n_interval, pinball, covered = sums
    variation = y2 - y**2 / n
    variation = np.where(variation > _ROUNDING * y2, variation, 0.0)
    return np.stack(
        [
            np.sqrt(error2 / n),
            error / n,
            1 - _ratio(error2, variation),
            _ratio(error, abs_y),
            _ratio(pinball, n_interval),
            _ratio(covered, n_interval),
        ]
    )


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide; NaN where the denominator is 0."""
    unknown = np.full_like(numerator, np.nan)
    return np.divide(numerator, denominator, out=unknown, where=denominator != 0)
