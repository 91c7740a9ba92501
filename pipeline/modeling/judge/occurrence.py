"""How good the probabilities are that rows occur, and what is expected in sum."""

from dataclasses import replace

import numpy as np
import polars as pl

from pipeline.modeling.judge.bootstrap import FloatArray, Resampling, bootstrap
from pipeline.modeling.judge.metrics import ratio
from pipeline.modeling.occurrence import OCCURS

METRICS = ("brier", "brier_skill", "bias_expected")
"""What `measure_occurrence` estimates, in its order."""


def measure_occurrence(candidates: pl.DataFrame, how: Resampling) -> pl.DataFrame:
    """Measure probabilities over all entities that a forecast would list.

    Parameters
    ----------
    candidates : pl.DataFrame
        `model`, cluster, `OCCURS`, `probability`, `prediction`, and `y`, which is 0 of
        those that have no row.
    how : Resampling
        Clusters and draws; it is not sliced.

    Returns
    -------
    pl.DataFrame
        As of `pipeline.modeling.judge.metrics.measure`:

        - brier: mean square of probability less what came, 1 or 0 [1]_.
        - brier_skill: by how much it is less than that of the mean rate, as a part of
          it; null where all or none occur.
        - bias_expected: sum of probability times prediction, less sum of `y`, by sum of
          absolute `y`.

    References
    ----------
    .. [1] Brier, "Verification of Forecasts Expressed in Terms of Probability", Monthly
       Weather Review 78(1), 1950.
    """
    probability, came = pl.col("probability"), pl.col(OCCURS).cast(pl.Float64)
    return bootstrap(
        candidates,
        replace(how, slices=()),
        by="model",
        sums=[
            pl.lit(1.0),
            came,
            (probability - came) ** 2,
            probability * pl.col("prediction") - pl.col("y"),
            pl.col("y").abs(),
        ],
        names=METRICS,
        statistic=_metrics,
    )


def _metrics(sums: FloatArray) -> FloatArray:
    """Turn the sums into the metrics, in the order of `METRICS`."""
    n, n_came, square, excess, abs_y = sums
    return np.stack(
        [
            square / n,
            1 - ratio(square, n_came * (1 - n_came / n)),
            ratio(excess, abs_y),
        ]
    )
