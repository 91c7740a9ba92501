"""Expressions over panels: exact sums, packed keys and lags."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import polars as pl
import polars.selectors as cs

By: TypeAlias = Literal["calendar", "row"]
"""Whether the past is counted in periods of time or in rows of the entity."""

WORKING = "\0"
"""Begins the names of working columns, so that they cannot meet one of the user's."""

KEY = f"{WORKING}key"
"""The working column of packed keys."""

_MASK = f"{WORKING}mask"
_UP = f"{WORKING}up"

# A power of two, so that scaling a float rounds nothing away.
_FIXED_POINT = float(2**33)

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


def to_fixed_point(expr: pl.Expr) -> pl.Expr:
    """Take floats as whole numbers, which add up to the same bits in any order.

    Each value becomes a whole multiple of 2**-33 (about 1e-10), as in a fixed-point
    accumulator [1]_. Float addition is not associative, so a parallel float sum
    differs from run to run.

    Parameters
    ----------
    expr : pl.Expr
        Numeric.

    Returns
    -------
    pl.Expr
        Int128, to be summed and given to `from_fixed_point`; null where `expr` is.

    Raises
    ------
    polars.exceptions.InvalidOperationError
        When executed, for NaN, infinity and magnitudes above 1.9e28.

    References
    ----------
    .. [1] Kulisch, "Computer Arithmetic and Validity", de Gruyter, 2nd ed. 2013, ch. 8.
    """
    return (expr * _FIXED_POINT).round().cast(pl.Int128)


def from_fixed_point(total: pl.Expr) -> pl.Expr:
    """Turn a sum of what `to_fixed_point` gave into a Float64."""
    return total.cast(pl.Float64) / _FIXED_POINT


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


def with_past(
    lf: pl.LazyFrame,
    columns: Sequence[str],
    distances: Sequence[int],
    *,
    keys: Sequence[str],
    time: str,
    by: By,
) -> pl.LazyFrame:
    """Add what columns of the same entity were some periods, or rows, before.

    Sorting once, shifting and masking costs milliseconds where a window per column
    hashes every row again.

    Parameters
    ----------
    lf : pl.LazyFrame
        One row per entity and period.
    columns : sequence of str
        Columns of any dtypes.
    distances : sequence of int
        How far back, each at least 1.
    keys : sequence of str
        Columns that name the entity; a null one never has a past.
    time : str
        Integer period, such as the year.
    by : {'calendar', 'row'}
        'calendar' takes the row whose `time` is exactly the distance less. 'row' takes
        the row that many rows before, whatever its time.

    Returns
    -------
    pl.LazyFrame
        Sorted by `keys`, then `time`, with a column ``past_of(column, distance)`` more
        per column and distance, of the column's dtype; null where there is no such row.
    """
    # On the calendar, the row n periods before is at most n rows up, fewer where
    # periods are missing.
    shifts = {n: range(1, n + 1) if by == "calendar" else [n] for n in distances}
    shifted = sorted({rows for n in distances for rows in shifts[n]})

    def same_entity(rows: int) -> pl.Expr:
        same = pl.all_horizontal(pl.col(key) == pl.col(_up(key, rows)) for key in keys)
        return same.alias(_mask(rows))

    def is_past(n: int, rows: int) -> pl.Expr:
        is_past = pl.col(_mask(rows))
        if by == "calendar":
            is_past &= pl.col(time) - pl.col(_up(time, rows)) == n
        return is_past.alias(_mask(rows, n))

    def value(column: str, n: int) -> pl.Expr:
        values = [pl.when(_mask(rows, n)).then(_up(column, rows)) for rows in shifts[n]]
        return pl.coalesce(values).alias(past_of(column, n))

    # NOTE: Each step that shifts cuts a row or two off every batch, which Polars then
    # carries on as batches of their own: all is shifted in one step. Masks are columns
    # too: within each expression they would be made anew.
    return (
        lf.sort(*keys, time)
        .with_columns(
            pl.col(column).shift(rows).alias(_up(column, rows))
            for rows in shifted
            for column in dict.fromkeys([*keys, time, *columns])
        )
        .with_columns(same_entity(rows) for rows in shifted)
        .with_columns(is_past(n, rows) for n in distances for rows in shifts[n])
        .with_columns(value(column, n) for n in distances for column in columns)
        .drop(cs.starts_with(_MASK, _UP))
    )


def past_of(column: str, distance: int) -> str:
    """Name the column that `with_past` adds."""
    return f"{WORKING}{distance}-{column}"


def _mask(rows: int, distance: int = 0) -> str:
    """Name the working column that tells if the row so many rows up is the past."""
    return f"{_MASK}{rows}-{distance}"


def _up(column: str, rows: int) -> str:
    """Name the working column of a column's values so many rows up."""
    return f"{_UP}{rows}-{column}"
