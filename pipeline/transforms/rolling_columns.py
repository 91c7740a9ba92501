"""Means and other figures of an entity's columns over the periods before."""

import functools
import operator
from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

import polars as pl
import polars.selectors as cs
from msgspec import Meta

from pipeline.panel.keys import WORKING
from pipeline.panel.past import dated, past_of
from pipeline.panel.split import Split
from pipeline.transforms import EntityPastConfig

Function: TypeAlias = Literal["mean", "std", "min", "max"]

_N, _MEAN = f"{WORKING}n ", f"{WORKING}mean "


class Config(EntityPastConfig, frozen=True, kw_only=True):
    """Settings of `rolling_columns`."""

    window: Annotated[int, Meta(ge=1, le=60)]
    min_samples: Annotated[int, Meta(ge=1)]
    functions: Annotated[list[Function], Meta(min_length=1)]
    """Figures of the window."""
    drop_nulls: bool
    """Drop the rows where any of the figures is null."""
    suffix: str
    """Appended to each name, with ``{}`` for the window; then, but for the mean, the
    function."""

    def __post_init__(self) -> None:
        """Refuse a figure that could never be taken."""
        if self.min_samples > self.window:
            found = f"{self.min_samples} > {self.window}"
            raise ValueError(f"expected min_samples <= window, found {found}")


def rolling_columns(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Take figures of each column over an entity's `window` periods before.

    The window is ``[t - window, t - 1]``: a row never sees itself. Of a row `ahead`
    periods after the newest known one, it ends with that.

    Parameters
    ----------
    lf : pl.LazyFrame
        One row per entity (`keys`) and period (`time`); numeric columns.
    config : Config
        Columns, window, and whether it is counted on the calendar or in rows.

    Returns
    -------
    pl.LazyFrame
        One column more per column and function, of the values that are there: Float64,
        but ``min`` and ``max`` of the column's dtype; null if they are fewer than
        `min_samples`. ``std`` is that of a sample, null of a single value.
        Sorted by `keys`, then `time`.
    """
    names = _names(config)
    of_windows = config.with_window(lf, config.back(1), config.back(config.window))
    # NOTE: Each is a column of its own: within others it would be made anew.
    rolled = (
        of_windows.with_columns(
            _sum(
                value.is_not_null().cast(pl.Int32) for value in _window(column, config)
            ).alias(_N + column)
            for column in config.columns
        )
        .with_columns(
            # NOTE: Polars' mean_horizontal takes four times as long as these two sums.
            (
                _sum(value.fill_null(0) for value in _window(column, config))
                / pl.col(_N + column)
            ).alias(_MEAN + column)
            for column in config.columns
        )
        .with_columns(
            pl.when(pl.col(_N + column) >= config.min_samples)
            .then(_figure(function, column, config))
            .alias(name)
            for (function, column), name in names.items()
        )
        .drop(cs.starts_with(WORKING))
    )
    rolled = config.as_of_origin(rolled, past(config))
    return rolled.drop_nulls(past(config)) if config.drop_nulls else rolled


def past(config: Config) -> list[str]:
    """Name the columns that are added."""
    return [*_names(config).values()]


def lookback(config: Config) -> dict[str, range]:
    """Say that each column is of the window."""
    window = range(config.back(1), config.back(config.window) + 1)
    return dict.fromkeys(past(config), window)


def split(config: Config) -> Split:
    """Keep entities whole."""
    return Split(keys=tuple(config.keys))


def _names(config: Config) -> dict[tuple[Function, str], str]:
    """Name the column of each function and column."""
    return {
        (function, column): dated(column, config.suffix, config.window)
        + (f"_{function}" if function != "mean" else "")
        for function in config.functions
        for column in config.columns
    }


def _rows(config: Config) -> range:
    """Say how many rows up those of the window may be."""
    first, last = config.back(1), config.back(config.window)
    return range(1 if config.by == "calendar" else first, last + 1)


def _window(column: str, config: Config) -> list[pl.Expr]:
    """Take the values of a column in the periods before."""
    return [pl.col(past_of(column, n)) for n in _rows(config)]


def _sum(values: Iterable[pl.Expr]) -> pl.Expr:
    """Add columns in their order."""
    return functools.reduce(operator.add, values)


def _figure(function: Function, column: str, config: Config) -> pl.Expr:
    """Take a figure of the values that are there."""
    values, mean, n_known = _window(column, config), _MEAN + column, pl.col(_N + column)
    match function:
        case "mean":
            return pl.col(mean)
        case "std":
            squares = _sum(
                (value - pl.col(mean)).pow(2).fill_null(0) for value in values
            )
            return pl.when(n_known > 1).then((squares / (n_known - 1)).sqrt())
        case "min":
            return pl.min_horizontal(values)
        case "max":
            return pl.max_horizontal(values)
