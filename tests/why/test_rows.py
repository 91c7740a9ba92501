"""Rows of stages are those of the whole plan, though few are read."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.plan.compose import compose_again
from pipeline.why.rows import Periods, Rows, Values, Where
from pipeline.why.why import rows_of
from tests.why.conftest import Shop


@pytest.fixture(scope="module")
def rows(shop: Shop) -> Rows:
    return rows_of(shop.settings, shop.plan, shop.store, shop.run)


@pytest.mark.parametrize(
    ("stage", "where", "columns"),
    [
        ("revenue", {"store": Values(frozenset(["S1"]))}, ["revenue", "year"]),
        ("common", {"year": Periods(2012, 2013, 1)}, ["item", "sold"]),
        ("dearer", {"item": Values(frozenset([1, None]))}, ["above", "store"]),
        ("rolled", {"store": Values(frozenset(["S2"]))}, ["w_price_rolling2"]),
    ],
)
def test_rows_are_those_of_the_whole(
    shop: Shop, rows: Rows, stage: str, where: Where, columns: list[str]
) -> None:
    whole = compose_again(shop.plan, shop.source().lazy(), {}).lf(stage)
    schema = shop.plan.schema(stage)
    tests = [test.test(name, schema[name]) for name, test in where.items()]
    names = [*dict.fromkeys([*columns, *where])]
    expected = whole.filter(tests).select(names).collect()
    found = rows.read(stage, where, columns)
    assert 0 < found.height < whole.select(pl.len()).collect().item()
    assert_frame_equal(found, expected, check_row_order=False)
