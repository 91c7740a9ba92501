import msgspec
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.errors import SchemaError
from pipeline.transforms.drop_present import Config, drop_present


def dropping(*columns: str, keep: str = "profit") -> Config:
    return Config(
        keys=["store"], time="week", known=[], columns=[*columns], keep=[keep]
    )


def test_columns_of_the_period_go_and_the_target_stays() -> None:
    lf = pl.LazyFrame(
        {
            "store": ["s", "s"],
            "n_sold": [1, 2],
            "profit": [5.0, None],
            "n_sold_lag1": [0, 1],
        }
    )
    expected = lf.select("store", "profit", "n_sold_lag1")
    made = drop_present(lf, dropping("n_sold", "profit"))
    assert_frame_equal(made, expected)


def test_a_column_that_is_not_there_is_refused_without_data() -> None:
    lf = pl.LazyFrame(schema={"n_sold": pl.Int64, "profit": pl.Int64})
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="n_slod"):
        drop_present(lf, dropping("n_sold", "n_slod")).collect_schema()
    with pytest.raises(SchemaError, match='`keep` names "porfit"'):
        drop_present(lf, dropping("n_sold", keep="porfit"))


def test_what_goes_is_left_to_the_plan_unless_it_is_listed() -> None:
    values = {"keys": ["store"], "time": "week", "known": [], "keep": ["profit"]}
    assert msgspec.convert(values, Config).columns is None
