import msgspec
import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.errors import ModelError
from pipeline.modeling.fit.design import Design
from pipeline.modeling.models import load_kind
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
