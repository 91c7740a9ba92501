"""Columns of another input's latest row before, such as the last price of a list."""

from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.panel.keys import WORKING
from pipeline.panel.past import dated
from pipeline.panel.periods import label, number, time_dtype
from pipeline.panel.split import EVER, Split
from pipeline.panel.unique import added_columns, unique_by
from pipeline.transforms import LaggedConfig

_PERIOD = f"{WORKING}period"


class Config(LaggedConfig, frozen=True, kw_only=True):
    """Settings of `join_past`."""

    keys: Annotated[list[str], Meta(min_length=1)]
    """Columns of both inputs."""
    columns: list[str]
    """Of the second input."""


def join_past(lf: pl.LazyFrame, other: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Add columns of the latest row of the same keys `lag` periods before, or earlier.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds the keys and `time`.
    other : pl.LazyFrame
        Holds the keys and `time`, of the same dtypes, and `columns`; at most one row of
        each key and period: else the run fails and names one.
    config : Config
        Keys, columns and lag.

    Returns
    -------
    pl.LazyFrame
        With the columns; null where there is no row before, and of a row without a key
        or time. Sorted by keys, then time.
    """
    added = added_columns(lf, other, [*config.keys, config.time], config.columns)
    names = [dated(column, config.suffix, config.lag) for column in added]
    dtype = time_dtype(lf, config.time)
    period = number(config.time, config.every, dtype).cast(pl.Int64).alias(_PERIOD)
    first = label(pl.col(_PERIOD), config.every, dtype).alias(config.time)
    by = [*config.keys, config.time]
    rows = other.with_columns(period).with_columns(first).select(*by, _PERIOD, *added)
    latest = unique_by(rows, by).select(
        *config.keys,
        pl.col(_PERIOD) + config.back(config.lag),
        *[pl.col(old).alias(new) for old, new in zip(added, names, strict=True)],
    )
    return (
        lf.with_columns(period)
        .sort(_PERIOD)
        .join_asof(
            latest.sort(_PERIOD), on=_PERIOD, by=config.keys, check_sortedness=False
        )
        .sort(*config.keys, config.time)
        .drop(_PERIOD)
    )


def past(config: Config) -> list[str]:
    """Name the columns that are added, unless they may be of the row's own period."""
    columns = config.columns if config.lag else []
    return [dated(column, config.suffix, config.lag) for column in columns]


def lookback(config: Config) -> dict[str, range]:
    """Say that each column is of the second input's rows up to the newest."""
    names = [dated(column, config.suffix, config.lag) for column in config.columns]
    return dict.fromkeys(names, range(config.back(config.lag), EVER))


def split(config: Config) -> Split:
    """Keep what has the same keys whole, in both inputs."""
    return Split(keys=tuple(config.keys))
