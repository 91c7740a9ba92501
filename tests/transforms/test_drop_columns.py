import polars as pl
import pytest

from pipeline.transforms.drop_columns import (
    Config,
    drop_columns,
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
    left = drop_columns(lf, Config(columns=[], suffixes=[suffix]))
    assert left.collect_schema().names() == kept


def test_named_columns_go_and_rows_keep_their_values() -> None:
    lf = pl.LazyFrame(
        {"product": ["a", "a", None], "price": 1, "description": ["x", "x", "y"]}
    )
    left = drop_columns(
        lf, Config(columns=["price"], suffixes=["description"])
    ).collect()
    assert left.to_dict(as_series=False) == {"product": ["a", "a", None]}


def test_without_suffixes_only_what_is_named_goes() -> None:
    lf = pl.LazyFrame(schema={"product": pl.String, "price": pl.Float64})
    left = drop_columns(lf, Config(columns=["price"], suffixes=[]))
    assert left.collect_schema().names() == ["product"]
