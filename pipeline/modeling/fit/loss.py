"""What is made small and compared: a mean error; and how it is written."""

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


def amount(value: float | None, sign: str = "") -> str:
    """Write an amount as a whole number, or with three significant digits if small.

    It may be millions or parts of a millionth, or None where it is not known, as the
    bounds of a single cluster. With the sign "+", one above 0 has its sign, too.

    Examples
    --------
    >>> [amount(79_184.6), amount(99.4), amount(0.012345), amount(0.0), amount(None)]
    ['79,185', '99.4', '0.0123', '0', '-']
    """
    if value is None:
        return "-"
    return f"{value:{sign},.0f}" if abs(value) >= 100 else f"{value:{sign}.3g}"
