"""Leave out columns, by name or by how their names end."""

import polars as pl

from pipeline.config import BaseConfig
from pipeline.panel.split import ROW_WISE, Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `drop_columns`."""

    columns: list[str]
    suffixes: list[str]


def drop_columns(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Drop columns, and those whose name ends in a suffix.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds `columns`.
    config : Config
        Names and suffixes.

    Returns
    -------
    pl.LazyFrame
        The same rows; none of the dropped columns is read from the source.
    """
    suffixes = tuple(config.suffixes)
    by_suffix = [name for name in lf.collect_schema() if name.endswith(suffixes)]
    return lf.drop(dict.fromkeys([*config.columns, *by_suffix]))


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE
