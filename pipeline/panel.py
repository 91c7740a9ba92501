"""Expressions over panels: exact sums, lags and weighted medians."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import polars as pl

By: TypeAlias = Literal["calendar", "row"]
"""Whether the past is counted in periods of time or in rows of the entity."""

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


def lagged(
    column: str, n: int, *, keys: Sequence[str], time: str, by: By = "calendar"
) -> pl.Expr:
    """Value of the same entity `n` periods, or `n` rows, before.

    The frame must be sorted by `keys`, then `time`, with one row per entity and period.
    Shifting a sorted frame and masking costs milliseconds where a window per column
    hashes every row again.

    Parameters
    ----------
    column : str
        Column of any dtype.
    n : int
        Distance into the past, at least 1.
    keys : sequence of str
        Columns that name the entity, not null.
    time : str
        Integer period, such as the year.
    by : {'calendar', 'row'}, default 'calendar'
        'calendar' takes the row whose `time` is exactly `n` less, and is null if there
        is none. 'row' takes the n-th row before, whatever its time.

    Returns
    -------
    pl.Expr of shape (n_rows,)
        Dtype and name of `column`; null where there is no such row.
    """

    def value(rows: int) -> pl.Expr:
        known = pl.all_horizontal(pl.col(key) == pl.col(key).shift(rows) for key in keys)
        if by == "calendar":
            known = known & (pl.col(time) - pl.col(time).shift(rows) == n)
        return pl.when(known).then(pl.col(column).shift(rows))

    # The row `n` periods before is at most `n` rows up, fewer where years are missing.
    return pl.coalesce([value(i) for i in range(1, n + 1)]) if by == "calendar" else value(n)
