"""How columns of an entity changed over some periods, as of a period before."""

from collections.abc import Callable
from typing import Annotated, Literal, TypeAlias

import polars as pl
from msgspec import Meta

from pipeline.panel.past import dated, past_of
from pipeline.panel.split import Split
from pipeline.transforms import EntityPastConfig

Distance: TypeAlias = Annotated[int, Meta(ge=1, le=9999)]
Function: TypeAlias = Literal["difference", "ratio", "growth"]


class Config(EntityPastConfig, frozen=True, kw_only=True):
    """Settings of `change`."""

    periods: Annotated[list[Distance], Meta(min_length=1)]
    """Over how many periods, such as 1, and 12 for a season of months."""
    functions: Annotated[list[Function], Meta(min_length=1)]
    lag: Annotated[int, Meta(ge=0, le=9999)]
    """Up to the value of so many periods before; 0 leaks that of the row's own."""
    suffix: str
    """Appended to the names if `lag` is not 0, with ``{}`` for the lag."""


def change(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Compare each column's value `lag` periods before with one still further back.

    Parameters
    ----------
    lf : pl.LazyFrame
        One row per entity (`keys`) and period (`time`); numeric columns.
    config : Config
        Columns, distances, and whether they are counted on the calendar or in rows.

    Returns
    -------
    pl.LazyFrame
        Float64 ``{column}_{function}{n}{suffix}`` more: ``difference`` is new - old,
        ``ratio`` new / old, ``growth`` new / old - 1; null where either is not there,
        and of an old value of 0, of which nothing is a multiple. Sorted by `keys`, then
        `time`.
    """
    newest = config.back(config.lag)
    distances = [n for n in (newest, *(newest + n for n in config.periods)) if n]

    def value(column: str, distance: int) -> pl.Expr:
        name = past_of(column, distance) if distance else column
        return pl.col(name).cast(pl.Float64)

    changed = config.with_past(lf, distances).with_columns(
        _FUNCTIONS[function](value(column, newest), value(column, newest + n)).alias(
            name
        )
        for (column, function, n), name in _names(config).items()
    )
    return config.as_of_origin(config.drop_past(changed, distances), past(config))


def past(config: Config) -> list[str]:
    """Name the columns that are added, unless they are of the row's own period."""
    return [*_names(config).values()] if config.lag else []


def lookback(config: Config) -> dict[str, range]:
    """Say that each column is of two distances, and of none between."""
    newest = config.back(config.lag)
    return {
        name: range(newest, newest + n + 1, n)
        for (_, _, n), name in _names(config).items()
    }


def split(config: Config) -> Split:
    """Keep entities whole."""
    return Split(keys=tuple(config.keys))


def _names(config: Config) -> dict[tuple[str, Function, int], str]:
    """Name the columns that are added."""
    return {
        (column, function, n): dated(
            f"{column}_{function}{n}", config.suffix, config.lag
        )
        for n in config.periods
        for function in config.functions
        for column in config.columns
    }


def _ratio(new: pl.Expr, old: pl.Expr) -> pl.Expr:
    """Divide, but not by 0."""
    return pl.when(old != 0).then(new / old)


_FUNCTIONS: dict[Function, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "difference": lambda new, old: new - old,
    "ratio": _ratio,
    "growth": lambda new, old: _ratio(new, old) - 1,
}
