import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.transforms.product import Config, product


def test_factors_are_multiplied_and_a_null_of_either_gives_null() -> None:
    df = pl.DataFrame({"margin": [2.5, -1.0, None, 3.0], "n_sold": [4, 3, 2, None]})
    config = Config(factor="margin", by="n_sold", column="total_margin")
    expected = df.with_columns(total_margin=pl.Series([10.0, -3.0, None, None]))
    assert_frame_equal(product(df.lazy(), config).collect(), expected)


def test_whole_numbers_stay_whole_numbers() -> None:
    lf = pl.LazyFrame({"n_boxes": [3], "n_per_box": [12]})
    config = Config(factor="n_boxes", by="n_per_box", column="n_items")
    expected = lf.with_columns(n_items=pl.lit(36, dtype=pl.Int64))
    assert_frame_equal(product(lf, config), expected)


def test_a_missing_column_is_seen_without_data() -> None:
    lf = pl.LazyFrame(schema={"margin": pl.Float64})
    config = Config(factor="margin", by="n_sold", column="total")
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="n_sold"):
        product(lf, config).collect_schema()
