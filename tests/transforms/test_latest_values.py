import random

import polars as pl
from polars.testing import assert_frame_equal

from pipeline.transforms.latest_values import Config, latest_values

CONFIG = Config(keys=["product"], columns=["name"], time="month")


def test_the_latest_period_wins_and_rows_are_sorted_by_key() -> None:
    lf = pl.LazyFrame(
        {
            "product": ["b", "a", "a", "a"],
            "month": [1, 2, 3, 1],
            "name": ["Bread", "Pear", "Apple", "Apple"],
        }
    )
    expected = pl.LazyFrame({"product": ["a", "b"], "name": ["Apple", "Bread"]})
    assert_frame_equal(latest_values(lf, CONFIG), expected)


def test_several_keys_name_a_row_and_columns_come_from_one_row() -> None:
    lf = pl.LazyFrame(
        {
            "store": ["s", "s", "s", "t"],
            "shelf": [1, 1, 2, 1],
            "year": [2001, 2002, 2000, 1999],
            "label": ["old", "new", "x", "y"],
            "colour": ["zinc", "aqua", "red", "blue"],
        }
    )
    config = Config(keys=["store", "shelf"], columns=["label", "colour"], time="year")
    expected = lf.filter(pl.col("label") != "old").drop("year")
    assert_frame_equal(latest_values(lf, config), expected)


def test_of_several_values_in_a_period_the_last_in_sort_order_is_taken() -> None:
    rows = [
        (1, "Z"),
        (5, "apple"),
        (5, "Apple"),
        (5, None),
        (5, "apple"),
        (5, "Apples"),
    ]
    expected = pl.DataFrame({"product": ["a"], "name": ["apple"]})
    for seed in range(10):
        random.Random(seed).shuffle(rows)
        months, names = zip(*rows, strict=True)
        lf = pl.LazyFrame({"product": "a", "month": months, "name": names})
        assert_frame_equal(latest_values(lf, CONFIG).collect(), expected)
