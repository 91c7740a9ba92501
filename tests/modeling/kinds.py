"""Every kind of model, fitted to small rows."""

from typing import Any

import msgspec
import numpy as np

from pipeline.modeling.fit.design import Design
from pipeline.modeling.fit.target import Array
from pipeline.modeling.models import Regressor, load_kind

N = 400
NAMES = ("a", 'cost, "usd" [x]:{y}', "c", "empty", "Größe é\n")
TAILS = (0.05, 0.95)
PARAMS: dict[str, dict[str, Any]] = {
    "known_value": {"columns": ["a", "c"]},
    "ridge": {"alpha": 3.0},
    "lightgbm": {"rounds": 8, "bagging_fraction": 0.7, "feature_fraction": 0.7},
}


def rows(seed: int, n: int = N) -> tuple[Design, Array]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 5)) * [1, 1e3, 1e-3, 0, 0] + [0, 5, 0, np.nan, 0.1]
    y = values[:, 0] * 3 + values[:, 1] / 1e3 + rng.normal(size=n)
    values[rng.random(n) < 0.1, 1] = np.nan
    return Design(np.asfortranarray(values), NAMES, ()), y


def fitted(kind: str, *, n_threads: int = 1, weight: Array | None = None) -> Regressor:
    X, y = rows(1)
    module = load_kind(kind)
    return module.fit(
        X,
        y,
        msgspec.convert(PARAMS[kind], module.Params),
        weight=weight,
        quantiles=TAILS,
        seed=7,
        n_threads=n_threads,
    )
