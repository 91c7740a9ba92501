"""Base and contributions are the prediction, of published rows and of a request's."""

import numpy as np
import polars as pl
import pytest

from pipeline.modeling.contributions import contributions, explain
from pipeline.modeling.fit.design import Design
from pipeline.modeling.models import load_kind
from pipeline.modeling.models.known_value import KnownValue
from tests.modeling.conftest import Packed


def _design(n: int) -> Design:
    """Rows of three features, some of them null."""
    values = np.random.default_rng(0).normal(size=(n, 3))
    values[::7, 1] = np.nan
    return Design(values, ("a", "b", "c"), ())


@pytest.mark.parametrize("name", ["lightgbm", "ridge", "known_value"])
def test_a_base_and_contributions_are_the_raw_prediction(name: str) -> None:
    X, kind = _design(200), load_kind(name)
    y = np.nan_to_num(X.values).sum(axis=1) ** 2
    params = kind.Params(**({"columns": ["b", "c"]} if name == "known_value" else {}))
    model = kind.fit(X, y, params, weight=None, quantiles=(), seed=1, n_threads=1)
    for i in (0, 1):
        one = Design(X.values[i : i + 1], X.columns, ())
        base, amounts = contributions(model, one)
        assert base + amounts.sum() == pytest.approx(model.predict(one)[0])
    if isinstance(model, KnownValue):
        assert np.flatnonzero(amounts).tolist() == [1]


def test_what_a_bundle_predicts_of_a_request_is_explained(packed: Packed) -> None:
    rows, entity = packed.rows, packed.bundle.record.horizon.entity
    rows = rows.filter(pl.col("Facility Id") == rows["Facility Id"].mode()[0])
    predicted = packed.bundle.forecast(rows).drop_nulls("prediction").unique(entity)
    found = explain(packed.bundle, rows)
    assert [one.prediction for one in found] == predicted.sort(entity)[
        "prediction"
    ].to_list()
    assert len(found) > 5
    for one in found:
        added = one.base + sum(part.amount for part in one.contributions)
        assert added == pytest.approx(one.prediction)
        assert one.interval.lower <= one.prediction <= one.interval.upper
