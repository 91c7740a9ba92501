"""Rows are matched by the key, or compared as whole rows; worked out by hand."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.snapshots.diff.diff import diff
from pipeline.snapshots.diff.values import Cell
from tests.snapshots.diff.conftest import DiffTables, counts, repeated, whole_rows


def test_null_keys_match_each_other(diff_tables: DiffTables) -> None:
    before = {"a": [None, None, 1], "b": [None, "x", None], "v": [1, 2, 3]}
    after = {"a": [None, None, 1], "b": [None, "y", None], "v": [1, 2, 4]}
    d = diff_tables(before, after, "a", "b")
    assert counts(d) == (1, 1, 1, 1)
    assert d.columns[0].samples == (Cell({"a": 1, "b": None}, 3, 4),)
    assert d.removed == ({"a": None, "b": "x", "v": 2},)


@pytest.mark.parametrize("is_sorted", [True, False])
def test_rows_of_a_repeated_key_are_compared_as_whole_rows(
    diff_tables: DiffTables, is_sorted: bool
) -> None:
    # Key 1: x goes, one of two y stays, z comes. Key 2 is repeated on one side only.
    before = pl.DataFrame({"k": [1, 1, 1, 2, 3], "v": ["x", "y", "y", "a", "b"]})
    after = pl.DataFrame({"k": [1, 1, 2, 2, 3], "v": ["y", "z", "a", "a", "c"]})
    if not is_sorted:
        before, after = before.reverse(), after.reverse()
    d = diff_tables(before, after, "k")
    assert repeated(d) == (3, 4)
    assert counts(d) == (2, 2, 1, 2)
    assert d.added == ({"k": 1, "v": "z"}, {"k": 2, "v": "a"})
    assert d.removed == ({"k": 1, "v": "x"}, {"k": 1, "v": "y"})
    assert d.columns[0].samples == (Cell({"k": 3}, "b", "c"),)


def test_repeated_keys_are_counted_also_if_nothing_differs(
    diff_tables: DiffTables,
) -> None:
    table = {"k": [2, 1, 2], "v": [1, 2, 1]}
    d = diff_tables(table, table, "k")
    assert d.is_equal
    assert repeated(d) == (2, 2)
    assert counts(d) == (0, 0, 0, 3)
    nulls = {"k": [None, None, 1], "v": [1, 2, 1]}
    assert repeated(diff_tables(nulls, table, "k")) == (2, 2)


def test_rows_of_one_key_are_compared_as_a_multiset(diff_tables: DiffTables) -> None:
    before = {"x": [1, 1, 1, 2], "y": ["a", "a", "a", "b"]}
    after = {"x": [2, 1, 3], "y": ["b", "a", "c"]}
    d = whole_rows(diff_tables, before, after)
    assert counts(d) == (1, 2, 0, 2)
    assert not any(column.n_changed for column in d.columns)
    assert d.added == ({"same": 0, "x": 3, "y": "c"},)
    assert d.removed == ({"same": 0, "x": 1, "y": "a"},)
    shuffled = {"x": [1, 2, 1, 1], "y": ["a", "b", "a", "a"]}
    assert whole_rows(diff_tables, before, shuffled).is_equal


def test_table_may_consist_of_its_key(diff_tables: DiffTables) -> None:
    d = diff_tables({"k": [1, 2]}, {"k": [2, 3]}, "k")
    assert counts(d) == (1, 1, 0, 1)


def test_empty_objects(diff_tables: DiffTables) -> None:
    full = pl.DataFrame({"k": [1, 2], "x": [0.5, None]})
    empty = full.clear()
    assert counts(diff_tables(empty, full, "k")) == (2, 0, 0, 0)
    assert counts(diff_tables(full, empty, "k")) == (0, 2, 0, 0)
    d = diff_tables(empty, empty, "k")
    assert d.is_equal
    assert (d.rows.before, d.rows.after) == (0, 0)
    assert not diff_tables(empty, empty.rename({"x": "y"}), "k").is_equal


def test_order_of_rows_does_not_matter_but_that_of_columns_does(
    diff_tables: DiffTables,
) -> None:
    before = {"k": [1, 2, 3], "x": [1.0, 2.0, 3.0]}
    assert diff_tables(before, {"k": [3, 1, 2], "x": [3.0, 1.0, 2.0]}, "k").is_equal
    d = diff_tables(before, {"x": [1.0, 2.0, 3.0], "k": [1, 2, 3]}, "k")
    assert d.schema.is_reordered
    assert counts(d) == (0, 0, 0, 3)
    assert not d.is_equal


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


def test_names_are_not_read_as_patterns_nor_clash_with_ours(
    diff_tables: DiffTables,
) -> None:
    names = ["^k.*$", "*", "b0", "k0", "in_b", "n", "m0", "v0", "k1", "a|b", ""]
    before = pl.DataFrame({name: [1, 2] for name in names})
    after = before.with_columns(before["b0"].replace(2, 3))
    d = diff_tables(before, after, "^k.*$", "*")
    assert [c.name for c in d.columns if c.n_changed] == ["b0"]
    assert d.columns[0].samples == (Cell({"^k.*$": 2, "*": 2}, 2, 3),)
    d = diff_tables(before, after, "b0", "k0")
    assert d.removed == (dict.fromkeys(["b0", "k0", *names], 2),)
