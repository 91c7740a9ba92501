"""Parquet files are brought to the declared columns, or refused before data is read."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.errors import SourceError
from pipeline.plan.fingerprint import source_plan
from pipeline.sources import declared
from pipeline.sources.columns import Column, Declared
from pipeline.sources.csv import CsvSource, scan_csv
from pipeline.sources.parquet import (
    ParquetSource,
    diagnose,
    good_table,
    scan_parquet,
)
from pipeline.sources.scan import Scan, Streams

Collect = Callable[[Scan], tuple[pl.DataFrame, pl.DataFrame]]

GOOD: dict[str, Any] = {
    "Year": [2009],
    "Name": ["x"],
    "Discharges": [5],
    "Mean Cost": [1.5],
    "Ratio": [-2.0],
    "Note": [None],
}


def _write(folder: Path, name: str = "raw.parquet", **cells: object) -> Path:
    """Write one good row, with some columns replaced."""
    file = folder / name
    pl.DataFrame({**GOOD, **cells}, schema_overrides={"Note": pl.String}).write_parquet(
        file
    )
    return file


@pytest.mark.parametrize(
    "cells",
    [
        {"Year": pl.Series([2009], dtype=pl.UInt16)},
        {"Year": [2009.0]},
        {"Year": ["02009"]},
        {"Name": pl.Series(["x"], dtype=pl.Categorical)},
        {"Name": pl.Series(["x"], dtype=pl.Enum(["x"]))},
        {"Discharges": [" 5.0 "]},
        {"Mean Cost": ["$1.50"]},
        {"Mean Cost": [Decimal("1.50")]},
        {"Mean Cost": pl.Series([1.5], dtype=pl.Float32)},
        {"Ratio": [-2]},
        {"Extra": [dt.date(2009, 1, 1)]},
    ],
    ids=lambda cells: "{}: {}".format(
        *next((k, pl.Series(v).dtype) for k, v in cells.items())
    ),
)
def test_castable_columns_become_the_declared_ones(
    cells: dict[str, Any],
    tmp_path: Path,
    collect: Collect,
    columns: dict[str, Declared],
) -> None:
    _write(tmp_path, **cells)
    config = ParquetSource(path="raw.parquet", columns=columns)
    rows, bad = collect(scan_parquet(config, tmp_path))
    expected = pl.DataFrame(
        GOOD, schema_overrides={"Year": pl.Int32, "Note": pl.String}
    )
    assert_frame_equal(rows, expected)
    assert bad.is_empty()
    table = pl.read_parquet(tmp_path / "raw.parquet")
    made = good_table(table, config)
    assert made is not None
    assert_frame_equal(made, rows)


@pytest.mark.parametrize(
    ("column", "cell", "value", "reason"),
    [
        ("Year", None, None, "missing code"),
        ("Year", 2009.5, "2009.5", "unreadable code"),
        ("Year", 2**31, str(2**31), "unreadable code"),
        ("Year", float("nan"), "NaN", "unreadable code"),
        ("Discharges", 0, "0", "count below 1"),
        ("Discharges", "8,37", "8,37", "unreadable count"),
        ("Mean Cost", float("inf"), "inf", "money not finite"),
        ("Mean Cost", -1, "-1", "negative money"),
        ("Ratio", float("nan"), "NaN", "number not finite"),
        ("Name", " ", " ", "missing label"),
    ],
    ids=str,
)
def test_bad_row_is_named_with_its_number_value_and_reason(
    column: str,
    cell: object,
    value: str | None,
    reason: str,
    tmp_path: Path,
    collect: Collect,
    columns: dict[str, Declared],
) -> None:
    good = GOOD[column][0]
    # A frame whose second row is bad; mixed numbers become floats, as anywhere.
    file = tmp_path / "raw.parquet"
    cells = pl.Series(
        [str(good) if isinstance(cell, str) else good, cell], strict=False
    )
    twice = {name: cell * 2 for name, cell in GOOD.items()}
    pl.DataFrame({**twice, column: cells}, schema_overrides={"Note": pl.String}).cast(
        {column: cells.dtype}
    ).write_parquet(file)
    config = ParquetSource(path="raw.parquet", columns=columns)
    scan = scan_parquet(config, tmp_path)
    rows, bad = collect(scan)
    assert good_table(pl.read_parquet(file), config) is None
    assert scan.exact
    assert rows.height == 1
    assert scan.number_lines(bad).drop("value").rows() == [
        (file.name, 2, column, reason)
    ]
    shown = bad["value"].item()
    assert shown == value or float(shown) == float(str(value))


def test_parquet_and_csv_of_a_table_give_the_same_rows(
    tmp_path: Path, collect: Collect, columns: dict[str, Declared]
) -> None:
    table = pl.DataFrame(
        {
            "Note": ["NA", None],
            "Year": ["004", "2010"],
            "Name": ["a, b", "c"],
            "Discharges": ["1,234", "5"],
            "Mean Cost": ["$8,375.41", "1e3"],
            "Ratio": [None, "-2.5"],
        }
    )
    table.write_parquet(tmp_path / "raw.parquet")
    table.write_csv(tmp_path / "raw.csv")
    of_parquet, _ = collect(
        scan_parquet(ParquetSource(path="raw.parquet", columns=columns), tmp_path)
    )
    of_csv, _ = collect(scan_csv(CsvSource(path="raw.csv", columns=columns), tmp_path))
    assert_frame_equal(of_parquet, of_csv, check_exact=True)
    assert of_parquet.height == 2


def test_files_of_a_glob_may_differ_in_order_and_widths(
    tmp_path: Path, collect: Collect
) -> None:
    pl.DataFrame({"Jahr": [2010], "Cost": [2]}).write_parquet(tmp_path / "b.parquet")
    pl.DataFrame({"Cost": ["$1"], "Year": [2009.0]}).write_parquet(
        tmp_path / "a.parquet"
    )
    config = ParquetSource(
        path="*.parquet",
        columns={"Year": "code", "Cost": "money"},
        rename={"Jahr": "Year"},
    )
    rows, _ = collect(scan_parquet(config, tmp_path))
    assert rows.rows() == [(2009, 1.0), (2010, 2.0)]


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ({"Year": [dt.date(2009, 1, 1)]}, "column 'Year' has the wrong type\nfound: D"),
        ({"Mean Cost": [True]}, "found: Boolean\nexpected: a money, as Float64"),
        ({"Name": [["x"]]}, "column 'Name' has the wrong type\nfound: List(String)"),
        ({name: [] for name in GOOD}, "holds no rows"),
    ],
    ids=["date", "boolean", "list", "no rows"],
)
def test_wrong_column_is_refused_before_data_is_read(
    cells: dict[str, Any], found: str, tmp_path: Path, columns: dict[str, Declared]
) -> None:
    file = _write(tmp_path, **cells)
    config = ParquetSource(path="raw.parquet", columns=columns)
    with pytest.raises(SourceError) as caught:
        scan_parquet(config, tmp_path)
    assert good_table(pl.read_parquet(file), config) is None
    assert str(caught.value).startswith(f"{file}: ")
    assert found in str(caught.value)
    assert "\nhint: " in str(caught.value)


def test_missing_column_is_named_with_the_nearest_found(
    tmp_path: Path, columns: dict[str, Declared]
) -> None:
    pl.DataFrame({**GOOD, "Note": [""]}).rename(
        {"Mean Cost": "Mean Costs"}
    ).write_parquet(tmp_path / "raw.parquet")
    with pytest.raises(SourceError, match="'Mean Cost'; did you mean 'Mean Costs'"):
        scan_parquet(ParquetSource(path="raw.parquet", columns=columns), tmp_path)


@pytest.mark.parametrize("content", [b"", b"Year\n2009\n", b"PAR1\0\0\0\0PAR1"])
def test_file_that_is_no_parquet_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "raw.parquet"
    file.write_bytes(content)
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        scan_parquet(
            ParquetSource(path="raw.parquet", columns={"Year": "code"}), tmp_path
        )


def test_damaged_data_is_diagnosed_after_the_run_failed(
    tmp_path: Path, collect: Collect
) -> None:
    file = tmp_path / "raw.parquet"
    pl.DataFrame({"Year": range(10_000)}).write_parquet(file)
    content = bytearray(file.read_bytes())
    content[4:200] = bytes(196)
    file.write_bytes(content)
    config = ParquetSource(path="raw.parquet", columns={"Year": "code"})
    scan = scan_parquet(config, tmp_path)
    with pytest.raises((pl.exceptions.PolarsError, OSError)):
        collect(scan)
    assert str(diagnose(scan.files)).startswith(f"{file}: cannot be read as Parquet")


HIVE = ParquetSource(
    path="in/**/*.parquet",
    columns={"year": "code", "shop": Column(kind="label", null=True), "Sales": "count"},
)


def _in_folder(root: Path, folder: str, *sales: object, name: str = "a") -> None:
    """Write a file of sales below folders that say of what year and shop they are."""
    (root / "in" / folder).mkdir(parents=True, exist_ok=True)
    file = root / "in" / folder / f"{name}.parquet"
    pl.DataFrame({"Sales": sales}).write_parquet(file)


@pytest.mark.parametrize("streams", ["whole", "pieces"])
def test_columns_that_only_folders_hold_are_columns(
    streams: Streams, tmp_path: Path, collect: Collect
) -> None:
    root = tmp_path / "year=1999"
    _in_folder(root, "year=2015/shop=A%2FB c", 1, 2)
    _in_folder(root, "year=2016/shop=x", 3, 0)
    _in_folder(root, "year=x/shop=x", 4)
    _in_folder(root, "year=2017/shop=__HIVE_DEFAULT_PARTITION__", 5)
    scan = scan_parquet(HIVE, root, streams=streams)
    rows, bad = collect(scan)
    assert rows.rows() == [
        (2015, "A/B c", 1),
        (2015, "A/B c", 2),
        (2016, "x", 3),
        (2017, None, 5),
    ]
    assert bad.select("file", "value", "reason").rows() == [
        ("year=1999/in/year=2016/shop=x/a.parquet", "0", "count below 1"),
        ("year=1999/in/year=x/shop=x/a.parquet", "x", "unreadable code"),
    ]


def test_column_of_the_file_counts_before_its_folder(tmp_path: Path) -> None:
    _in_folder(tmp_path, "Sales=3/year=2015/shop=x", 1)
    assert scan_parquet(HIVE, tmp_path).frames()[0].collect().rows() == [(2015, "x", 1)]


def test_what_folders_say_is_content(tmp_path: Path) -> None:
    plans: set[str] = set()
    for before, folder in (
        ("", "year=2015/shop=x"),
        ("year=2015", "year=2016/shop=x"),
        ("year=2016", "year=2016/shop=y"),
    ):
        if before:
            (tmp_path / "in" / before).rename(tmp_path / before.replace("=", ""))
        _in_folder(tmp_path, folder, 1)
        plans.add(source_plan(HIVE, tmp_path)[0])
    assert len(plans) == 3
    _in_folder(tmp_path / "elsewhere", "deep/year=2016/shop=y", 1)
    assert source_plan(HIVE, tmp_path / "elsewhere")[0] in plans


KINDS: dict[str, Declared] = {
    "Id": "integer",
    "Open": "flag",
    "Share": Column(kind="percent", null=True),
    "Price": Column(kind="decimal", scale=2),
    "Day": "date",
    "At": "datetime",
    "Local": "datetime",
}
NOON = dt.datetime.fromisoformat("2015-10-25T12:00")


def test_typed_columns_are_what_they_are_and_text_is_read_alike(
    tmp_path: Path, collect: Collect
) -> None:
    at = pl.Series([NOON.replace(tzinfo=dt.UTC)]).dt.convert_time_zone("Europe/Berlin")
    typed = pl.DataFrame(
        {
            "Id": pl.Series([2**63 - 1], dtype=pl.UInt64),
            "Open": [True],
            "Share": pl.Series([None], dtype=pl.Float32),
            "Price": pl.Series(["1.50"]).str.to_decimal(scale=4),
            "Day": [NOON.replace(hour=0)],
            "At": at,
            "Local": pl.Series([NOON]).dt.cast_time_unit("ns"),
        }
    )
    typed.write_parquet(tmp_path / "a.parquet")
    text = typed.cast(pl.String).with_columns(
        Id=pl.lit("7"), At=at.dt.convert_time_zone("UTC"), Share=pl.lit("12.5 %")
    )
    text.write_parquet(tmp_path / "b.parquet")
    config = ParquetSource(path="*.parquet", columns=KINDS)
    rows, bad = collect(scan_parquet(config, tmp_path))
    assert bad.is_empty()
    rest = (True, Decimal("1.50"), NOON.date(), NOON.replace(tzinfo=dt.UTC), NOON)
    assert rows.drop("Id", "Share").rows() == [rest, rest]
    assert rows.select("Id", "Share").rows() == [(2**63 - 1, None), (7, 12.5)]
    assert rows.schema["At"] == pl.Datetime("us", "UTC")
    assert declared(config, tmp_path).collect_schema() == rows.schema
    for file, row in (("a.parquet", 0), ("b.parquet", 1)):
        table = pl.read_parquet(tmp_path / file)
        made = good_table(table, config)
        assert made is not None
        assert_frame_equal(made, rows[[row]])
    assert good_table(table.drop("Id"), config) is None


@pytest.mark.parametrize(
    ("cell", "kind", "reason"),
    [
        (NOON, "date", "unreadable date"),
        (
            pl.Series([1], dtype=pl.Int64).cast(pl.Datetime("ns")),
            "datetime",
            "unreadable datetime",
        ),
        (pl.Series([2**63], dtype=pl.UInt64), "integer", "unreadable integer"),
        (2.0**53, "integer", "unreadable integer"),
        (2, "flag", "unreadable flag"),
        (Decimal("1.005"), Column(kind="decimal", scale=2), "unreadable decimal"),
        (100.5, Column(kind="percent", max=100), "percent above 100"),
        ("01/02/2015", "date", "unreadable date"),
    ],
    ids=str,
)
def test_typed_cell_that_would_become_another_is_bad(
    cell: Any, kind: Declared, reason: str, tmp_path: Path, collect: Collect
) -> None:
    cells = cell if isinstance(cell, pl.Series) else pl.Series([cell])
    cells.alias("A").to_frame().write_parquet(tmp_path / "a.parquet")
    config = ParquetSource(path="a.parquet", columns={"A": kind})
    _, bad = collect(scan_parquet(config, tmp_path))
    assert bad["reason"].to_list() == [reason]


def test_time_without_a_zone_is_none_beside_files_with_one(
    tmp_path: Path, collect: Collect
) -> None:
    zoned = pl.DataFrame({"At": [NOON.replace(tzinfo=dt.UTC)]})
    zoned.write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"At": [NOON]}).write_parquet(tmp_path / "b.parquet")
    config = ParquetSource(path="*.parquet", columns={"At": "datetime"})
    rows, bad = collect(scan_parquet(config, tmp_path))
    assert rows["At"].to_list() == zoned["At"].to_list()
    assert bad.select("file", "reason").rows() == [("b.parquet", "unreadable datetime")]
