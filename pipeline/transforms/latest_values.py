"""What each code is called, as of the latest period that names it."""

from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig


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
    columns = [*config.keys, *config.columns]
    latest = lf.group_by(columns).agg(pl.col(config.time).max())
    return (
        latest.sort(*config.keys, config.time, *config.columns)
        .unique(config.keys, keep="last", maintain_order=True)
        .select(columns)
    )
