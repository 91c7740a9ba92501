"""Nothing is learned from a feature that knows its own period."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import ModelError
from pipeline.modeling import guard
from pipeline.modeling.audit import audit
from pipeline.modeling.guard import learnable_features, some_clusters
from pipeline.modeling.settings import ModelingSettings, load_modeling
from pipeline.run import check
from tests.modeling.shops import shops

YEARS = range(2010, 2016)
LET_THROUGH = "drop_non_lag_columns.columns=[sold]"


def settings_of(root: Path, *overrides: str) -> ModelingSettings:
    return load_modeling(root, overrides=overrides)


def columns_of(settings: ModelingSettings) -> list[str]:
    return check(settings.pipeline).snapshots["features"].schema.names()


def test_a_column_in_no_list_is_no_feature_unless_it_is_known(tmp_path: Path) -> None:
    root = shops(tmp_path, YEARS)
    past = ["sold_lag1", "sold_rolling2"]
    assert columns_of(settings_of(root)) == ["shop", "year", "sold", *past]
    named = settings_of(root, "panel.known=[price]")
    assert columns_of(named) == ["shop", "year", "sold", "price", *past]
    df = learnable_features(named).read(named.modeling)
    assert df.height == 100
    found = audit(named)
    assert found.leaks == []
    # Where the future is cut off, the price is the last, and is not compared.
    assert found.features == ["price", *past]


def test_features_that_know_their_period_are_named_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shops(tmp_path, YEARS)
    with pytest.raises(ModelError) as caught:
        learnable_features(settings_of(root, LET_THROUGH))
    first, *leaks, hint = str(caught.value).splitlines()
    assert first.startswith("features: 2 of the columns know what their period has yet")
    assert [line.split(":")[0] for line in leaks] == ["  price", "  visits"]
    assert "`panel.known` says what is known" in hint
    # One that is allowed, and the other that is known.
    words = (LET_THROUGH, "modeling.leaks=[visits]", "panel.known=[price]")
    learnable_features(settings_of(root, *words))
    monkeypatch.setattr(guard, "_leaks", lambda *_: pytest.fail("looked again"))
    learnable_features(settings_of(root, *words))
    with pytest.raises(pytest.fail.Exception):
        learnable_features(settings_of(root))


def test_of_a_large_panel_some_clusters_are_looked_at() -> None:
    rows = pl.DataFrame({"shop": [3, 1, 2, 3, 1, 2], "x": range(6)})
    assert some_clusters(rows, "shop", 6).equals(rows)
    assert some_clusters(rows, "shop", 3)["shop"].to_list() == [3, 1, 3, 1]
