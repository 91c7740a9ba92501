from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.modeling.fit.design import Design
from pipeline.modeling.fit.target import Array
from pipeline.modeling.models import load_kind


def test_known_value_is_the_first_that_is_known() -> None:
    values = np.array([[1.0, 2.0], [np.nan, 3.0], [4.0, np.nan]])
    module = load_kind("known_value")
    params = msgspec.convert({"columns": ["b", "a"]}, module.Params)

    def predicted(values: Any, columns: tuple[str, ...]) -> Array:
        X = Design(values, columns, ())
        fit: Any = module.fit
        model = fit(
            X, values[:, 0], params, weight=None, quantiles=(), seed=0, n_threads=1
        )
        return model.predict(X)

    np.testing.assert_array_equal(predicted(values, ("a", "b")), [2, 3, 4])
    with pytest.raises(ModelError, match="1 rows have none of b, a\n"):
        predicted(np.array([[1.0, 2.0], [np.nan, np.nan]]), ("a", "b"))
    with pytest.raises(ModelError, match="known_value: no feature b\nfound: a, c\n"):
        predicted(values, ("a", "c"))
