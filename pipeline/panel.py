"""Expressions over panels: exact sums, lags and weighted medians."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import polars as pl
import polars.selectors as cs

By: TypeAlias = Literal["calendar", "row"]
"""Whether the past is counted in periods of time or in rows of the entity."""

WORKING = "\0"
"""Begins the names of working columns, so that they cannot meet one of the user's."""

_ABOVE = f"{WORKING}above"
_MASK = f"{WORKING}mask"

# A power of two, so that scaling a float rounds nothing away.
_FIXED_POINT = float(2**33)


def exact_sum(expr: pl.Expr) -> pl.Expr:
    """Sum floats to the same bits in whatever order they are added.

    Each value is taken as a whole multiple of 2**-33 (about 1e-10) and added as a
    128-bit integer, as in a fixed-point accumulator [1]_. Float addition is not
    associative, so a parallel float sum differs from run to run.

    Parameters
    ----------
    expr : pl.Expr
        Numeric; nulls are skipped.

    Returns
    -------
    pl.Expr
        Float64, one value per group; 0 where all values are null.

    Raises
    ------
    polars.exceptions.InvalidOperationError
        When executed, for NaN, infinity and magnitudes above 1.9e28.

    References
    ----------
    .. [1] Kulisch, "Computer Arithmetic and Validity", de Gruyter, 2nd ed. 2013, ch. 8.
    """
    units = (expr * _FIXED_POINT).round().cast(pl.Int128)
    return units.sum().cast(pl.Float64) / _FIXED_POINT


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
        Sorted by `keys`, then `time`, with a column ``past(column, distance)`` more per
        column and distance, of the column's dtype; null where there is no such row.
    """
    # On the calendar, the row n periods before is at most n rows up, fewer where
    # periods are missing.
    shifts = {n: range(1, n + 1) if by == "calendar" else [n] for n in distances}
    all_rows = sorted({rows for n in distances for rows in shifts[n]})

    def above(column: str, rows: int) -> pl.Expr:
        return pl.col(_above(rows)).struct.field(column)

    def same_entity(rows: int) -> pl.Expr:
        same = pl.all_horizontal(pl.col(key) == above(key, rows) for key in keys)
        return same.alias(_mask(rows))

    def is_past(n: int, rows: int) -> pl.Expr:
        is_past = pl.col(_mask(rows))
        if by == "calendar":
            is_past &= pl.col(time) - above(time, rows) == n
        return is_past.alias(_mask(rows, n))

    def value(column: str, n: int) -> pl.Expr:
        values = [
            pl.when(_mask(rows, n)).then(above(column, rows)) for rows in shifts[n]
        ]
        return pl.coalesce(values).alias(past(column, n))

    # Masks are columns of their own: within each expression they would be made anew.
    # One shift of a struct is faster than one per column.
    row = pl.struct(*dict.fromkeys([*keys, time, *columns]))
    return (
        lf.sort(*keys, time)
        .with_columns(row.shift(rows).alias(_above(rows)) for rows in all_rows)
        .with_columns(same_entity(rows) for rows in all_rows)
        .with_columns(is_past(n, rows) for n in distances for rows in shifts[n])
        .with_columns(value(column, n) for n in distances for column in columns)
        .drop(cs.starts_with(_ABOVE, _MASK))
    )


def past(column: str, distance: int) -> str:
    """Name the column that `with_past` adds."""
    return f"{WORKING}{distance}-{column}"


def _above(rows: int) -> str:
    """Name the working column of the row so many rows up."""
    return f"{_ABOVE}{rows}"


def _mask(rows: int, distance: int = 0) -> str:
    """Name the working column that tells if the row so many rows up is the past."""
    return f"{_MASK}{rows}-{distance}"
