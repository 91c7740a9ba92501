import polars as pl
import pytest

from pipeline.transforms.drop_description_columns import (
    Config,
    drop_description_columns,
)


@pytest.mark.parametrize(
    ("suffix", "kept"),
    [
        ("description", ["description_id", "product", "product_text"]),
        ("_text", ["description_id", "product", "product_description"]),
        (
            "nothing",
            ["description_id", "product", "product_description", "product_text"],
        ),
    ],
)
def test_columns_that_end_in_the_suffix_go(suffix: str, kept: list[str]) -> None:
    names = ["description_id", "product", "product_description", "product_text"]
    lf = pl.LazyFrame(schema=dict.fromkeys(names, pl.String))
    left = drop_description_columns(lf, Config(suffix=suffix))
    assert left.collect_schema().names() == kept


def test_rows_are_kept_with_their_values() -> None:
    lf = pl.LazyFrame({"product": ["a", "a", None], "description": ["x", "x", "y"]})
    left = drop_description_columns(lf, Config(suffix="description")).collect()
    assert left.to_dict(as_series=False) == {"product": ["a", "a", None]}
