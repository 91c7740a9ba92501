"""What a snapshot's columns may be, so that SQL shows what the pipeline has computed.

Found by trying: each dtype and name, through Parquet, in DuckDB 2.0, as CSV and JSON.
"""

from collections.abc import Iterator
from typing import cast

import polars as pl

_REMEDIES: dict[type[pl.DataType], str] = {
    pl.Int128: "cast it to Int64, or to Decimal or Float64 if that is too small",
    pl.UInt128: "cast it to Int64, or to Decimal or Float64 if that is too small",
    pl.Duration: "count it, such as by `.dt.total_seconds()`",
    pl.Binary: "write it as text, such as by `.bin.encode('hex')`",
    pl.Null: "cast it to what it would hold if it held anything",
    pl.Object: "cast it to a dtype that Parquet has",
    pl.Unknown: "cast it to what it is",
}
"""Dtypes that come out as another one, or not at all: 128 bits as 16 bytes, a duration
as a number without its unit, bytes as nothing in JSON."""


def mistakes_in(schema: pl.Schema) -> Iterator[str]:
    """Yield, a line each, the columns that a snapshot cannot have, and why."""
    seen: dict[str, str] = {}
    for name, dtype in schema.items():
        if not name:
            yield "a column has no name: give it one"
        # Of other letters DuckDB tells the case.
        lower = "".join(c.lower() if c.isascii() else c for c in name)
        if lower in seen:
            yield (
                f"'{seen[lower]}' and '{name}' differ in case only, which SQL does not"
                " see: rename one"
            )
        seen.setdefault(lower, name)
        for part in _parts(dtype):
            if part.base_type() in _REMEDIES:
                yield (
                    f"'{name}' is {dtype}, which SQL cannot show:"
                    f" {_REMEDIES[part.base_type()]}"
                )
                break


def _parts(dtype: pl.DataType) -> Iterator[pl.DataType]:
    """Yield a dtype, and those that it holds."""
    yield dtype
    match dtype:
        case pl.List() | pl.Array():
            yield from _parts(cast("pl.DataType", dtype.inner))
        case pl.Struct():
            for field in dtype.fields:
                yield from _parts(cast("pl.DataType", field.dtype))
        case _:
            pass
