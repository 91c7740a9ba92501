import subprocess
import sys

import lightgbm
import msgspec
import numpy as np
import pytest

from pipeline.modeling.fit.design import Design
from pipeline.modeling.fit.target import Array
from pipeline.modeling.models import Regressor, load_kind
from tests.modeling.kinds import TAILS, rows


def test_to_fit_takes_no_pandas_and_no_scikit_learn() -> None:
    """They take seconds to import; what else needs them gets them all the same."""
    told = (
        "import sys; from tests.modeling.kinds import fitted\n"
        "fitted('lightgbm'), fitted('ridge')\n"
        "assert not {'pandas', 'sklearn'} & {*sys.modules}\n"
        "import pandas, sklearn.isotonic\n"
    )
    subprocess.run([sys.executable, "-c", told], check=True)


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


@pytest.mark.parametrize("least", [1, 30, 300, 900])
def test_rows_in_bins_serve_all_parameters_as_if_put_there_for_each(least: int) -> None:
    """A column of almost one value is left out or not, by the rows a leaf must have."""
    X, y = rows(6, 4000)
    rng = np.random.default_rng(7)
    rare = np.where(rng.random((4000, 3)) < [0.001, 0.02, 0.3], 1.0, [0, np.nan, 5])
    X = Design(np.hstack([X.values, rare]), (*X.columns, "d", "e", "f"), ("f",))
    module = load_kind("lightgbm")
    given = {"num_leaves": 5, "feature_fraction": 0.4, "max_bin": 15}
    weight, last = np.where(y > 0, 9.0, 1.0), [len(X.columns) - 1]
    for rounds, min_data_in_leaf in ((3, 40), (9, least)):
        own = given | {"min_data_in_leaf": min_data_in_leaf}
        params = msgspec.convert(own | {"rounds": rounds}, module.Params)
        model = module.fit(
            X, y, params, weight=weight, quantiles=TAILS, seed=4, n_threads=2
        )
        how = own | {"seed": 4, "bagging_freq": 1, "deterministic": True}
        how |= {"force_row_wise": True, "min_data_per_group": 100, "verbose": -1}
        data = lightgbm.Dataset(X.values, y, weight=weight, categorical_feature=last)
        alone = lightgbm.train(how, data, num_boost_round=rounds)
        assert np.array_equal(model.predict(X), np.asarray(alone.predict(X.values)))
        how |= {"objective": "quantile", "alpha": TAILS[0]}
        unweighted = lightgbm.Dataset(X.values, y, categorical_feature=last)
        alone = lightgbm.train(how, unweighted, num_boost_round=rounds)
        ends = model.quantiles(X)
        assert ends is not None
        assert np.array_equal(ends[0], np.asarray(alone.predict(X.values)))
