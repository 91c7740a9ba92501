import msgspec
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.transforms.share_of_categories import (
    Config,
    share_of_categories,
)

SHELVES = pl.DataFrame(
    [
        # In month 1 there are the products a, b and c; in month 2, d; in month 4, a, b.
        *[("s", 1, "a"), ("s", 1, "b"), ("t", 1, "c")],
        *[("s", 2, "d"), ("s", 4, "a"), ("t", 4, "b")],
    ],
    schema=["store", "month", "product"],
    orient="row",
)


def config(lag: int) -> Config:
    """Divide the products of a store by those of all stores."""
    return Config(
        time="month",
        every=1,
        entity="store",
        category="product",
        entity_count="n_store",
        time_count="n_all",
        ratio="share",
        lag=lag,
        suffix="_lag{}",
    )


@pytest.mark.parametrize(
    ("lag", "n_store", "n_all", "share"),
    [
        (0, [2, 2, 1, 1, 1, 1], [3, 3, 3, 1, 2, 2], [2 / 3, 2 / 3, 1 / 3, 1, 0.5, 0.5]),
        (
            1,
            [None, None, None, 2, None, None],
            [None, None, None, 3, None, None],
            [None, None, None, 2 / 3, None, None],
        ),
        # Store t had nothing in month 2, though there was such a month.
        (
            2,
            [None, None, None, None, 1, None],
            [None, None, None, None, 1, 1],
            [None, None, None, None, 1.0, None],
        ),
    ],
    ids=["lag0", "lag1", "lag2"],
)
def test_counts_and_share_are_those_of_the_lagged_period(
    lag: int, n_store: list, n_all: list, share: list
) -> None:
    suffix = f"_lag{lag}" if lag else ""
    expected = SHELVES.with_columns(
        pl.Series(f"n_store{suffix}", n_store, dtype=pl.Int64),
        pl.Series(f"n_all{suffix}", n_all, dtype=pl.Int64),
        pl.Series(f"share{suffix}", share, dtype=pl.Float64),
    )
    result = share_of_categories(SHELVES.lazy(), config(lag)).collect()
    assert_frame_equal(result, expected, check_row_order=False)


def test_a_product_counts_once_however_many_rows_it_has() -> None:
    df = pl.DataFrame(
        {"store": "s", "month": 1, "product": ["a", "a", "a", "b"], "n": 1}
    )
    result = share_of_categories(df.lazy(), config(0)).collect()
    assert result.select("n_store", "n_all", "share").rows() == [(2, 2, 1.0)] * 4


def test_the_names_of_the_hospital_panel_work_as_well() -> None:
    df = pl.DataFrame({"year": [2009, 2010], "facility_id": 1, "drg": [560, 560]})
    settings = Config(
        time="year",
        every=1,
        entity="facility_id",
        category="drg",
        entity_count="facility_drg_count",
        time_count="year_drg_count",
        ratio="ratio",
        lag=1,
        suffix="_lag{}",
    )
    expected = df.with_columns(
        facility_drg_count_lag1=pl.Series([None, 1]),
        year_drg_count_lag1=pl.Series([None, 1]),
        ratio_lag1=pl.Series([None, 1.0]),
    )
    result = share_of_categories(df.lazy(), settings).collect()
    assert_frame_equal(result, expected, check_row_order=False)


def test_a_negative_lag_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r">= 0.*lag"):
        msgspec.convert(msgspec.to_builtins(config(-1)), Config)
