"""What an entity's columns were some periods before."""

from typing import Annotated, TypeAlias

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.panel.past import By, dated, past_of, with_past
from pipeline.panel.periods import Every
from pipeline.panel.split import Split

Distance: TypeAlias = Annotated[int, Meta(ge=1, le=9999)]


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `lag_columns`."""

    keys: Annotated[list[str], Meta(min_length=1)]
    time: str
    every: Every
    columns: list[str]
    periods: Annotated[
        Distance | Annotated[list[Distance], Meta(min_length=1)],
        Meta(description="a number from 1 to 9999, or a list of such"),
    ]
    by: By
    suffix: str
    """Appended to each name, with ``{}`` for the number of periods."""


def lag_columns(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Add the value of each column `periods` before, for the same entity.

    Parameters
    ----------
    lf : pl.LazyFrame
        One row per entity (`keys`) and period (`time`).
    config : Config
        Columns, distances, and whether they are counted on the calendar or in rows.

    Returns
    -------
    pl.LazyFrame
        One column more per distance and column, of the column's dtype; null where the
        entity has no such row. Sorted by `keys`, then `time`.
    """
    distances = _distances(config)
    lagged = with_past(
        lf,
        config.columns,
        distances,
        keys=config.keys,
        time=config.time,
        every=config.every,
        by=config.by,
    )
    lags = [past_of(column, n) for n in distances for column in config.columns]
    return lagged.rename(dict(zip(lags, past(config), strict=True)))


def past(config: Config) -> list[str]:
    """Name the columns that are added."""
    return [
        dated(column, config.suffix, n)
        for n in _distances(config)
        for column in config.columns
    ]


def split(config: Config) -> Split:
    """Keep entities whole."""
    return Split(keys=tuple(config.keys))


def _distances(config: Config) -> list[int]:
    """List the distances, of which one may stand alone."""
    return config.periods if isinstance(config.periods, list) else [config.periods]
