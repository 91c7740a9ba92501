"""How good predictions are, overall and by slice."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from pipeline.errors import ContractError
from pipeline.modeling.judge.bootstrap import FloatArray, Resampling, bootstrap
from pipeline.panel.past import past_of, with_past
from pipeline.panel.periods import Every

METRICS = ("rmse", "mae", "r2", "wape", "bias", "pinball", "coverage", "mase")
"""What `measure` estimates, in its order."""

NAIVE_ERROR = "naive_error"
"""Column of the errors that those of a row are held against; see `naive_errors`."""

# What is left of a variance by rounding, relative to the squares it is made of.
_ROUNDING = 1e-12

# A model has diverged whose predictions are beyond both,
_LARGE = 1e11
_TIMES_Y = 1_000
# and nothing can be measured whose squares are no floats.
_LARGEST = 1e140


def measure(
    predictions: pl.DataFrame, how: Resampling, *, coverage: float
) -> pl.DataFrame:
    """Measure how good predictions are, overall and by slice, with 95 % intervals.

    Intervals are percentiles of the cluster bootstrap. All models and metrics of a
    slice see the same draws, as far as the models have the same clusters there.

    Parameters
    ----------
    predictions : pl.DataFrame
        A row per model and test row: `model`, cluster, slices, and in one unit `y`,
        `prediction`, `lower` and `upper`, null for a model without intervals, and
        `NAIVE_ERROR`, above 0, or null where it is not known.
    how : Resampling
        Clusters, slices and draws.
    coverage : float
        Nominal coverage of `lower` to `upper`, above 0 and below 1.

    Returns
    -------
    pl.DataFrame
        As of `bootstrap`, by `model`, of the metrics:

        - rmse, mae: in units of `y`.
        - r2: against the mean of the slice itself; null where `y` is constant.
        - wape: sum of absolute errors by sum of absolute `y`; null where that is 0.
        - bias: sum of predictions less sum of `y`, by sum of absolute `y`: below 0,
          predictions are too low in sum; null where that is 0.
        - pinball: mean of the pinball losses [1]_ of `lower` and `upper` as
          quantiles ``(1 - coverage) / 2`` and ``(1 + coverage) / 2``.
        - coverage: share of rows with ``lower <= y <= upper``.
        - mase: mean of absolute errors by naive ones [2]_, of the rows that have such;
          below 1, they are less than those of a naive forecast one period ahead.

    References
    ----------
    .. [1] Koenker & Bassett, "Regression Quantiles", Econometrica 46(1), 1978.
    .. [2] Hyndman & Koehler, "Another Look at Measures of Forecast Accuracy",
       International Journal of Forecasting 22(4), 2006.
    """
    rows = measurable(
        predictions, how.cluster, ("y", "prediction", "lower", "upper", NAIVE_ERROR)
    )
    return bootstrap(
        rows,
        how,
        by="model",
        sums=_summands(coverage),
        names=METRICS,
        statistic=_metrics,
    )


def naive_errors(
    learned: pl.DataFrame,
    target: str,
    *,
    entity: Sequence[str],
    time: str,
    every: Every,
    season: int,
) -> pl.DataFrame:
    """Average how far an entity's values are off those a season before: MASE's scale.

    Parameters
    ----------
    learned : pl.DataFrame
        Rows that are learned from: `entity`, `time` and `target`; those of several
        steps ahead count once.
    season : int
        Periods; 1 is that of the value before.

    Returns
    -------
    pl.DataFrame
        A row per entity that has two such values and is not constant: its columns, and
        Float64 `NAIVE_ERROR`.
    """
    rows = (
        learned.lazy().select(*entity, time, pl.col(target).cast(pl.Float64)).unique()
    )
    known = with_past(
        rows, [target], [season], keys=entity, time=time, every=every, by="calendar"
    )
    error = (pl.col(target) - pl.col(past_of(target, season))).abs().mean()
    errors = known.group_by(entity, maintain_order=True).agg(error.alias(NAIVE_ERROR))
    return errors.filter(pl.col(NAIVE_ERROR) > 0).collect()


def measurable(
    predictions: pl.DataFrame, cluster: str, numbers: Sequence[str]
) -> pl.DataFrame:
    """Take numbers as Float64, and refuse those of a model that has diverged.

    Raises
    ------
    ContractError
        If there are nulls in the cluster, `y` or `prediction`, numbers that are not
        finite, or beyond 1e11 and 1,000 times the largest `y`: counts each column's.
    """
    rows = predictions.with_columns(pl.col(numbers).cast(pl.Float64))
    largest_y = float(rows["y"].abs().max() or 0)  # pyright: ignore[reportArgumentType]
    limit = min(max(_LARGE, _TIMES_Y * largest_y), _LARGEST)
    faults = {
        "null values": pl.col(cluster, "y", "prediction").is_null(),
        "values not finite": ~pl.col(numbers).is_finite(),
        f"values beyond {limit:g}": pl.col(numbers).abs() > limit,
    }
    for what, is_wrong in faults.items():
        counts = rows.select(is_wrong.sum()).row(0, named=True)
        found = ", ".join(f"{n:,} in {column}" for column, n in counts.items() if n)
        if found:
            raise ContractError(
                f"predictions: {what}: {found}\n"
                f"found in {rows.height:,} rows, expected: none\n"
                "hint: look at what the model made of these rows, and at its features"
            )
    return rows


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
        -error,
        y.abs(),
        lower.is_not_null().cast(pl.Float64),
        losses / 2,
        y.is_between(lower, upper).cast(pl.Float64),
        error.abs() / pl.col(NAIVE_ERROR),
        pl.col(NAIVE_ERROR).is_not_null().cast(pl.Float64),
    ]


def _pinball(error: pl.Expr, quantile: float) -> pl.Expr:
    """Loss of a predicted quantile, given observed minus predicted."""
    return pl.max_horizontal(quantile * error, (quantile - 1) * error)


def _metrics(sums: FloatArray) -> FloatArray:
    """Turn sums of `_summands` into metrics in the order of `METRICS`."""
    n, y, y2, error2, error, excess, abs_y, n_interval, *rest = sums
    pinball, covered, scaled, n_scaled = rest
    variation = y2 - y**2 / n
    variation = np.where(variation > _ROUNDING * y2, variation, 0.0)
    return np.stack(
        [
            np.sqrt(error2 / n),
            error / n,
            1 - ratio(error2, variation),
            ratio(error, abs_y),
            ratio(excess, abs_y),
            ratio(pinball, n_interval),
            ratio(covered, n_interval),
            ratio(scaled, n_scaled),
        ]
    )


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide; NaN where the denominator is 0."""
    unknown = np.full_like(numerator, np.nan)
    return np.divide(numerator, denominator, out=unknown, where=denominator != 0)
