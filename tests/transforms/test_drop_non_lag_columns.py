import msgspec
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.transforms.drop_non_lag_columns import Config, drop_non_lag_columns


def test_columns_of_the_period_go_and_the_target_stays() -> None:
    lf = pl.LazyFrame(
        {
            "store": ["s", "s"],
            "n_sold": [1, 2],
            "profit": [5.0, None],
            "n_sold_lag1": [0, 1],
        }
    )
    config = Config(columns=["n_sold", "profit"], keep=["profit"])
    expected = lf.select("store", "profit", "n_sold_lag1")
    assert_frame_equal(drop_non_lag_columns(lf, config), expected)


def test_a_column_that_is_not_there_is_refused_without_data() -> None:
    lf = pl.LazyFrame(schema={"n_sold": pl.Int64})
    config = Config(columns=["n_sold", "n_slod"], keep=[])
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="n_slod"):
        drop_non_lag_columns(lf, config).collect_schema()


def test_what_is_kept_must_be_one_of_the_columns() -> None:
    values = {"columns": ["n_sold"], "keep": ["n_sold", "profit"]}
    with pytest.raises(msgspec.ValidationError, match=r"found \['profit'\]"):
        msgspec.convert(values, Config)
