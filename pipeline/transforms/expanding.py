"""Figures of all the past of an entity or category: target encoding without leaks."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

import polars as pl
import polars.selectors as cs
from msgspec import Meta

from pipeline.panel.exact import from_fixed_point, to_fixed_point
from pipeline.panel.keys import WORKING, left_join
from pipeline.panel.past import dated
from pipeline.panel.periods import number, time_dtype
from pipeline.panel.split import EVER, Split
from pipeline.transforms import LaggedConfig

Function: TypeAlias = Literal["mean", "count", "std"]

_PERIOD = f"{WORKING}period"


class Config(LaggedConfig, frozen=True, kw_only=True):
    """Settings of `expanding`."""

    keys: Annotated[list[str], Meta(min_length=1)]
    """Columns that name the entity, or a category of several."""
    columns: list[str]
    functions: Annotated[list[Function], Meta(min_length=1)]
    name: str
    """Appended to each column's name, before the function."""


def expanding(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Take figures of all values of the same keys, up to those `lag` periods ago.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds the keys, `time` and numeric columns; any number of rows per period.
    config : Config
        Keys, columns and figures.

    Returns
    -------
    pl.LazyFrame
        ``{column}{name}_{function}{suffix}`` more, to the same bits in whatever order
        the rows come: ``count`` Int64, of the values that are there, 0 without any;
        ``mean`` and ``std`` (of a sample) Float64, null of none, and of one; null of a
        row without a key or time. Sorted by `keys`, then period.
    """
    period = number(config.time, config.every, time_dtype(lf, config.time))
    by, lag = [*config.keys, _PERIOD], config.back(config.lag)
    rows = lf.with_columns(period.cast(pl.Int64).alias(_PERIOD)).sort(by)
    sums = {
        _sum_of(power, column): _power(column, power)
        for column in config.columns
        for power in ((0, 1, 2) if "std" in config.functions else (0, 1))
    }
    known = _before(rows, sums, by) if lag == 1 else _until(rows, sums, by, lag)
    names = _names(config)
    return known.with_columns(
        _figure(function, column).alias(name)
        for (column, function), name in names.items()
    ).drop(cs.starts_with(WORKING))


def _before(
    rows: pl.LazyFrame, sums: Mapping[str, pl.Expr], by: Sequence[str]
) -> pl.LazyFrame:
    """Add up what is of earlier periods of the same keys, in rows that are sorted."""
    is_first = pl.any_horizontal(pl.col(k).ne_missing(pl.col(k).shift(1)) for k in by)
    is_there = pl.all_horizontal(pl.col(key).is_not_null() for key in by)
    is_first |= pl.int_range(pl.len()) == 0
    return (
        rows.with_columns(e.fill_null(0).alias(name) for name, e in sums.items())
        .with_columns(pl.col(n).cum_sum().over(by[:-1]) - pl.col(n) for n in sums)
        .with_columns(pl.when(is_first).then(n).forward_fill().alias(n) for n in sums)
        .with_columns(pl.when(is_there).then(n).alias(n) for n in sums)
    )


def _until(
    rows: pl.LazyFrame, sums: Mapping[str, pl.Expr], by: Sequence[str], lag: int
) -> pl.LazyFrame:
    """Add up what is of the same keys, up to `lag` periods before."""
    every = pl.col(list(sums))
    totals = rows.group_by(by).agg(e.sum().alias(name) for name, e in sums.items())
    # What a period adds counts `lag` later, where there may be no row yet.
    added = totals.with_columns(pl.col(_PERIOD) + lag)
    asked = totals.with_columns(every * 0)
    known = pl.concat([added, asked]).group_by(by).agg(every.sum()).sort(by)
    return left_join(rows, known.with_columns(every.cum_sum().over(by[:-1])), by)


def past(config: Config) -> list[str]:
    """Name the columns that are added, unless they are of the row's own period."""
    return [*_names(config).values()] if config.lag else []


def lookback(config: Config) -> dict[str, range]:
    """Say that each column is of all periods up to the newest."""
    return dict.fromkeys(_names(config).values(), range(config.back(config.lag), EVER))


def split(config: Config) -> Split:
    """Keep what has the same keys whole."""
    return Split(keys=tuple(config.keys))


def _names(config: Config) -> dict[tuple[str, Function], str]:
    """Name the columns that are added."""
    return {
        (column, function): dated(
            f"{column}{config.name}_{function}", config.suffix, config.lag
        )
        for column in config.columns
        for function in config.functions
    }


def _sum_of(power: int, column: str) -> str:
    """Name the working column of the sum of a column's powers."""
    return f"{WORKING}{power}-{column}"


def _power(column: str, power: int) -> pl.Expr:
    """Take a power of a column, which adds up exactly; the power 0 counts."""
    if power == 0:
        return pl.col(column).is_not_null().cast(pl.Int64)
    return to_fixed_point(pl.col(column).cast(pl.Float64).pow(power))


def _figure(function: Function, column: str) -> pl.Expr:
    """Make a figure of the sums of powers."""
    count = pl.col(_sum_of(0, column))
    total, squares = (
        from_fixed_point(pl.col(_sum_of(power, column))) for power in (1, 2)
    )
    match function:
        case "count":
            return count
        case "mean":
            return pl.when(count > 0).then(total / count)
        case "std":
            variance = (squares - total * total / count) / (count - 1)
            return pl.when(count > 1).then(variance.clip(lower_bound=0).sqrt())
