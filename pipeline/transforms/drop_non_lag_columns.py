"""Leave out what is known only once the period is over, but for the target."""

import polars as pl

from pipeline.config import BaseConfig
from pipeline.split import ROW_WISE, Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `drop_non_lag_columns`."""

    columns: list[str]
    keep: list[str]
    """Those of `columns` that stay: the target."""

    def __post_init__(self) -> None:
        """Refuse to keep what is not there to be dropped."""
        absent = [column for column in self.keep if column not in self.columns]
        if absent:
            raise ValueError(f"expected keep to name some of columns, found {absent}")


def drop_non_lag_columns(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Drop the columns of the row's own period, and keep the target.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds every column of `columns`.
    config : Config
        The columns, and which of them stay.

    Returns
    -------
    pl.LazyFrame
        The same rows.
    """
    return lf.drop([name for name in config.columns if name not in config.keep])


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE
