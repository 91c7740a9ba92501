"""Two objects of a snapshot are diffed by key; cases worked out by hand."""

import datetime as dt
from math import inf, nan
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import SnapshotError
from pipeline.snapshots.diff.diff import Column, DtypeChange, Renamed, SchemaDiff, diff
from pipeline.snapshots.diff.report import schema_lines
from pipeline.snapshots.diff.values import Cell, ColumnDiff
from tests.snapshots.diff.conftest import DiffTables, counts, whole_rows

DAYS = pl.Series([dt.date(2009, 1, 1), dt.date(2010, 1, 1)])
SAME_SCHEMA = SchemaDiff((), (), (), is_reordered=False)


def test_rows_are_matched_by_key_and_values_counted(diff_tables: DiffTables) -> None:
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
    d = diff_tables(before, after, "year", "drg")
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


def test_columns_of_one_side_are_changes_of_the_schema(diff_tables: DiffTables) -> None:
    before = {"k": [1, 2], "gone": [1, 2], "x": [1.0, 2.0], "y": ["a", "b"]}
    after = {"y": ["a", "b"], "k": [1, 2], "x": [1.0, 2.0], "new": [None, True]}
    d = diff_tables(before, after, "k")
    assert d.schema == SchemaDiff(
        added=(Column("new", "Boolean"),),
        removed=(Column("gone", "Int64"),),
        changed=(),
        is_reordered=True,
    )
    assert counts(d) == (0, 0, 0, 2)
    assert [column.name for column in d.columns] == ["x", "y"]
    assert not d.is_equal


def test_columns_that_are_only_called_otherwise_are_told(
    diff_tables: DiffTables,
) -> None:
    before = {
        "k": [1, 2],
        "cost": [1.5, None],
        "a": [0, 0],
        "b": [0, 0],
        "n": [[1]] * 2,
    }
    after = {"k": [1, 2], "price": [1.5, None], "c": [0, 0], "m": [[1]] * 2}
    d = diff_tables(before, after, "k")
    assert d.schema.renamed == (Renamed("cost", "price"),)  # c was a or b
    assert {c.name for c in d.schema.removed} == {"cost", "a", "b", "n"}
    other = diff_tables(before, after | {"price": [None, 1.5]}, "k")
    assert other.schema.renamed == ()
    assert schema_lines(d.schema)[-1] == ("=", "cost is price now")
    assert ("-", "cost Float64") not in schema_lines(d.schema)


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
    diff_tables: DiffTables, before: pl.Series, after: pl.Series
) -> None:
    tables = [{"n": [1, 2], "x": x} for x in (before, after)]
    d = diff_tables(*tables, "n", "x")
    change = DtypeChange("x", str(before.dtype), str(after.dtype), is_compared=True)
    assert d.schema == SchemaDiff((), (), (change,), is_reordered=False)
    assert counts(d) == (0, 0, 0, 2)
    assert not d.is_equal
    assert counts(diff_tables(*tables, "n")) == (0, 0, 0, 2)
    assert counts(whole_rows(diff_tables, *tables)) == (0, 0, 0, 2)


def test_values_of_another_kind_are_not_compared(diff_tables: DiffTables) -> None:
    d = diff_tables({"k": [1], "x": [1]}, {"k": [1], "x": ["1"]}, "k")
    assert d.schema.changed == (DtypeChange("x", "Int64", "String", is_compared=False),)
    assert d.columns == ()
    assert counts(d) == (0, 0, 0, 1)


def test_key_that_one_side_lacks_is_refused(diff_tables: DiffTables) -> None:
    tables = {"year": [1], "x": [1]}, {"yaer": [1], "x": [1]}
    with pytest.raises(SnapshotError) as caught:
        diff_tables(*tables, "year")
    message = str(caught.value)
    assert "after.parquet: has no key column 'year'; did you mean 'yaer'?" in message
    assert "\nhint: " in message
    with pytest.raises(
        SnapshotError, match=r"before\.parquet: has no key column 'yaer'"
    ):
        diff_tables(*tables, "yaer")


def test_key_that_became_another_kind_is_refused(diff_tables: DiffTables) -> None:
    with pytest.raises(SnapshotError, match="found: Int64 before, String after"):
        diff_tables({"k": [1]}, {"k": ["1"]}, "k")


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
def test_tolerance_out_of_range_is_refused(
    diff_tables: DiffTables, tolerance: float
) -> None:
    with pytest.raises(SnapshotError, match="expected at least 0 and below 1"):
        diff_tables({"k": [1]}, {"k": [1]}, "k", tolerance=tolerance)
