"""Compare the features that two worlds lead to, and say which of them differ."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from pipeline.panel.keys import WORKING

ROWS = "rows"
"""What leaks where it depends on the future if an entity has features at all."""

_ROW = f"{WORKING}row"
_AFTER = f"{WORKING}after"


@dataclass(frozen=True)
class Leak:
    """A feature that differs where it must not.

    Attributes
    ----------
    column : str
        The feature, or `ROWS`.
    check : str
        What was done that should have changed nothing.
    times : tuple of int
        The periods of the values that differ, sorted.
    n_values : int
        How many of them do; of `ROWS`, how many rows come or go.
    example : str
        The first of them: key, value before and value after.
    """

    column: str
    check: str
    times: tuple[int, ...]
    n_values: int
    example: str


class World(NamedTuple):
    """The features that some raw rows lead to, and the keys of the panel's rows."""

    features: pl.DataFrame
    keys: pl.DataFrame


class Comparison(NamedTuple):
    """The leaks between two worlds, and how many pairs of values were compared."""

    leaks: list[Leak]
    n_values: int


def compare(
    before: World, after: World, columns: Sequence[str], *, time: str, check: str
) -> Comparison:
    """Compare the features of the keys that are in the panel of both worlds.

    Parameters
    ----------
    before, after : World
        The columns of ``keys``, without nulls, are the same in both, and name a row of
        the features.
    columns : sequence of str
        The features, of any dtypes. Two nulls are equal, and two NaN.
    time : str
        The integer column of the key that says when.
    check : str
        What makes the difference between the worlds.

    Returns
    -------
    Comparison
        A leak per column that differs, in the order of `columns`; then one of `ROWS` if
        a key has features in one of the worlds only.
    """
    key = before.keys.columns
    left, right = (
        of.features.join(other.keys, on=key, how="semi").select(
            *key, *columns, pl.lit("there").alias(_ROW)
        )
        for of, other in ((before, after), (after, before))
    )
    joined = left.join(right, on=key, how="full", coalesce=True, suffix=_AFTER)
    in_both = pl.col(_ROW).is_not_null() & pl.col(_ROW + _AFTER).is_not_null()
    differs = {
        column: in_both & pl.col(column).ne_missing(pl.col(column + _AFTER))
        for column in columns
    } | {_ROW: ~in_both}
    counts = joined.select(is_other.sum().alias(c) for c, is_other in differs.items())
    leaks = [
        _leak(joined.filter(is_other), key, time, column, check)
        for column, is_other in differs.items()
        if counts[column].item()
    ]
    n_both = joined.height - counts[_ROW].item()
    return Comparison(leaks, n_both * len(columns))


def _leak(
    rows: pl.DataFrame, key: list[str], time: str, column: str, check: str
) -> Leak:
    """Describe the rows in which a column differs."""
    times = rows[time].unique().sort().to_list()
    *values, before, after = (
        rows.sort(time, *key).select(*key, column, column + _AFTER).row(0)
    )
    at = ", ".join(f"{name}={value}" for name, value in zip(key, values, strict=True))
    if column == _ROW:
        before, after = (value or "absent" for value in (before, after))
    name = ROWS if column == _ROW else column
    return Leak(name, check, tuple(times), rows.height, f"{at}: {before} -> {after}")


def describe_leaks(leaks: Iterable[Leak]) -> list[str]:
    """Write a line per leaking column, with its first example.

    Parameters
    ----------
    leaks : iterable of Leak
        Those of one column may be apart.

    Returns
    -------
    list of str
        In the order in which the columns first come.
    """
    by_column: dict[str, list[Leak]] = {}
    for leak in leaks:
        by_column.setdefault(leak.column, []).append(leak)
    return [_line(column, found) for column, found in by_column.items()]


def _line(column: str, leaks: list[Leak]) -> str:
    """Say when, by which checks and how often a column leaks."""
    times = span({time for leak in leaks for time in leak.times})
    checks = ", ".join(dict.fromkeys(leak.check for leak in leaks))
    n_values = sum(leak.n_values for leak in leaks)
    noun = "rows come or go" if column == ROWS else "values differ"
    return f"{column}: {times}: {n_values:,} {noun} ({checks}); {leaks[0].example}"


def span(times: Iterable[int]) -> str:
    """Write periods as ranges: ``2010-2012, 2014``.

    Parameters
    ----------
    times : iterable of int
        In any order.

    Returns
    -------
    str
        Empty without periods.
    """
    ranges: list[list[int]] = []
    for time in sorted(set(times)):
        if ranges and time == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], time]
        else:
            ranges.append([time])
    return ", ".join("-".join(map(str, ends)) for ends in ranges)
