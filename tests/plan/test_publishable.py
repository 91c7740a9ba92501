"""SQL shows what the pipeline has computed, or the plan is refused."""

from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.datatypes import DataType

from pipeline.plan.publishable import mistakes_in


@pytest.mark.parametrize(
    "dtype",
    [
        *(pl.Int128(), pl.UInt128(), pl.Duration("us"), pl.Binary(), pl.Null()),
        *(pl.Object(), pl.List(pl.Duration("ms")), pl.Array(pl.Int128, 2)),
        pl.Struct({"a": pl.Int8, "b": pl.List(pl.Binary)}),
    ],
    ids=str,
)
def test_what_comes_out_as_something_else_is_refused(dtype: DataType) -> None:
    [said] = mistakes_in(pl.Schema({"year": pl.Int32(), "odd": dtype}))
    assert said.startswith(f"'odd' is {dtype}, which SQL cannot show: ")


def test_all_other_dtypes_come_out_as_they_are(tmp_path: Path) -> None:
    at = datetime(2020, 1, 2, 3, 4, 5)
    values = {
        "i8": pl.lit(-1, pl.Int8),
        "u64": pl.lit(2**64 - 1, pl.UInt64),
        "f32": pl.lit(1.5, pl.Float32),
        "f16": pl.lit(1.5).cast(pl.Float16),
        "b": pl.lit(True),
        "s": pl.lit("ä'\n"),
        "d": pl.lit(date(2020, 1, 2)),
        "t": pl.lit(time(1, 2, 3, 4)),
        "us": pl.lit(at),
        "list": pl.lit([[1, 2]]),
        "ms": pl.lit(at).cast(pl.Datetime("ms")),
        "dec": pl.lit(Decimal("12.345")),
        "d38": pl.lit(Decimal("12345678901234567890.12345")).cast(pl.Decimal(38, 5)),
        "enum": pl.lit("a").cast(pl.Enum(["a"])),
        "st": pl.struct(a=1, b=pl.lit("x")),
    }
    df = pl.DataFrame({"x": [0]}).select(**values)
    assert not list(mistakes_in(df.schema))
    df.write_parquet(tmp_path / "x.parquet")
    with duckdb.connect() as con:
        columns = ", ".join(f'"{name}"' for name in df.columns)
        path = tmp_path / "x.parquet"
        rows = con.execute(f"SELECT {columns} FROM read_parquet('{path}')").fetchall()
    assert rows == df.rows()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["year", "YEAR"], "'year' and 'YEAR' differ in case only"),
        (["a\xe4", "A\xe4"], "'a\xe4' and 'A\xe4' differ in case only"),
        ([""], "a column has no name"),
    ],
)
def test_names_that_sql_does_not_tell_apart_are_refused(
    names: list[str], said: str
) -> None:
    [line] = mistakes_in(pl.Schema(dict.fromkeys(names, pl.Int8())))
    assert said in line


def test_names_that_are_something_elsewhere_are_only_names(tmp_path: Path) -> None:
    names = [
        "rowid",
        "filename",
        "file_row_number",
        "\xe4",
        "\xc4",
        "select",
        'q"x',
        " a",
    ]
    df = pl.DataFrame({name: [i] for i, name in enumerate(names)})
    assert not list(mistakes_in(df.schema))
    df.write_parquet(tmp_path / "x.parquet")
    with duckdb.connect() as con:
        for i, name in enumerate(names):
            column = name.replace('"', '""')
            query = f"SELECT \"{column}\" FROM read_parquet('{tmp_path}/x.parquet')"
            assert con.execute(query).fetchone() == (i,)
