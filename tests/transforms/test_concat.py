import polars as pl
import pytest

from pipeline.errors import SchemaError
from pipeline.transforms.concat import Config, concat

LF = pl.LazyFrame({"shop": ["s"], "n": [1]})


def test_rows_stand_below_each_other_whatever_the_order_of_columns() -> None:
    other = pl.LazyFrame({"n": [2, 3], "shop": ["t", None]})
    made = concat(LF, other, Config()).collect()
    assert made.rows() == [("s", 1), ("t", 2), (None, 3)]


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"shop": ["t"], "n": [1.5]}, "column 'n' is Int64 in the first .* Float64"),
        ({"shop": ["t"]}, "column 'n' is Int64 .* absent in the second"),
        ({"shop": ["t"], "n": [1], "x": [1]}, "column 'x' is absent in the first"),
    ],
)
def test_columns_that_are_not_the_same_are_named(
    other: dict[str, list[object]], found: str
) -> None:
    with pytest.raises(SchemaError, match=found):
        concat(LF, pl.LazyFrame(other), Config())
