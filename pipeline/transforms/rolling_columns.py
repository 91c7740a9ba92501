"""Means of an entity's columns over the periods before."""

import functools
import operator
from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.panel.past import By, dated, past_of, with_past
from pipeline.panel.split import Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `rolling_columns`."""

    keys: Annotated[list[str], Meta(min_length=1)]
    time: str
    columns: list[str]
    window: Annotated[int, Meta(ge=1, le=60)]
    min_samples: Annotated[int, Meta(ge=1)]
    by: By
    drop_nulls: bool
    """Drop the rows where any of the means is null."""
    suffix: str
    """Appended to each name, with ``{}`` for the window."""

    def __post_init__(self) -> None:
        """Refuse a mean that could never be taken."""
        if self.min_samples > self.window:
            found = f"{self.min_samples} > {self.window}"
            raise ValueError(f"expected min_samples <= window, found {found}")


def rolling_columns(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Average each column over the `window` periods before, for the same entity.

    The window is ``[t - window, t - 1]``: a row never sees itself.

    Parameters
    ----------
    lf : pl.LazyFrame
        One row per entity (`keys`) and period (`time`, an integer); numeric columns.
    config : Config
        Columns, window, and whether it is counted on the calendar or in rows.

    Returns
    -------
    pl.LazyFrame
        One Float64 column more per column: the mean of the values that are there, null
        if they are fewer than `min_samples`. Sorted by `keys`, then `time`.
    """
    distances = range(1, config.window + 1)

    def rolling_mean(column: str, name: str) -> pl.Expr:
        values = [pl.col(past_of(column, n)) for n in distances]
        # NOTE: Polars' mean_horizontal takes four times as long as these two sums.
        total = functools.reduce(operator.add, [v.fill_null(0) for v in values])
        n_known = functools.reduce(
            operator.add, [v.is_not_null().cast(pl.Int32) for v in values]
        )
        mean = pl.when(n_known >= config.min_samples).then(total / n_known)
        return mean.alias(name)

    rolled = (
        with_past(
            lf,
            config.columns,
            distances,
            keys=config.keys,
            time=config.time,
            by=config.by,
        )
        .with_columns(map(rolling_mean, config.columns, past(config)))
        .drop([past_of(column, n) for column in config.columns for n in distances])
    )
    if config.drop_nulls:
        return rolled.drop_nulls(past(config))
    return rolled


def past(config: Config) -> list[str]:
    """Name the columns that are added."""
    return [dated(column, config.suffix, config.window) for column in config.columns]


def split(config: Config) -> Split:
    """Keep entities whole."""
    return Split(keys=tuple(config.keys))
