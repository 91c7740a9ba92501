from collections.abc import Sequence
from datetime import date

import polars as pl
import pytest

from pipeline.errors import ConfigError, ModelError
from pipeline.modeling.data import (
    Features,
    Spans,
    between,
    current_features,
    folds,
    spans_of,
    windows_of,
)
from pipeline.modeling.records import span
from pipeline.modeling.settings import load_modeling
from pipeline.panel.periods import Time
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
        "modeling.past=[w_total_median_profit_rolling3]",
        "modeling.slices.size=beds",
        "modeling.slices.columns=[borough]",
        "modeling.leaks=[sum_dicharges_lag1]",
    )
    with pytest.raises(ModelError) as caught:
        current_features(settings).read(settings.modeling)
    first, past, size, column, leak, found, hint = str(caught.value).splitlines()
    assert first == "features: lacks 4 columns that configs/modeling.yaml names"
    wrong, right = (f"'w_total_median_profit_rolling{n}'" for n in (3, 2))
    assert past == f"  past: {wrong}; did you mean {right}?"
    assert size == "  slices.size: 'beds'"
    assert column == "  slices.columns: 'borough'"
    assert leak.startswith("  leaks: 'sum_dicharges_lag1'; did you mean 'sum_discha")
    # Of the 38 columns of the features.
    assert found.startswith("found: year, ")
    assert found.count(", ") == 5
    assert found.endswith(" and 32 more")
    assert hint.startswith("hint: ")


def cut(times: Sequence[Time], split: str) -> Spans:
    """Cut a panel of these periods."""
    modeling = load_modeling(PROJECT, overrides=(f"modeling.split={split}",)).modeling
    return spans_of(pl.DataFrame({"year": times}), modeling)


MONTHS = [date(2020 + m // 12, m % 12 + 1, 1) for m in range(18)]


@pytest.mark.parametrize(
    ("times", "split", "ends"),
    [
        (
            range(2008, 2018),
            "{train: 5, valid: 1, test: 2}",
            ["2010 to 2014", "2015 to 2015", "2016 to 2017"],
        ),
        (
            [1980, 1985, 1990, 2000, 2005, 2010],
            "{train: 3, valid: 1, test: 1}",
            ["1985 to 2000", "2005 to 2005", "2010 to 2010"],
        ),
        (
            range(2009, 2018),
            "{train: [2010, 2014], valid: 2015, test: [2016, 2017]}",
            ["2010 to 2014", "2015 to 2015", "2016 to 2017"],
        ),
        (
            range(2009, 2018),
            "{train: [2010, 2014], valid: 2015, test: 2017}",
            ["2010 to 2014", "2015 to 2015", "2017 to 2017"],
        ),
        (
            MONTHS,
            "{train: 6, valid: 3, test: 3}",
            [
                "2020-07-01 to 2020-12-01",
                "2021-01-01 to 2021-03-01",
                "2021-04-01 to 2021-06-01",
            ],
        ),
        (
            MONTHS,
            "{train: ['2020-01-01', '2020-12-01'], valid: '2021-01-01',"
            " test: ['2021-02-01', '2021-04-01']}",
            [
                "2020-01-01 to 2020-12-01",
                "2021-01-01 to 2021-01-01",
                "2021-02-01 to 2021-04-01",
            ],
        ),
    ],
)
def test_periods_are_counted_back_from_the_newest_or_named(
    times: Sequence[Time], split: str, ends: list[str]
) -> None:
    assert [" to ".join(span) for span in cut(times, split).written().values()] == ends


def test_periods_that_are_left_out_are_known() -> None:
    spans = cut(range(2008, 2018), "{train: 5, valid: 1, test: 2}")
    assert spans.unused == [2008, 2009]


@pytest.mark.parametrize(
    ("times", "split", "message"),
    [
        (
            range(2010, 2017),
            "{train: 5, valid: 1, test: 2}",
            "features: 7 periods, 2010 to 2016\nexpected: 8, of which 5 to learn from,"
            " 1 to calibrate on and 2 to judge by\nhint: ",
        ),
        (
            range(2010, 2017),
            "{train: [2010, 2014], valid: 2015, test: [2016, 2030]}",
            "features: no rows of 2030\nfound: 2010 to 2016\nexpected: 2010 to 2030\n",
        ),
        (
            MONTHS,
            "{train: [2010, 2014], valid: 2015, test: [2016, 2030]}",
            "'2010' is no time of the panel, which has Date\nhint: ",
        ),
    ],
)
def test_periods_that_are_not_there_are_refused(
    times: Sequence[Time], split: str, message: str
) -> None:
    with pytest.raises((ModelError, ConfigError)) as caught:
        cut(times, split)
    assert str(caught.value).startswith(message)


def test_between_includes_both_ends(ml: Load) -> None:
    df = pl.DataFrame({"year": [2010, 2011, 2012, 2013]})
    assert between(df, ml().modeling, (2011, 2012))["year"].to_list() == [2011, 2012]


def test_folds_predict_the_last_training_periods_from_all_before(ml: Load) -> None:
    df = pl.DataFrame({"year": range(2009, 2018)})
    assert folds(df, ml("modeling.study.folds=3").modeling) == [
        ((2010, 2011), (2012, 2012)),
        ((2010, 2012), (2013, 2013)),
        ((2010, 2013), (2014, 2014)),
    ]
    assert len(folds(df, ml("modeling.study.folds=4").modeling)) == 4
    with pytest.raises(ConfigError, match="5 training periods, expected 6 for 5 folds"):
        folds(df, ml("modeling.study.folds=5").modeling)


def test_folds_end_before_what_the_oldest_window_judges(ml: Load) -> None:
    df = pl.DataFrame({"year": range(2004, 2018)})
    modeling = ml("modeling.backtest.windows=4", "modeling.study.folds=2").modeling
    assert folds(df, modeling) == [
        ((2004, 2006), (2007, 2007)),
        ((2004, 2007), (2008, 2008)),
    ]


def test_windows_of_named_periods_are_moved_with_their_gaps() -> None:
    words = (
        "modeling.split={train: ['2020-07-01', '2020-09-01'], valid: '2020-11-01',"
        " test: ['2021-01-01', '2021-03-01']}",
        "modeling.backtest.windows=3",
    )
    modeling = load_modeling(PROJECT, overrides=words).modeling
    df = pl.DataFrame({"year": MONTHS})
    ends = [spans_of(df, window).written() for window in windows_of(df, modeling)]
    assert [tuple(map(span, of.values())) for of in ends] == [
        ("2020-07-01 to 2020-09-01", "2020-11-01", "2021-01-01 to 2021-03-01"),
        ("2020-04-01 to 2020-06-01", "2020-08-01", "2020-10-01 to 2020-12-01"),
        ("2020-01-01 to 2020-03-01", "2020-05-01", "2020-07-01 to 2020-09-01"),
    ]


def test_folds_of_a_panel_of_every_fifth_year_are_five_years_apart() -> None:
    split = "modeling.split={train: [1980, 2000], valid: 2005, test: [2010, 2010]}"
    words = (split, "modeling.study.folds=2")
    modeling = load_modeling(PROJECT, overrides=words).modeling
    df = pl.DataFrame({"year": range(1980, 2011, 5)})
    assert folds(df, modeling) == [
        ((1980, 1990), (1995, 1995)),
        ((1980, 1995), (2000, 2000)),
    ]


def test_features_of_the_same_rows_are_the_same_whatever_made_them(ml: Load) -> None:
    """Study and model of these are fresh then."""
    before = current_features(ml())
    same = current_features(ml("drop_rare_drgs.min_total=556"))
    assert same.run_id != before.run_id
    assert same.fingerprint == before.fingerprint
    other = current_features(ml("rolling_columns.window=3"))
    assert other.fingerprint != before.fingerprint
