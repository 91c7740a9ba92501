import polars as pl
import pytest

from pipeline.errors import ConfigError, ModelError
from pipeline.modeling.data import Features, between, current_features, folds
from pipeline.modeling.settings import load_modeling
from tests.conftest import PROJECT
from tests.modeling.conftest import Load


def test_features_are_the_published_ones_sorted_by_the_key(ml: Load) -> None:
    settings = ml()
    features = current_features(settings)
    df = features.read(settings.modeling)
    assert df.height == 2250
    key = df.select("facility_id", "apr_drg_code", "year")
    assert key.equals(key.sort(pl.all()))
    assert current_features(settings) == Features(
        features.path, features.fingerprint, current_features(settings).run_id
    )


def test_columns_that_are_named_but_not_there_are_refused_together(ml: Load) -> None:
    settings = ml(
        "modeling.past=[w_total_median_profit_rolling3]", "modeling.slices.size=beds"
    )
    with pytest.raises(ModelError) as caught:
        current_features(settings).read(settings.modeling)
    first, past, size, found, hint = str(caught.value).splitlines()
    assert first == "features: lacks 2 columns that configs/modeling.yaml names"
    wrong, right = (f"'w_total_median_profit_rolling{n}'" for n in (3, 2))
    assert past == f"  past: {wrong}; did you mean {right}?"
    assert size == "  slices.size: 'beds'"
    # Of the 38 columns of the features.
    assert found.startswith("found: year, ")
    assert found.count(", ") == 5
    assert found.endswith(" and 32 more")
    assert hint.startswith("hint: ")


def test_between_includes_both_years_and_refuses_none(ml: Load) -> None:
    modeling = ml().modeling
    df = pl.DataFrame({"year": [2010, 2011, 2012, 2013]})
    assert between(df, modeling, 2011, 2012)["year"].to_list() == [2011, 2012]
    with pytest.raises(ModelError) as caught:
        between(df, modeling, 2012, 2030)  # a part of them would pass for the whole
    first, found, expected, hint = str(caught.value).splitlines()
    assert first == "features: no rows of 2030"
    assert (found, expected) == ("found: 2010 to 2013", "expected: 2012 to 2030")
    assert hint.startswith("hint: ")


def test_folds_predict_the_last_training_years_from_all_before(ml: Load) -> None:
    modeling = ml("modeling.study.folds=3").modeling
    assert folds(modeling, 1) == [
        (2010, 2011, 2012),
        (2010, 2012, 2013),
        (2010, 2013, 2014),
    ]


def test_too_few_years_for_the_folds_are_refused(ml: Load) -> None:
    assert len(folds(ml("modeling.study.folds=4").modeling, 1)) == 4
    with pytest.raises(ConfigError, match="5 training years, expected 6 for 5 folds"):
        folds(ml("modeling.study.folds=5").modeling, 1)


def test_folds_of_a_panel_of_every_fifth_year_are_five_years_apart() -> None:
    split = "modeling.split={train: [1980, 2000], valid: 2005, test: [2010, 2010]}"
    words = (split, "modeling.study.folds=2")
    modeling = load_modeling(PROJECT, overrides=words).modeling
    assert folds(modeling, 5) == [(1980, 1990, 1995), (1980, 1995, 2000)]
