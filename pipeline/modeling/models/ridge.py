"""Linear regression with a squared penalty, on standardized features."""

from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.errors import ModelError
from pipeline.modeling.fit.design import Design
from pipeline.modeling.fit.target import Array
from pipeline.modeling.models import JsonModel

LIBRARIES = ("scikit-learn",)


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
    """Fit the plane, by one thread: sums of several differ in the last bit."""
    # None has stubs, so that what comes of them is Any.
    import sklearn.linear_model  # pyright: ignore[reportMissingTypeStubs]
    import sklearn.preprocessing  # pyright: ignore[reportMissingTypeStubs]
    import threadpoolctl  # pyright: ignore[reportMissingTypeStubs]

    if X.categorical:
        raise ModelError(
            f"ridge: takes no categories, found {', '.join(X.categorical)}\n"
            "hint: leave `categorical` of the model empty"
        )

    def standardized() -> tuple[Any, Any, Any]:
        is_empty = np.isnan(X.values).all(axis=0)
        known = np.where(is_empty, 0.0, X.values)
        median = np.nanmedian(known, axis=0)
        filled = np.where(np.isnan(known), median, known)
        scaler: Any = sklearn.preprocessing.StandardScaler()
        return median, scaler, scaler.fit_transform(filled)

    with threadpoolctl.threadpool_limits(1):
        median, scaler, values = X.once("standardized", standardized)
        plane: Any = sklearn.linear_model.Ridge(params.alpha, solver="cholesky")
        plane.fit(values, y, sample_weight=weight)
    return Ridge(
        median.tolist(),
        scaler.mean_.tolist(),
        scaler.scale_.tolist(),
        plane.coef_.tolist(),
        float(plane.intercept_),
    )


load = Ridge.load
