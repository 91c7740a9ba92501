"""What is made small and compared: a mean error."""

from typing import Literal, TypeAlias

import numpy as np

from pipeline.modeling.fit.target import Array

Metric: TypeAlias = Literal["mae", "rmse"]
"""In units of the target. Squares make the few largest rows decide."""


def mean_error(error: Array, metric: Metric) -> float:
    """Average errors, in their unit."""
    if metric == "mae":
        return float(np.mean(np.abs(error)))
    return float(np.sqrt(np.mean(error**2)))
