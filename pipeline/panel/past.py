"""Expressions over panels: exact sums, packed keys and lags."""

import functools
from collections.abc import Sequence
from typing import Literal, TypeAlias

import polars as pl
import polars.selectors as cs

from pipeline.panel.keys import WORKING, left_join
from pipeline.panel.periods import Every, number, time_dtype

By: TypeAlias = Literal["calendar", "row"]
"""Whether the past is counted in periods of time or in rows of the entity."""


MAX_SHIFT = 60
"""On the calendar, what is longer ago is joined: a shift per period would hold all."""

_PERIOD = f"{WORKING}period"
_MASK = f"{WORKING}mask"
_UP = f"{WORKING}up"


def with_past(
    lf: pl.LazyFrame,
    columns: Sequence[str],
    distances: Sequence[int],
    *,
    keys: Sequence[str],
    time: str,
    every: Every,
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
        Whole number, date or datetime; no two of an entity in one period.
    every : Every
        Length of a period.
    by : {'calendar', 'row'}
        'calendar' takes the row whose period is exactly so many before. 'row' takes
        the row that many rows before, whatever its time.

    Returns
    -------
    pl.LazyFrame
        Sorted by `keys`, then `time`, with a column ``past_of(column, distance)`` more
        per column and distance, of the column's dtype; null where there is no such row.
    """
    numbered = number(time, every, time_dtype(lf, time))
    is_number = numbered.meta.eq(pl.col(time))
    period = time if is_number else _PERIOD
    # On the calendar, the row n periods before is at most n rows up, fewer where
    # periods are missing.
    far = [n for n in distances if by == "calendar" and n > MAX_SHIFT]
    near = [n for n in distances if n not in far]
    shifts = {n: range(1, n + 1) if by == "calendar" else [n] for n in near}
    shifted = sorted({rows for n in near for rows in shifts[n]})

    def same_entity(rows: int) -> pl.Expr:
        same = pl.all_horizontal(pl.col(key) == pl.col(_up(key, rows)) for key in keys)
        return same.alias(_mask(rows))

    def is_past(n: int, rows: int) -> pl.Expr:
        is_past = pl.col(_mask(rows))
        if by == "calendar":
            is_past &= pl.col(period) - pl.col(_up(period, rows)) == n
        return is_past.alias(_mask(rows, n))

    def value(column: str, n: int) -> pl.Expr:
        values = [pl.when(_mask(rows, n)).then(_up(column, rows)) for rows in shifts[n]]
        return pl.coalesce(values).alias(past_of(column, n))

    # NOTE: Each step that shifts cuts a row or two off every batch, which Polars then
    # carries on as batches of their own: all is shifted in one step. Masks are columns
    # too: within each expression they would be made anew.
    numbered_rows = lf if is_number else lf.with_columns(numbered.alias(_PERIOD))
    ordered = numbered_rows.sort(*keys, time)

    def later(n: int) -> pl.LazyFrame:
        dated = (pl.col(period) + n).cast(time_dtype(ordered, period))
        values = [pl.col(column).alias(past_of(column, n)) for column in columns]
        return ordered.select(*keys, dated, *values)

    with_near = (
        ordered.with_columns(
            pl.col(column).shift(rows).alias(_up(column, rows))
            for rows in shifted
            for column in dict.fromkeys([*keys, period, *columns])
        )
        .with_columns(same_entity(rows) for rows in shifted)
        .with_columns(is_past(n, rows) for n in near for rows in shifts[n])
        .with_columns(value(column, n) for n in near for column in columns)
        .drop(cs.starts_with(_MASK, _UP))
    )
    with_all = functools.reduce(
        lambda made, n: left_join(made, later(n), [*keys, period]), far, with_near
    )
    return with_all.drop(cs.starts_with(_PERIOD))


def dated(name: str, suffix: str, periods: int) -> str:
    """Name a figure by the `periods` it lies back; as it is, if none.

    They stand in `suffix`, which is appended, in place of ``{}``.
    """
    return name + suffix.format(periods) if periods else name


def past_of(column: str, distance: int) -> str:
    """Name the column that `with_past` adds."""
    return f"{WORKING}{distance}-{column}"


def _mask(rows: int, distance: int = 0) -> str:
    """Name the working column that tells if the row so many rows up is the past."""
    return f"{_MASK}{rows}-{distance}"


def _up(column: str, rows: int) -> str:
    """Name the working column of a column's values so many rows up."""
    return f"{_UP}{rows}-{column}"
