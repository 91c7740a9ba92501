from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.modeling.fit.design import Design
from pipeline.modeling.models import Regressor, kind_names, libraries_of, load_kind
from pipeline.modeling.records import fingerprint, versions
from tests.modeling.kinds import PARAMS, N, fitted, rows


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


def test_libraries_of_a_kind_count_with_it_and_must_be_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert libraries_of("lightgbm") == ("lightgbm",)
    assert libraries_of("known_value") == ()
    with_click, without = ("click",), ()
    prints: set[str] = set()
    for libraries in (with_click, without):
        monkeypatch.setattr(load_kind("ridge"), "LIBRARIES", libraries)
        found = versions(["ridge"])
        assert found.keys() == {"numpy", "polars", *libraries}
        prints.add(fingerprint("pipeline/modeling/train.py", kinds=["ridge"]))
    assert len(prints) == 2
    monkeypatch.setattr(load_kind("ridge"), "LIBRARIES", ("not-there",))
    with pytest.raises(ModelError, match=r"ridge\.py: needs not-there, which is not"):
        libraries_of("ridge")


@pytest.mark.parametrize("kind", PARAMS)
def test_row_gets_the_same_bits_in_any_company(kind: str) -> None:
    model, X = fitted(kind), rows(2)[0]
    whole = model.predict(X)
    for part in (slice(5, 6), slice(3, 20), slice(0, N, 7)):
        own = Design(X.values[part], X.columns, X.categorical)
        np.testing.assert_array_equal(model.predict(own), whole[part])
