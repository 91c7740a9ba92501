"""What each code is called, as of the latest period that names it."""

from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.panel.split import Fact, Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `latest_values`."""

    keys: Annotated[list[str], Meta(min_length=1)]
    columns: Annotated[list[str], Meta(min_length=1)]
    time: str


def latest_values(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Take the values of the latest period, one row per key.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `keys`, `columns` and `time`, of any dtypes that sort.
    config : Config
        Which codes, and what names them.

    Returns
    -------
    pl.LazyFrame of shape (n_keys, len(keys) + len(columns))
        Sorted by the keys. Where a period gives a key several values, the last in
        sort order is taken.
    """
    return _of_latest(_last_seen(lf, config), config)


def split(config: Config) -> Split:
    """Give a small table, of whatever rows."""
    return Split(fact=Fact(_last_seen, _of_latest, groups=tuple(config.keys)))


def _last_seen(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Find the latest period of each combination of key and values."""
    return lf.group_by(*config.keys, *config.columns).agg(pl.col(config.time).max())


def _of_latest(last_seen: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Take the values of each key's latest period."""
    return (
        last_seen.sort(*config.keys, config.time, *config.columns)
        .unique(config.keys, keep="last", maintain_order=True)
        .select(*config.keys, *config.columns)
    )
