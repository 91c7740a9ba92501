"""A column is carried where each of its values stays in its row."""

from collections.abc import Callable

import polars as pl
import pytest

from pipeline.lineage.carried import carried

Function = Callable[[pl.LazyFrame], pl.LazyFrame]

SCHEMA = pl.Schema({"a": pl.Int64(), "b": pl.Int64(), "c": pl.Int64()})


def _of_the_next(lf: pl.LazyFrame) -> pl.LazyFrame:
    """Take another row's value without computing anything of it."""
    other = lf.select(pl.col("a") + 1, "b")
    return lf.drop("b").join(other, on="a", how="left")


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (
            lambda lf: lf.sort("a").filter(pl.col("c") > 1),
            {"a": "a", "b": "b", "c": "c"},
        ),
        (lambda lf: lf.rename({"a": "x"}), {"x": "a", "b": "b", "c": "c"}),
        (lambda lf: lf.with_columns(b=pl.col("b").shift(1)), {"a": "a", "c": "c"}),
        (lambda lf: lf.with_columns(b=pl.col("b").reverse()), {"a": "a", "c": "c"}),
        (_of_the_next, {"a": "a", "c": "c"}),
        (lambda lf: lf.group_by("a").agg(pl.col("b").first()), {"a": "a"}),
        (lambda lf: lf.unique("a", keep="last"), {}),
        (lambda lf: lf.head(3), {}),
        (lambda lf: lf.map_batches(lambda df: df), {}),
    ],
)
def test_what_is_carried(function: Function, names: dict[str, str]) -> None:
    found = carried(function, [("A", SCHEMA)])
    assert {name: at.column for name, at in found.items()} == names
    assert {at.stage for at in found.values()} <= {"A"}
