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

_MOST_CUTS = 4
"""Of a batch, in one step: more take longer than to put it together again."""

_PERIOD = f"{WORKING}period"
_MASK = f"{WORKING}mask"
_UP = f"{WORKING}up"
_ABOVE = f"{WORKING}above"


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
    ordered, period = _in_order(lf, keys, time, every)
    # On the calendar, the row n periods before is at most n rows up, fewer where
    # periods are missing.
    far = [n for n in distances if by == "calendar" and n > MAX_SHIFT]
    near = [n for n in distances if n not in far]
    shifts = {n: range(1, n + 1) if by == "calendar" else [n] for n in near}

    def is_past(n: int, rows: int) -> pl.Expr:
        is_past = pl.col(_ABOVE) >= rows
        if by == "calendar":
            is_past &= pl.col(period) - pl.col(_up(period, rows)) == n
        return is_past.alias(_mask(rows, n))

    def value(column: str, n: int) -> pl.Expr:
        values = [pl.when(_mask(rows, n)).then(_up(column, rows)) for rows in shifts[n]]
        return pl.coalesce(values).alias(past_of(column, n))

    def later(n: int) -> pl.LazyFrame:
        dated = (pl.col(period) + n).cast(time_dtype(ordered, period))
        values = [pl.col(column).alias(past_of(column, n)) for column in columns]
        return ordered.select(*keys, dated, *values)

    shifted = sorted({rows for n in near for rows in shifts[n]})
    with_near = (
        _with_rows_up(ordered, [period, *columns], shifted)
        .with_columns(is_past(n, rows) for n in near for rows in shifts[n])
        .with_columns(value(column, n) for n in near for column in columns)
        .drop(cs.starts_with(_MASK, _UP, _ABOVE))
    )
    with_all = functools.reduce(
        lambda made, n: left_join(made, later(n), [*keys, period]), far, with_near
    )
    return with_all.drop(cs.starts_with(_PERIOD))


def with_window(
    lf: pl.LazyFrame,
    columns: Sequence[str],
    first: int,
    last: int,
    *,
    keys: Sequence[str],
    time: str,
    every: Every,
    by: By,
) -> pl.LazyFrame:
    """Add what columns of the same entity were in a window of periods, or rows, before.

    Where only all of them matter, and not which is which, there is a shift per row, and
    no choice among those that may be n periods ago.

    Parameters
    ----------
    first, last : int
        How far back the newest and the oldest lie, at least 1.
    lf, columns, keys, time, every, by
        As of `with_past`.

    Returns
    -------
    pl.LazyFrame
        Sorted by `keys`, then `time`, with a column ``past_of(column, n)`` more per
        column and n from 1 to `last`, of the column's dtype: of the row n rows up; null
        where that is none of the window. The newest come first.
    """
    ordered, period = _in_order(lf, keys, time, every)
    rows = range(1 if by == "calendar" else first, last + 1)

    def is_past(n: int) -> pl.Expr:
        is_past = pl.col(_ABOVE) >= n
        if by == "calendar":
            ago = pl.col(period) - pl.col(_up(period, n))
            is_past &= (ago <= last) if first == 1 else ago.is_between(first, last)
        return is_past.alias(_mask(n))

    return (
        _with_rows_up(ordered, [period, *columns], rows)
        .with_columns(is_past(n) for n in rows)
        .with_columns(
            pl.when(_mask(n)).then(_up(column, n)).alias(past_of(column, n))
            for n in rows
            for column in columns
        )
        .drop(cs.starts_with(_MASK, _UP, _ABOVE, _PERIOD))
    )


def as_of_origin(
    lf: pl.LazyFrame,
    figures: Sequence[str],
    ahead: int,
    *,
    keys: Sequence[str],
    time: str,
    every: Every,
) -> pl.LazyFrame:
    """Give rows figures of the rows before as they were known `ahead` periods before.

    Those of the entity's first row that comes after what is known then have seen all of
    it, and nothing else; there is one, at the latest the row itself.

    Parameters
    ----------
    lf : pl.LazyFrame
        One row per entity and period.
    figures : sequence of str
        Columns that are made of the entity's rows before.
    ahead : int
        Periods from the newest that is known to the row's own, at least 1.
    keys, time, every
        As of `with_past`.

    Returns
    -------
    pl.LazyFrame
        The same columns and order, `figures` last.
    """
    if ahead == 1 or not figures:
        return lf
    period = number(time, every, time_dtype(lf, time)).cast(pl.Int64)
    rows = lf.sort(*keys, time).with_columns(period.alias(_PERIOD))
    origin = rows.drop(figures).with_columns(pl.col(_PERIOD) - (ahead - 1))
    return origin.join_asof(
        rows.select(*keys, _PERIOD, *figures),
        on=_PERIOD,
        by=list(keys),
        strategy="forward",
        check_sortedness=False,
    ).drop(_PERIOD)


def _in_order(
    lf: pl.LazyFrame, keys: Sequence[str], time: str, every: Every
) -> tuple[pl.LazyFrame, str]:
    """Sort rows, and count those of the same entity above each; name the period's."""
    numbered = number(time, every, time_dtype(lf, time))
    is_number = numbered.meta.eq(pl.col(time))
    rows = lf if is_number else lf.with_columns(numbered.alias(_PERIOD))
    row = pl.int_range(pl.len())
    is_first = pl.any_horizontal(pl.col(k).ne_missing(pl.col(k).shift(1)) for k in keys)
    first = pl.when(is_first).then(row).forward_fill()
    is_entity = pl.all_horizontal(pl.col(key).is_not_null() for key in keys)
    above = pl.when(is_entity).then(row - first).alias(_ABOVE)
    return rows.sort(*keys, time).with_columns(above), time if is_number else _PERIOD


def _with_rows_up(
    ordered: pl.LazyFrame, columns: Sequence[str], shifted: Sequence[int]
) -> pl.LazyFrame:
    """Add columns as they are some rows up.

    NOTE: Each step that shifts cuts a row or two off every batch, which Polars then
    carries on as batches of their own: all is shifted in one step, and many rows up
    are put together again, as a list of all. Masks are columns too: within each
    expression they would be made anew.
    """

    def up(column: str, rows: int) -> pl.Expr:
        moved = pl.col(column).shift(rows)
        if len(shifted) > _MOST_CUTS:
            moved = moved.implode().explode(empty_as_null=False)
        return moved.alias(_up(column, rows))

    return ordered.with_columns(
        up(column, rows) for rows in shifted for column in dict.fromkeys(columns)
    )


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
