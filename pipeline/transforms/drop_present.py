"""Leave out what is known only once the period is over, but for the target."""

import polars as pl

from pipeline.errors import SchemaError
from pipeline.panel.split import ROW_WISE, Split
from pipeline.transforms import PastOnly


class Config(PastOnly, frozen=True, kw_only=True):
    """Settings of `drop_present`."""

    keep: list[str]
    """What stays of `columns`: the target."""


def drop_present(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Drop the columns of the row's own period, and keep the target.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds every column of `columns`.
    config : Config
        The columns, as the plan has filled them in, and which of them stay.

    Returns
    -------
    pl.LazyFrame
        The same rows.

    Raises
    ------
    SchemaError
        If what is to be kept is not there.
    """
    columns = config.columns or []
    for name in config.keep:
        if name not in lf.collect_schema():
            raise SchemaError(f'`keep` names "{name}", which is no column')
    return lf.drop([name for name in columns if name not in config.keep])


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE
