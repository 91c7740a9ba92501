"""Several key columns as one, to sort, group and join by."""

import math
from collections.abc import Mapping, Sequence

import polars as pl

WORKING = "\0"
"""Begins the names of working columns, so that they cannot meet one of the user's."""


KEY = f"{WORKING}key"
"""The working column of packed keys."""


_BITS: dict[pl.DataType, int] = {
    pl.Int8(): 8,
    pl.Int16(): 16,
    pl.Int32(): 32,
    pl.Int64(): 64,
    pl.UInt8(): 8,
    pl.UInt16(): 16,
    pl.UInt32(): 32,
    pl.UInt64(): 64,
}


def packed(keys: Sequence[str], schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """Pack key columns in a single one that sorts and groups as they do together.

    Polars sorts, groups and joins by one integer in about half the time it takes for
    several columns. Whether they fit is told by their dtypes: codes of 32 bits do,
    three or less of them. No value is looked at, so all data are packed alike.

    Parameters
    ----------
    keys : sequence of str
        Columns of any dtypes that sort.
    schema : mapping of str to pl.DataType
        Of the frame that holds them.

    Returns
    -------
    pl.Expr
        The key itself if it is one, Int128 if all are integers that fit, else a
        Struct. A null is less than any value, and two nulls are the same.
    """
    bits = [_BITS.get(schema.get(key, pl.Null())) for key in keys]
    # A digit more than the dtype has values, for null.
    radices = [2**n + 1 for n in bits if n is not None]
    if len(keys) == 1:
        return pl.col(keys[0])
    if len(radices) < len(keys) or math.prod(radices) > 2**127:
        return pl.struct(keys)
    key = pl.lit(0, pl.Int128)
    for name, radix in zip(keys, radices, strict=True):
        null = -1 if schema[name].is_unsigned_integer() else -(radix // 2) - 1
        digit = pl.col(name).cast(pl.Int128).fill_null(null)
        key = key * pl.lit(radix, pl.Int128) + digit
    return key


def left_join(
    lf: pl.LazyFrame, other: pl.LazyFrame, keys: Sequence[str]
) -> pl.LazyFrame:
    """Add the columns of another frame's row of the same keys, and keep the order.

    NOTE: With several keys, Polars takes three times as long to keep the order; with
    one it costs nothing, and saves a sort later.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `keys`, of any dtypes that sort.
    other : pl.LazyFrame
        Holds `keys`, of the same dtypes, and at most one row for each.
    keys : sequence of str
        A row with a null among them finds none.

    Returns
    -------
    pl.LazyFrame
        The rows of `lf`, with nulls where `other` has no row.
    """
    key = packed(keys, lf.collect_schema()).alias(KEY)
    return (
        lf.with_columns(key)
        .join(
            other.drop_nulls(keys).select(key, pl.exclude(keys)),
            on=KEY,
            how="left",
            maintain_order="left",
        )
        .drop(KEY)
    )
