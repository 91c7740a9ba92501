from itertools import product
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.errors import ModelError
from pipeline.modeling.fit.design import Design
from pipeline.modeling.fit.target import Array
from pipeline.modeling.models import Regressor, load_kind
from tests.modeling.kinds import PARAMS, N, fitted, rows


@pytest.mark.parametrize("weighted", [False, True])
def test_ridge_is_sklearns(weighted: bool) -> None:
    X, y = rows(1)
    weight = np.linspace(0.5, 2, N) if weighted else None
    reference = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        SklearnRidge(3.0),
    ).fit(X.values, y, ridge__sample_weight=weight)
    new = rows(2)[0]
    np.testing.assert_allclose(
        fitted("ridge", weight=weight).predict(new),
        reference.predict(new.values),
        rtol=1e-9,
        atol=1e-9,
    )


def test_rows_summed_once_serve_all_penalties_and_no_other_outcomes_or_weights() -> (
    None
):
    ridge = load_kind("ridge")

    def fit(X: Design, y: Array, weight: Array | None, alpha: float) -> Regressor:
        params = msgspec.convert({"alpha": alpha}, ridge.Params)
        how: dict[str, Any] = {"quantiles": (), "seed": 0, "n_threads": 1}
        return ridge.fit(X, y, params, weight=weight, **how)

    shared, y = rows(1)
    for outcome, weight, alpha in product(
        (y, -y), (None, np.linspace(0.5, 2, N)), (0.5, 50.0)
    ):
        of_its_own = fit(rows(1)[0], outcome, weight, alpha)
        assert fit(shared, outcome, weight, alpha) == of_its_own


def test_without_a_penalty_columns_that_say_the_same_share_what_one_would_have() -> (
    None
):
    column = np.arange(N, dtype=float)
    twice = Design(np.stack([column, column, 0 * column], axis=1), ("a", "b", "c"), ())
    ridge = load_kind("ridge")
    params = msgspec.convert({"alpha": 0.0}, ridge.Params)
    how: dict[str, Any] = {"weight": None, "quantiles": (), "seed": 0, "n_threads": 1}
    model = ridge.fit(twice, 3 * column + 1, params, **how)
    np.testing.assert_allclose(model.predict(twice), 3 * column + 1, rtol=1e-9)


def test_ridge_takes_no_categories() -> None:
    X, y = rows(1)
    ridge = load_kind("ridge")
    params = msgspec.convert(PARAMS["ridge"], ridge.Params)
    with pytest.raises(ModelError, match="ridge: takes no categories, found a\n"):
        ridge.fit(
            Design(X.values, X.columns, ("a",)),
            y,
            params,
            weight=None,
            quantiles=(),
            seed=0,
            n_threads=1,
        )
