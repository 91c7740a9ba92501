"""What an entity's columns were some periods before."""

from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.panel.past import By, dated, past_of, with_past
from pipeline.panel.split import Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `lag_columns`."""

    keys: Annotated[list[str], Meta(min_length=1)]
    time: str
    columns: list[str]
    periods: Annotated[int, Meta(ge=1, le=60)]
    by: By
    suffix: str
    """Appended to each name, with ``{}`` for the number of periods."""


def lag_columns(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Add the value of each column `periods` before, for the same entity.

    Parameters
    ----------
    lf : pl.LazyFrame
        One row per entity (`keys`) and period (`time`, an integer).
    config : Config
        Columns, distance, and whether it is counted on the calendar or in rows.

    Returns
    -------
    pl.LazyFrame
        One column more per column, of its dtype; null where the entity has no such
        row. Sorted by `keys`, then `time`.
    """
    n = config.periods
    lagged = with_past(
        lf, config.columns, [n], keys=config.keys, time=config.time, by=config.by
    )
    lags = [past_of(column, n) for column in config.columns]
    return lagged.rename(dict(zip(lags, past(config), strict=True)))


def past(config: Config) -> list[str]:
    """Name the columns that are added."""
    return [dated(column, config.suffix, config.periods) for column in config.columns]


def split(config: Config) -> Split:
    """Keep entities whole."""
    return Split(keys=tuple(config.keys))
