"""Two objects of a snapshot are compared by key; cases worked out by hand."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.errors import SnapshotError
from pipeline.snapshots.diff.diff import Column, Diff, DtypeChange, SchemaDiff, diff
from pipeline.snapshots.diff.values import Cell, ColumnDiff
from tests.snapshots.conftest import Compare

DAYS = pl.Series([dt.date(2009, 1, 1), dt.date(2010, 1, 1)])
SAME_SCHEMA = SchemaDiff((), (), (), is_reordered=False)


def counts(d: Diff) -> tuple[int, int, int, int]:
    """Rows added, removed, changed and unchanged."""
    return d.rows.added, d.rows.removed, d.rows.changed, d.rows.unchanged


def repeated(d: Diff) -> tuple[int, int]:
    """Rows with a repeated key, by side."""
    return d.rows.repeated_before, d.rows.repeated_after


def test_rows_are_matched_by_key_and_values_counted(compare: Compare) -> None:
    before = {
        "year": [1, 1, 2, 3],
        "drg": ["a", "b", "a", "a"],
        "cost": [10.0, 20.0, 30.0, 40.0],
        "n": [1, 2, 3, 4],
        "name": ["x", "y", "z", None],
    }
    after = {
        "year": [1, 2, 3, 4],
        "drg": ["a", "a", "a", "a"],
        "cost": [10.0, 33.0, 39.0, 50.0],
        "n": [1, 3, 8, 5],
        "name": ["x", "z", "w", "v"],
    }
    d = compare(before, after, "year", "drg")
    assert (d.rows.before, d.rows.after) == (4, 4)
    assert counts(d) == (1, 1, 2, 1)
    assert d.schema == SAME_SCHEMA
    assert not d.is_equal
    cost, n, name = d.columns
    second, third = {"year": 2, "drg": "a"}, {"year": 3, "drg": "a"}
    assert cost == ColumnDiff(
        "cost", 2, 3.0, 2.0, 3 / 33, (Cell(second, 30.0, 33.0), Cell(third, 40.0, 39.0))
    )
    assert n == ColumnDiff("n", 1, 4.0, 4.0, 0.5, (Cell(third, 4, 8),))
    assert name == ColumnDiff("name", 1, None, None, None, (Cell(third, None, "w"),))
    assert d.added == ({"year": 4, "drg": "a", "cost": 50.0, "n": 5, "name": "v"},)
    assert d.removed == ({"year": 1, "drg": "b", "cost": 20.0, "n": 2, "name": "y"},)


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
    compare: Compare, before: list[Any], after: list[Any], n_changed: int
) -> None:
    d = compare({"k": [1], "x": before}, {"k": [1], "x": after}, "k")
    [column] = d.columns
    assert column.n_changed == d.rows.changed == n_changed
    assert column.max_abs_diff is column.mean_abs_diff is column.max_rel_diff is None
    assert d.is_equal == (n_changed == 0)
    # Also inside of lists, and where rows are compared as a whole.
    assert compare({"x": [before]}, {"x": [after]}).is_equal == (n_changed == 0)


def test_pairs_without_a_finite_difference_do_not_spoil_the_statistics(
    compare: Compare,
) -> None:
    before = {"k": range(6), "x": [1.0, None, nan, inf, 1e308, 4.0]}
    after = {"k": range(6), "x": [2.0, 1.0, 1.0, 1.0, -1e308, 1.0]}
    [x] = compare(before, after, "k").columns
    assert x.n_changed == 6
    assert (x.max_abs_diff, x.mean_abs_diff, x.max_rel_diff) == (3.0, 2.0, 0.75)


def test_difference_of_whole_numbers_neither_overflows_nor_is_rounded_before(
    compare: Compare,
) -> None:
    before = {"k": [1, 2], "x": [2**63 - 1, 2**60]}
    after = {"k": [1, 2], "x": [-(2**63), 2**60 + 1]}
    [x] = compare(before, after, "k").columns
    assert x.n_changed == 2
    assert x.max_abs_diff == 2.0**64
    unsigned = [pl.DataFrame({"k": [1], "x": [n]}) for n in (1, 2)]
    wide = [df.cast({"x": pl.UInt64}) for df in unsigned]
    [x] = compare(*wide, "k").columns
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
    compare: Compare, before: Any, after: Any, is_close: bool
) -> None:
    tables = [{"k": [1], "x": [x]} for x in (before, after)]
    for ordered in (tables, tables[::-1]):
        d = compare(*ordered, "k", tolerance=0.01)
        assert d.is_equal is is_close
        assert d.rows.changed == d.columns[0].n_changed == (not is_close)
        assert not compare(*ordered, "k").is_equal


def test_columns_of_one_side_are_changes_of_the_schema(compare: Compare) -> None:
    before = {"k": [1, 2], "gone": [1, 2], "x": [1.0, 2.0], "y": ["a", "b"]}
    after = {"y": ["a", "b"], "k": [1, 2], "x": [1.0, 2.0], "new": [None, True]}
    d = compare(before, after, "k")
    assert d.schema == SchemaDiff(
        added=(Column("new", "Boolean"),),
        removed=(Column("gone", "Int64"),),
        changed=(),
        is_reordered=True,
    )
    assert counts(d) == (0, 0, 0, 2)
    assert [column.name for column in d.columns] == ["x", "y"]
    assert not d.is_equal


def test_order_of_rows_does_not_matter_but_that_of_columns_does(
    compare: Compare,
) -> None:
    before = {"k": [1, 2, 3], "x": [1.0, 2.0, 3.0]}
    assert compare(before, {"k": [3, 1, 2], "x": [3.0, 1.0, 2.0]}, "k").is_equal
    d = compare(before, {"x": [1.0, 2.0, 3.0], "k": [1, 2, 3]}, "k")
    assert d.schema.is_reordered
    assert counts(d) == (0, 0, 0, 3)
    assert not d.is_equal


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (pl.Series([1, 2], dtype=pl.Int32), pl.Series([1, 2])),
        (pl.Series([1, 2]), pl.Series([1.0, 2.0])),
        (pl.Series([1, 2], dtype=pl.UInt64), pl.Series([1, 2])),
        (pl.Series(["1.0", "2.0"]).str.to_decimal(scale=1), pl.Series([1.0, 2.0])),
        (pl.Series(["b", "a"]), pl.Series(["b", "a"], dtype=pl.Categorical)),
        (
            pl.Series(["b", "a"], dtype=pl.Enum(["b", "a"])),
            pl.Series(["b", "a"], dtype=pl.Enum(["a", "b", "c"])),
        ),
        (DAYS, DAYS.cast(pl.Datetime("us"))),
        (DAYS.cast(pl.Datetime("us")), DAYS.cast(pl.Datetime("ns"))),
        (pl.Series([None, None]), pl.Series([None, None], dtype=pl.String)),
    ],
    ids=lambda series: str(series.dtype),
)
def test_values_of_another_dtype_are_compared_in_the_key_and_outside(
    compare: Compare, before: pl.Series, after: pl.Series
) -> None:
    tables = [{"n": [1, 2], "x": x} for x in (before, after)]
    d = compare(*tables, "n", "x")
    change = DtypeChange("x", str(before.dtype), str(after.dtype), is_compared=True)
    assert d.schema == SchemaDiff((), (), (change,), is_reordered=False)
    assert counts(d) == (0, 0, 0, 2)
    assert not d.is_equal
    assert counts(compare(*tables, "n")) == (0, 0, 0, 2)
    assert counts(compare(*tables)) == (0, 0, 0, 2)


def test_values_of_another_kind_are_not_compared(compare: Compare) -> None:
    d = compare({"k": [1], "x": [1]}, {"k": [1], "x": ["1"]}, "k")
    assert d.schema.changed == (DtypeChange("x", "Int64", "String", is_compared=False),)
    assert d.columns == ()
    assert counts(d) == (0, 0, 0, 1)


def test_null_keys_match_each_other(compare: Compare) -> None:
    before = {"a": [None, None, 1], "b": [None, "x", None], "v": [1, 2, 3]}
    after = {"a": [None, None, 1], "b": [None, "y", None], "v": [1, 2, 4]}
    d = compare(before, after, "a", "b")
    assert counts(d) == (1, 1, 1, 1)
    assert d.columns[0].samples == (Cell({"a": 1, "b": None}, 3, 4),)
    assert d.removed == ({"a": None, "b": "x", "v": 2},)


@pytest.mark.parametrize("is_sorted", [True, False])
def test_rows_of_a_repeated_key_are_compared_as_whole_rows(
    compare: Compare, is_sorted: bool
) -> None:
    # Key 1: x goes, one of two y stays, z comes. Key 2 is repeated on one side only.
    before = pl.DataFrame({"k": [1, 1, 1, 2, 3], "v": ["x", "y", "y", "a", "b"]})
    after = pl.DataFrame({"k": [1, 1, 2, 2, 3], "v": ["y", "z", "a", "a", "c"]})
    if not is_sorted:
        before, after = before.reverse(), after.reverse()
    d = compare(before, after, "k")
    assert repeated(d) == (3, 4)
    assert counts(d) == (2, 2, 1, 2)
    assert d.added == ({"k": 1, "v": "z"}, {"k": 2, "v": "a"})
    assert d.removed == ({"k": 1, "v": "x"}, {"k": 1, "v": "y"})
    assert d.columns[0].samples == (Cell({"k": 3}, "b", "c"),)


def test_repeated_keys_are_counted_also_if_nothing_differs(compare: Compare) -> None:
    table = {"k": [2, 1, 2], "v": [1, 2, 1]}
    d = compare(table, table, "k")
    assert d.is_equal
    assert repeated(d) == (2, 2)
    assert counts(d) == (0, 0, 0, 3)
    nulls = {"k": [None, None, 1], "v": [1, 2, 1]}
    assert repeated(compare(nulls, table, "k")) == (2, 2)


def test_without_a_key_rows_are_compared_as_a_multiset(compare: Compare) -> None:
    before = {"x": [1, 1, 1, 2], "y": ["a", "a", "a", "b"]}
    after = {"x": [2, 1, 3], "y": ["b", "a", "c"]}
    d = compare(before, after)
    assert counts(d) == (1, 2, 0, 2)
    assert d.columns == ()
    assert d.added == ({"x": 3, "y": "c"},)
    assert d.removed == ({"x": 1, "y": "a"},)
    assert compare(before, {"x": [1, 2, 1, 1], "y": ["a", "b", "a", "a"]}).is_equal


def test_rows_without_a_column_in_common_are_all_different(compare: Compare) -> None:
    d = compare({"x": [1, 2]}, {"y": [1, 2, 3]})
    assert counts(d) == (3, 2, 0, 0)


def test_table_may_consist_of_its_key(compare: Compare) -> None:
    d = compare({"k": [1, 2]}, {"k": [2, 3]}, "k")
    assert counts(d) == (1, 1, 0, 1)


@pytest.mark.parametrize("key", [["k"], []], ids=["key", "no key"])
def test_empty_objects(compare: Compare, key: Sequence[str]) -> None:
    full = pl.DataFrame({"k": [1, 2], "x": [0.5, None]})
    empty = full.clear()
    assert counts(compare(empty, full, *key)) == (2, 0, 0, 0)
    assert counts(compare(full, empty, *key)) == (0, 2, 0, 0)
    d = compare(empty, empty, *key)
    assert d.is_equal
    assert (d.rows.before, d.rows.after) == (0, 0)
    assert not compare(empty, empty.rename({"x": "y"}), *key).is_equal


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
def test_values_of_any_dtype_are_compared(compare: Compare, name: str) -> None:
    # The second row's value becomes that of the first.
    changed = NESTED.with_columns(pl.col(name).gather([0, 0, 2]))
    d = compare(NESTED, changed, "k")
    assert {c.name: c.n_changed for c in d.columns if c.n_changed} == {name: 1}
    [cell] = next(c.samples for c in d.columns if c.name == name)
    assert cell.key == {"k": 2}
    assert cell.before == NESTED[name].to_list()[1]
    assert counts(compare(NESTED, changed, "k", tolerance=0.1)) == (0, 0, 1, 2)
    assert counts(compare(NESTED, changed)) == (1, 1, 0, 2)
    # As a key, too.
    assert counts(compare(NESTED, changed, "k", name)) == (1, 1, 0, 2)
    assert compare(NESTED, NESTED.reverse(), name).rows.unchanged == 3


def test_names_are_not_read_as_patterns_nor_clash_with_ours(compare: Compare) -> None:
    names = ["^k.*$", "*", "b0", "k0", "in_b", "n", "m0", "v0", "k1", "a|b", ""]
    before = pl.DataFrame({name: [1, 2] for name in names})
    after = before.with_columns(before["b0"].replace(2, 3))
    d = compare(before, after, "^k.*$", "*")
    assert [c.name for c in d.columns if c.n_changed] == ["b0"]
    assert d.columns[0].samples == (Cell({"^k.*$": 2, "*": 2}, 2, 3),)
    d = compare(before, after, "b0", "k0")
    assert d.removed == (dict.fromkeys(["b0", "k0", *names], 2),)


def test_samples_are_the_first_by_key_and_as_many_as_asked_for(
    compare: Compare,
) -> None:
    before = {"k": [9, 8, 7, 6, 5], "x": [0] * 5, "y": [0] * 5}
    after = {"k": [6, 5, 8, 7, 4, 3, 2], "x": [1] * 7, "y": [0, 0, 0, 1, 0, 0, 0]}
    d = compare(before, after, "k", n_samples=2)
    x, y = d.columns
    assert [cell.key for cell in x.samples] == [{"k": 5}, {"k": 6}]
    assert [cell.key for cell in y.samples] == [{"k": 7}]
    assert [row["k"] for row in d.added] == [2, 3]
    assert [row["k"] for row in d.removed] == [9]
    none = compare(before, after, "k", n_samples=0)
    assert none.columns[0].samples == none.added == none.removed == ()
    assert none.rows == d.rows


def test_large_objects_give_the_same_diff_sorted_and_shuffled(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    n = 200_000
    before = pl.DataFrame({"a": np.arange(n) // 7, "b": np.arange(n) % 7, "x": 1.0})
    kept = before.filter(pl.Series(rng.random(n) < 0.99))
    new = pl.DataFrame({"a": np.arange(1000) * 25, "b": 9, "x": 0.0})
    after = pl.concat(
        [kept.with_columns(x=1.0 + pl.col("b") % 2), new.cast(kept.schema)]
    )
    after = after.sort("a", "b")
    paths = [tmp_path / f"{name}.parquet" for name in ("before", "after", "shuffled")]
    before.write_parquet(paths[0], row_group_size=20_000)
    after.write_parquet(paths[1], row_group_size=30_000)
    after.sample(fraction=1, shuffle=True, seed=1).write_parquet(paths[2])
    by_merging = diff(paths[0], paths[1], ["a", "b"])
    by_hashing = diff(paths[0], paths[2], ["a", "b"])
    assert by_merging == by_hashing
    n_odd = kept.filter(pl.col("b") % 2 == 1).height
    expected = (1000, n - kept.height, n_odd, kept.height - n_odd)
    assert counts(by_merging) == expected
    [x] = by_merging.columns
    assert (x.max_abs_diff, x.mean_abs_diff, x.max_rel_diff) == (1.0, 1.0, 0.5)


def test_path_with_the_signs_of_a_pattern_is_itself(tmp_path: Path) -> None:
    odd = tmp_path / "a [x]*"
    odd.mkdir()
    for name, k in (("b", 1), ("a", 2)):
        pl.DataFrame({"k": [k]}).write_parquet(odd / f"{name}.parquet")
    assert counts(diff(odd / "b.parquet", odd / "a.parquet", ["k"])) == (1, 1, 0, 0)


def test_key_that_one_side_lacks_is_refused(compare: Compare) -> None:
    tables = {"year": [1], "x": [1]}, {"yaer": [1], "x": [1]}
    with pytest.raises(SnapshotError) as caught:
        compare(*tables, "year")
    message = str(caught.value)
    assert "after.parquet: has no key column 'year'; did you mean 'yaer'?" in message
    assert "\nhint: " in message
    with pytest.raises(
        SnapshotError, match=r"before\.parquet: has no key column 'yaer'"
    ):
        compare(*tables, "yaer")


def test_key_that_became_another_kind_is_refused(compare: Compare) -> None:
    with pytest.raises(SnapshotError, match="found: Int64 before, String after"):
        compare({"k": [1]}, {"k": ["1"]}, "k")


@pytest.mark.parametrize("content", [None, b"", b"PAR1\0\0\0\0PAR1", b"k\n1\n"])
def test_object_that_is_missing_or_no_parquet_is_named(
    tmp_path: Path, content: bytes | None
) -> None:
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    pl.DataFrame({"k": [1]}).write_parquet(good)
    if content is not None:
        bad.write_bytes(content)
    for pair in ((good, bad), (bad, good)):
        with pytest.raises(SnapshotError, match=r"bad\.parquet: cannot be read"):
            diff(*pair, ["k"])


def test_damaged_data_is_an_error_a_user_can_act_on(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    pl.DataFrame({"k": range(10_000)}).write_parquet(good)
    content = bytearray(good.read_bytes())
    content[4:200] = bytes(196)
    bad.write_bytes(content)
    with pytest.raises(SnapshotError, match="cannot be compared"):
        diff(good, bad, ["k"])


@pytest.mark.parametrize("tolerance", [-0.1, 1.0, 5.0, nan, inf])
def test_tolerance_out_of_range_is_refused(compare: Compare, tolerance: float) -> None:
    with pytest.raises(SnapshotError, match="expected at least 0 and below 1"):
        compare({"k": [1]}, {"k": [1]}, "k", tolerance=tolerance)


def test_negative_number_of_samples_is_refused(compare: Compare) -> None:
    with pytest.raises(SnapshotError, match="samples: expected at least 0, found -1"):
        compare({"k": [1]}, {"k": [1]}, "k", n_samples=-1)
