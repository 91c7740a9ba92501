"""Means of an entity's past in which what is longer ago counts less."""

from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.panel.past import as_of_origin, dated
from pipeline.panel.split import EVER, Split
from pipeline.transforms import LaggedConfig


class Config(LaggedConfig, frozen=True, kw_only=True):
    """Settings of `ewm`."""

    keys: Annotated[list[str], Meta(min_length=1)]
    columns: list[str]
    half_life: Annotated[float, Meta(gt=0)]
    """Rows after which a value counts half."""
    name: str
    """Appended to each column's name."""


def ewm(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Take exponentially weighted means of an entity's rows up to `lag` rows before.

    The weight of a row n rows before the newest of them is ``0.5 ** (n / half_life)``.
    Rows are counted, not periods: `resample` makes those that are absent.

    Parameters
    ----------
    lf : pl.LazyFrame
        One row per entity (`keys`) and period (`time`); numeric columns.
    config : Config
        Columns and half-life.

    Returns
    -------
    pl.LazyFrame
        Float64 ``{column}{name}{suffix}`` more: of the values that are there, null
        before the first. Sorted by `keys`, then `time`.
    """
    rows = lf.sort(*config.keys, config.time).with_columns(
        pl.col(column)
        .ewm_mean(half_life=config.half_life, ignore_nulls=False)
        .forward_fill()
        .shift(config.lag)
        .over(config.keys)
        .alias(name)
        for column, name in zip(config.columns, _names(config), strict=True)
    )
    return as_of_origin(
        rows,
        past(config),
        config.ahead,
        keys=config.keys,
        time=config.time,
        every=config.every,
    )


def past(config: Config) -> list[str]:
    """Name the columns that are added, unless they are of the row's own period."""
    return _names(config) if config.lag else []


def lookback(config: Config) -> dict[str, range]:
    """Say that each column is of all rows up to the newest, a period each or more."""
    newest = config.lag if config.ahead == 1 else 0
    return dict.fromkeys(_names(config), range(newest, EVER))


def split(config: Config) -> Split:
    """Keep entities whole."""
    return Split(keys=tuple(config.keys))


def _names(config: Config) -> list[str]:
    """Name the columns that are added."""
    return [
        dated(column + config.name, config.suffix, config.lag)
        for column in config.columns
    ]
