from typing import Literal

import polars as pl
import pytest
from polars.exceptions import InvalidOperationError
from polars.testing import assert_frame_equal

from pipeline.errors import SchemaError
from pipeline.panel.unique import added_columns, repeated, unique_by

LF = pl.LazyFrame(
    {"shop": ["s", "s", "t"], "item": [1, 2, 1], "price": [1.0, 2.0, 3.0]}
)


def test_rows_of_unique_keys_are_as_they_were_but_for_null_ones() -> None:
    null = pl.LazyFrame({"shop": ["u"], "item": [None], "price": [4.0]})
    rows = pl.concat([LF, null.cast({"item": pl.Int64})])
    found = unique_by(rows, ["shop", "item"])
    assert_frame_equal(found, LF, check_row_order=False)


@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
def test_a_repeated_key_fails_the_pass_and_is_named_whatever_is_asked_for(
    engine: Literal["streaming", "in-memory"],
) -> None:
    joined = LF.join(unique_by(LF, ["shop"]), on="shop", how="left").select("item")
    with pytest.raises(InvalidOperationError) as caught:
        joined.collect(engine=engine)
    assert "\nfound: more than one row of shop=s\n" in str(repeated(caught.value))
    assert repeated(ValueError("else")) is None


@pytest.mark.parametrize(
    ("columns", "change", "found"),
    [
        (["price"], {}, "both inputs have a column 'price'"),
        (None, {}, "both inputs have a column 'item'"),
        (["n"], {"shop": pl.Categorical()}, "key 'shop' is String in the first input"),
    ],
)
def test_what_cannot_be_added_is_refused_before_data_are_read(
    columns: list[str] | None, change: dict[str, pl.DataType], found: str
) -> None:
    other = LF.with_columns(n=1).cast(change)  # pyright: ignore[reportArgumentType]
    with pytest.raises(SchemaError, match=found):
        added_columns(LF, other, ["shop"], columns)
    assert added_columns(
        LF, other.drop("item", "price").cast({"shop": pl.String}), ["shop"], None
    ) == ["n"]
