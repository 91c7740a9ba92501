"""Which values differ, and by how much; worked out by hand."""

import datetime as dt
from decimal import Decimal
from math import inf, nan
from typing import Any

import polars as pl
import pytest

from tests.snapshots.diff.conftest import DiffTables, counts, whole_rows


@pytest.mark.parametrize(
    ("before", "after", "n_changed"),
    [
        ([nan], [nan], 0),
        ([0.0], [-0.0], 0),
        ([inf], [inf], 0),
        ([None], [None], 0),
        ([None], [0.0], 1),
        ([nan], [None], 1),
        ([nan], [1.0], 1),
        ([inf], [-inf], 1),
        (["a"], ["a "], 1),
        ([True], [False], 1),
        ([True], [None], 1),
    ],
    ids=str,
)
def test_nulls_nan_and_zeros_are_equal_to_their_like_only(
    diff_tables: DiffTables, before: list[Any], after: list[Any], n_changed: int
) -> None:
    d = diff_tables({"k": [1], "x": before}, {"k": [1], "x": after}, "k")
    [column] = d.columns
    assert column.n_changed == d.rows.changed == n_changed
    assert column.max_abs_diff is column.mean_abs_diff is column.max_rel_diff is None
    assert d.is_equal == (n_changed == 0)
    # Also inside of lists, and where rows are compared as a whole.
    assert whole_rows(
        diff_tables, *({"x": [x] * 2} for x in (before, after))
    ).is_equal == (n_changed == 0)


def test_pairs_without_a_finite_difference_do_not_spoil_the_statistics(
    diff_tables: DiffTables,
) -> None:
    before = {"k": range(6), "x": [1.0, None, nan, inf, 1e308, 4.0]}
    after = {"k": range(6), "x": [2.0, 1.0, 1.0, 1.0, -1e308, 1.0]}
    [x] = diff_tables(before, after, "k").columns
    assert x.n_changed == 6
    assert (x.max_abs_diff, x.mean_abs_diff, x.max_rel_diff) == (3.0, 2.0, 0.75)


def test_difference_of_whole_numbers_neither_overflows_nor_is_rounded_before(
    diff_tables: DiffTables,
) -> None:
    before = {"k": [1, 2], "x": [2**63 - 1, 2**60]}
    after = {"k": [1, 2], "x": [-(2**63), 2**60 + 1]}
    [x] = diff_tables(before, after, "k").columns
    assert x.n_changed == 2
    assert x.max_abs_diff == 2.0**64
    unsigned = [pl.DataFrame({"k": [1], "x": [n]}) for n in (1, 2)]
    wide = [df.cast({"x": pl.UInt64}) for df in unsigned]
    [x] = diff_tables(*wide, "k").columns
    assert x.max_abs_diff == 1.0


@pytest.mark.parametrize(
    ("before", "after", "is_close"),
    [
        (100.0, 101.0, True),  # 1 <= 0.01 * 101
        (100.0, 99.0, True),  # 1 <= 0.01 * 100
        (100.0, 98.9, False),
        (0.0, 1e-300, False),
        (-1.0, 1.0, False),
        (inf, 1.0, False),
        (inf, -inf, False),
        (nan, 1.0, False),
        (nan, inf, False),
        (None, 1.0, False),
        (1000, 1001, True),
        (Decimal("1.000"), Decimal("1.001"), True),
        ("1.000", "1.001", False),
    ],
)
def test_tolerance_is_relative_to_the_larger_number(
    diff_tables: DiffTables, before: Any, after: Any, is_close: bool
) -> None:
    tables = [{"k": [1], "x": [x]} for x in (before, after)]
    for ordered in (tables, tables[::-1]):
        d = diff_tables(*ordered, "k", tolerance=0.01)
        assert d.is_equal is is_close
        assert d.rows.changed == d.columns[0].n_changed == (not is_close)
        assert not diff_tables(*ordered, "k").is_equal


NESTED = pl.DataFrame(
    {
        "k": [1, 2, 3],
        "list": [[1.0, nan, None], [], None],
        "struct": [{"a": 1, "b": "x"}, {"a": None, "b": None}, None],
        "deep": [[{"a": [1]}], [None], None],
        "array": pl.Series([[1, 2], [3, None], None], dtype=pl.Array(pl.Int64, 2)),
        "date": [dt.date(2009, 1, 1), dt.date(2010, 1, 1), None],
        "at": [*(dt.datetime(y, 1, 1, tzinfo=dt.UTC) for y in (2009, 2010)), None],
        "time": [dt.time(1), dt.time(2), None],
        "lasting": [dt.timedelta(1), dt.timedelta(2), None],
        "money": [Decimal("1.50"), Decimal("2.50"), None],
        "bytes": [b"\xff", b"", None],
        "huge": pl.Series([2**100, -(2**100), None], dtype=pl.Int128),
        "category": pl.Series(["a", "b", None], dtype=pl.Categorical),
        "choice": pl.Series(["a", "b", None], dtype=pl.Enum(["b", "a"])),
        "nothing": pl.Series([None, None, None], dtype=pl.Null),
    }
)


@pytest.mark.parametrize("name", [n for n in NESTED.columns if n not in "k nothing"])
def test_values_of_any_dtype_are_compared(diff_tables: DiffTables, name: str) -> None:
    # The second row's value becomes that of the first.
    changed = NESTED.with_columns(pl.col(name).gather([0, 0, 2]))
    d = diff_tables(NESTED, changed, "k")
    assert {c.name: c.n_changed for c in d.columns if c.n_changed} == {name: 1}
    [cell] = next(c.samples for c in d.columns if c.name == name)
    assert cell.key == {"k": 2}
    assert cell.before == NESTED[name].to_list()[1]
    assert counts(diff_tables(NESTED, changed, "k", tolerance=0.1)) == (0, 0, 1, 2)
    assert counts(whole_rows(diff_tables, NESTED, changed)) == (1, 1, 0, 2)
    # As a key, too.
    assert counts(diff_tables(NESTED, changed, "k", name)) == (1, 1, 0, 2)
    assert diff_tables(NESTED, NESTED.reverse(), name).rows.unchanged == 3


def test_samples_are_the_first_by_key_and_as_many_as_asked_for(
    diff_tables: DiffTables,
) -> None:
    before = {"k": [9, 8, 7, 6, 5], "x": [0] * 5, "y": [0] * 5}
    after = {"k": [6, 5, 8, 7, 4, 3, 2], "x": [1] * 7, "y": [0, 0, 0, 1, 0, 0, 0]}
    d = diff_tables(before, after, "k", n_samples=2)
    x, y = d.columns
    assert [cell.key for cell in x.samples] == [{"k": 5}, {"k": 6}]
    assert [cell.key for cell in y.samples] == [{"k": 7}]
    assert [row["k"] for row in d.added] == [2, 3]
    assert [row["k"] for row in d.removed] == [9]
    none = diff_tables(before, after, "k", n_samples=0)
    assert none.columns[0].samples == none.added == none.removed == ()
    assert none.rows == d.rows
