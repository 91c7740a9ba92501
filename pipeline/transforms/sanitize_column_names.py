"""Column names that need no quotes."""

import re
from collections import Counter

import polars as pl

from pipeline.config import BaseConfig
from pipeline.errors import SchemaError
from pipeline.panel.split import ROW_WISE, Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `sanitize_column_names`."""

    replaced: str
    """Regular expression of what becomes `separator`, after lower-casing."""
    separator: str


def sanitize_column_names(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Put column names in lower case and replace what a bare SQL name cannot hold.

    Parameters
    ----------
    lf : pl.LazyFrame
        Any columns.
    config : Config
        What is replaced, and by what.

    Returns
    -------
    pl.LazyFrame
        The same rows and dtypes; ``Unit Price`` is now ``unit_price``.

    Raises
    ------
    SchemaError
        If two columns would get the same name.
    """
    names = {
        name: re.sub(config.replaced, config.separator, name.lower())
        for name in lf.collect_schema().names()
    }
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        clashing = [old for old, new in names.items() if new in twice]
        raise SchemaError(f"columns {clashing} would all be named {twice}")
    return lf.rename(names)


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE
