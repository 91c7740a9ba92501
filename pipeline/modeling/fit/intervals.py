"""Prediction intervals that hold the part of the outcomes they say they hold.

What a model believes to be its quantiles is moved by the quantiles of how far a period
it has not seen lay outside: asymmetric conformalized quantile regression [1]_, by bins
of the prediction's size, so that small and large rows are each held (Mondrian [2]_). A
model without quantiles has its point prediction for both.

References
----------
.. [1] Romano, Patterson and Candes, "Conformalized Quantile Regression", NeurIPS 2019.
.. [2] Vovk, Lindsay, Nouretdinov and Gammerman, "Mondrian Confidence Machine", 2003.
"""

from typing import TypeAlias

import msgspec
import numpy as np

from pipeline.errors import ModelError
from pipeline.modeling.fit.target import Array

MAX_BINS = 10
MIN_ROWS = 100
"""Of a bin: fewer do not tell where a quantile of a few percent lies."""


class Calibration(msgspec.Struct, frozen=True):
    """How far to move the ends of the intervals."""

    edges: list[float]
    """Inner edges of the bins of ``|prediction|``, in units of the target."""
    lower: list[float]
    """Per bin, what is taken off the lower quantile; in the unit of the fit."""
    upper: list[float]
    """Per bin, what is added to the upper quantile."""

    def widen(
        self, prediction: Array, lower: Array, upper: Array
    ) -> tuple[Array, Array]:
        """Move the model's own quantiles, which are in the unit of the fit."""
        bins = np.searchsorted(self.edges, np.abs(prediction), side="right")
        return lower - np.array(self.lower)[bins], upper + np.array(self.upper)[bins]


TotalCalibrations: TypeAlias = dict[str, dict[int, Calibration]]
"""By column of the entity and periods ahead, how far its totals were off."""

UNCALIBRATED = Calibration([], [0.0], [0.0])


def calibrate(
    z: Array, prediction: Array, lower: Array, upper: Array, *, coverage: float
) -> Calibration:
    """Learn from rows the model has not seen how far its quantiles are off.

    The outcomes `z` and the model's own quantiles are in units of what it is fitted to,
    predictions in units of the target. Half of what `coverage` leaves lies on either
    side.
    """
    tail, needed = (1 - coverage) / 2, n_needed(coverage)
    if len(z) < needed:
        raise ModelError(
            f"intervals: found {len(z)} rows to calibrate on, expected {needed}"
            f" for a coverage of {coverage}\n"
            "hint: choose another `split.valid`, or a lower `coverage`, in"
            " configs/modeling.yaml"
        )
    size = np.abs(prediction)
    n_bins = max(1, min(MAX_BINS, len(z) // max(MIN_ROWS, needed)))
    edges = np.unique(np.quantile(size, np.arange(1, n_bins) / n_bins))
    bins = np.searchsorted(edges, size, side="right")
    members = [bins == b for b in range(len(edges) + 1)]
    # Where many sizes are equal, a bin may be nearly empty: the whole stands in for it.
    members = [m if m.sum() >= needed else np.full(len(z), True) for m in members]
    return Calibration(
        edges.tolist(),
        [_quantile((lower - z)[m], 1 - tail) for m in members],
        [_quantile((z - upper)[m], 1 - tail) for m in members],
    )


def n_needed(coverage: float) -> int:
    """Count the rows of which the extremes are the ends of such an interval."""
    return _ceil(1 / ((1 - coverage) / 2)) - 1


def _quantile(scores: Array, level: float) -> float:
    """Return the smallest score that holds for the next row with at least `level`."""
    return float(np.sort(scores)[_ceil((len(scores) + 1) * level) - 1])


def _ceil(value: float) -> int:
    """Round up, but not what is whole but for its last digits."""
    return int(np.ceil(np.round(value, 9)))
