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
    """A feature that differs where it must not."""

    column: str
    """The feature, or `ROWS`."""
    check: str
    """What was done that should have changed nothing."""
    times: tuple[int, ...]
    """The periods of the values that differ, sorted."""
    n_values: int
    """How many of them do; of `ROWS`, how many rows come or go."""
    example: str
    """The first of them: key, value before and value after."""


class World(NamedTuple):
    """The features that some raw rows lead to, and the keys of the panel's rows."""

    features: pl.DataFrame
    keys: pl.DataFrame

    def at(self, is_then: pl.Expr) -> "World":
        """Keep some periods."""
        return World(self.features.filter(is_then), self.keys.filter(is_then))


def differences(
    before: World, after: World, columns: Sequence[str], *, time: str, check: str
) -> tuple[list[Leak], int]:
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
    tuple of (list of Leak, int)
        A leak per column that differs, in the order of `columns`; then one of `ROWS` if
        a key has features in one of the worlds only. How many pairs were compared.
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
    return leaks, (joined.height - counts[_ROW].item()) * len(columns)


def _leak(
    rows: pl.DataFrame, key: list[str], time: str, column: str, check: str
) -> Leak:
    """Make a leak of the rows in which a column differs."""
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
    """Write a line per leaking column, in the order in which they first come."""
    by_column: dict[str, list[Leak]] = {}
    for leak in leaks:
        by_column.setdefault(leak.column, []).append(leak)
    lines: list[str] = []
    for column, found in by_column.items():
        times = describe_span({time for leak in found for time in leak.times})
        checks = ", ".join(dict.fromkeys(leak.check for leak in found))
        n_values = sum(leak.n_values for leak in found)
        noun = "rows come or go" if column == ROWS else "values differ"
        lines.append(
            f"{column}: {times}: {n_values:,} {noun} ({checks}); {found[0].example}"
        )
    return lines


def describe_span(times: Iterable[int]) -> str:
    """Write periods, in any order, as ranges: ``2010-2012, 2014``."""
    ranges: list[list[int]] = []
    for time in sorted(set(times)):
        if ranges and time == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], time]
        else:
            ranges.append([time])
    return ", ".join("-".join(map(str, ends)) for ends in ranges)
