from pathlib import Path
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
from pipeline.modeling.models import Regressor, kind_names, load_kind

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


def written(model: Regressor, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    model.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_kind_is_tested_here() -> None:
    assert kind_names() == sorted(PARAMS)


@pytest.mark.parametrize("kind", PARAMS)
def test_file_has_the_same_bytes_for_any_number_of_threads(
    kind: str, tmp_path: Path
) -> None:
    one, two = (fitted(kind, n_threads=n) for n in (1, 2))
    assert written(one, tmp_path / "1") == written(two, tmp_path / "2")


@pytest.mark.parametrize("kind", PARAMS)
def test_model_predicts_the_same_bits_once_it_is_loaded(
    kind: str, tmp_path: Path
) -> None:
    model, X = fitted(kind), rows(2)[0]
    model.save(tmp_path)
    loaded = load_kind(kind).load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(
        np.array(loaded.quantiles(X)), np.array(model.quantiles(X))
    )


@pytest.mark.parametrize("kind", PARAMS)
def test_row_gets_the_same_bits_in_any_company(kind: str) -> None:
    model, X = fitted(kind), rows(2)[0]
    whole = model.predict(X)
    for part in (slice(5, 6), slice(3, 20), slice(0, N, 7)):
        own = Design(X.values[part], X.columns, X.categorical)
        np.testing.assert_array_equal(model.predict(own), whole[part])


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
