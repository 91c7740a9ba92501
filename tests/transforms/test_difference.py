import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.transforms.difference import Config, difference


def test_subtrahend_is_taken_from_minuend_and_a_null_of_either_gives_null() -> None:
    df = pl.DataFrame(
        {"price": [9.5, 2.0, None, 1.0, None], "cost": [4.0, 3.5, 1.0, None, None]}
    )
    config = Config(minuend="price", subtrahend="cost", column="margin")
    expected = df.with_columns(margin=pl.Series([5.5, -1.5, None, None, None]))
    assert_frame_equal(difference(df.lazy(), config).collect(), expected)


def test_a_column_that_is_there_already_is_replaced() -> None:
    lf = pl.LazyFrame({"price": [5.0], "cost": [2.0]})
    config = Config(minuend="price", subtrahend="cost", column="price")
    expected = pl.LazyFrame({"price": [3.0], "cost": [2.0]})
    assert_frame_equal(difference(lf, config), expected)


def test_a_missing_column_is_seen_without_data() -> None:
    lf = pl.LazyFrame(schema={"price": pl.Float64})
    config = Config(minuend="price", subtrahend="cost", column="margin")
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="cost"):
        difference(lf, config).collect_schema()
