"""Linear regression with a squared penalty, on standardized features."""

from typing import Annotated, NamedTuple

import numpy as np
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.errors import ModelError
from pipeline.modeling.fit.design import Design
from pipeline.modeling.fit.target import Array
from pipeline.modeling.models import JsonModel

LIBRARIES = ("scipy",)

_EPSILON = float(np.finfo(np.float64).eps)


class Params(BaseConfig, frozen=True, kw_only=True):
    """Settings of the ridge; `alpha` is scikit-learn's: the penalty on the weights."""

    alpha: Annotated[float, Meta(ge=0)] = 1.0


class Ridge(JsonModel, frozen=True):
    """A plane: per column, its median for a null, mean, deviation and weight.

    Weights and intercept are in units of the target.
    """

    median: list[float]
    mean: list[float]
    scale: list[float]
    weight: list[float]
    intercept: float

    def predict(self, X: Design) -> Array:
        """Add column by column: a matrix product's last bit depends on its size."""
        value = np.full(len(X.values), self.intercept)
        for j in range(len(self.weight)):
            column = X.values[:, j]
            filled = np.where(np.isnan(column), self.median[j], column)
            value += (filled - self.mean[j]) / self.scale[j] * self.weight[j]
        return value


def fit(
    X: Design,
    y: Array,
    params: Params,
    *,
    weight: Array | None,
    **_: object,
) -> Ridge:
    """Fit the plane, by one thread: sums of several differ in the last bit.

    The rows are summed once for all penalties: a Cholesky decomposition of those few
    sums is as of scikit-learn's Ridge, to the bit.
    """
    import threadpoolctl  # pyright: ignore[reportMissingTypeStubs]

    if X.categorical:
        raise ModelError(
            f"ridge: takes no categories, found {', '.join(X.categorical)}\n"
            "hint: leave `categorical` of the model empty"
        )
    of = (y.tobytes(), None if weight is None else weight.tobytes())
    with threadpoolctl.threadpool_limits(1):
        known = X.once(("normal equations", *of), lambda: _equations(X, y, weight))
        gram = known.gram + params.alpha * np.eye(len(known.gram))
        weights = _solved(gram, known.moment)
    return Ridge(
        known.median.tolist(),
        known.mean.tolist(),
        known.scale.tolist(),
        weights.tolist(),
        float(known.y_mean - known.offset @ weights),
    )


def _solved(gram: Array, moment: Array) -> Array:
    """Solve normal equations; where columns say the same, by the least weights."""
    from scipy.linalg import solve  # pyright: ignore # it has no stubs

    try:
        return solve(gram, moment, assume_a="pos")  # pyright: ignore[reportUnknownVariableType]
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(gram, moment)[0].astype(np.float64)


class _Equations(NamedTuple):
    """The normal equations of standardized columns, and how these were made."""

    median: Array
    mean: Array
    scale: Array
    offset: Array
    """What weighted rows leave of the mean of a standardized column."""
    y_mean: float
    gram: Array
    moment: Array


def _equations(X: Design, y: Array, weight: Array | None) -> _Equations:
    """Sum up the rows, each column in deviations from its mean."""
    is_empty = np.isnan(X.values).all(axis=0)
    known = np.where(is_empty, 0.0, X.values)
    median = np.nanmedian(known, axis=0)
    filled = np.where(np.isnan(known), median, known)
    mean, n_rows = filled.mean(axis=0), len(filled)
    values = filled - mean
    # The second term is what rounding left of the first moment.
    rest = values.sum(axis=0)
    variance = ((values**2).sum(axis=0) - rest**2 / n_rows) / n_rows
    by_rounding = n_rows * _EPSILON * variance + (n_rows * mean * _EPSILON) ** 2
    scale = np.where(variance <= by_rounding, 1.0, np.sqrt(variance))
    values /= scale
    offset, y_mean = (np.average(of, axis=0, weights=weight) for of in (values, y))
    values, y = values - offset, y - y_mean
    if weight is not None:
        root = np.sqrt(weight)
        values, y = values * root[:, np.newaxis], y * root
    gram, moment = values.T @ values, values.T @ y
    return _Equations(median, mean, scale, offset, float(y_mean), gram, moment)


load = Ridge.load
