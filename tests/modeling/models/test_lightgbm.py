import msgspec
import numpy as np
import pytest

from pipeline.modeling.fit.design import Design
from pipeline.modeling.fit.target import Array
from pipeline.modeling.models import Regressor, load_kind
from tests.modeling.kinds import TAILS, rows


def test_trees_find_what_they_are_given() -> None:
    """Quantiles hold what they say on new rows; weights draw the mean to their rows."""
    X, y = rows(3, 4000)
    module = load_kind("lightgbm")
    params = msgspec.convert({"rounds": 60, "num_leaves": 4}, module.Params)

    def fit(weight: Array | None) -> Regressor:
        return module.fit(
            X, y, params, weight=weight, quantiles=TAILS, seed=0, n_threads=1
        )

    new, outcome = rows(4, 4000)
    model = fit(None)
    ends = model.quantiles(new)
    assert ends is not None
    assert (outcome < ends[0]).mean() == pytest.approx(0.05, abs=0.03)
    assert (outcome > ends[1]).mean() == pytest.approx(0.05, abs=0.03)
    assert np.std(outcome - model.predict(new)) < 1.4 < np.std(outcome)

    heavy = np.where(y > 0, 9.0, 1.0)
    assert fit(heavy).predict(new).mean() > model.predict(new).mean() + 0.1


def test_trees_know_categories() -> None:
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 40, 4000).astype(float)
    y = np.where(codes % 2 == 0, 1.0, -1.0)  # no threshold tells them apart
    X = Design(codes[:, np.newaxis], ("code",), ("code",))
    module = load_kind("lightgbm")
    given = {"rounds": 30, "num_leaves": 2, "min_data_per_group": 1}
    model = module.fit(
        X,
        y,
        msgspec.convert(given, module.Params),
        weight=None,
        quantiles=(),
        seed=0,
        n_threads=1,
    )
    assert model.quantiles(X) is None
    assert (np.sign(model.predict(X)) == y).mean() > 0.9
    unseen = Design(np.array([[np.nan], [99.0]]), ("code",), ("code",))
    assert np.isfinite(model.predict(unseen)).all()
