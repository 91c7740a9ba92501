"""A value of the past as it is: the forecast that a model must beat."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.errors import ModelError, nearest, some
from pipeline.modeling.fit.design import Design
from pipeline.modeling.fit.target import Array
from pipeline.modeling.models import JsonModel


class Params(BaseConfig, frozen=True, kw_only=True):
    """Which features to look at; the first that is not null is the prediction."""

    columns: Annotated[list[str], Meta(min_length=1)]


class KnownValue(JsonModel, frozen=True):
    """Predicts the first known of some columns."""

    columns: list[str]

    def predict(self, X: Design) -> Array:
        """Return the first value of each row that is not NaN."""
        missing = [name for name in self.columns if name not in X.columns]
        if missing:
            raise ModelError(
                f"known_value: no feature {some(missing)}"
                f"{nearest(missing[0], X.columns)}\n"
                f"found: {some(X.columns)}\n"
                "hint: see `params.columns` of the model in configs/models/"
            )
        value = np.full(len(X.values), np.nan)
        for name in self.columns:
            value = np.where(np.isnan(value), X.column(name), value)
        if np.isnan(value).any():
            raise ModelError(
                f"known_value: {np.isnan(value).sum()} rows have none of"
                f" {some(self.columns)}\n"
                "hint: name more features in `params.columns` of the model in"
                " configs/models/"
            )
        return value


def fit(X: Design, y: Array, params: Params, **_: object) -> KnownValue:  # noqa: ARG001
    """Learn nothing, but refuse columns that are not there."""
    model = KnownValue(params.columns)
    model.predict(X)
    return model


load = KnownValue.load
