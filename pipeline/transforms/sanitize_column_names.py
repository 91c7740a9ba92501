"""Column names that need no quotes."""

import re
import unicodedata
from collections import Counter

import polars as pl

from pipeline.config import BaseConfig
from pipeline.errors import SchemaError
from pipeline.panel.split import ROW_WISE, Split

_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}
)
"""That Unicode makes of no base letter and an accent."""


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `sanitize_column_names`."""

    replaced: str
    """Regular expression of what becomes `separator`, in the plain name."""
    separator: str


def sanitize_column_names(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Put column names in lower case and replace what a bare SQL name cannot hold.

    Letters with accents become their base letters before.

    Parameters
    ----------
    lf : pl.LazyFrame
        Any columns.
    config : Config
        What is replaced, and by what.

    Returns
    -------
    pl.LazyFrame
        The same rows and dtypes; ``Unit Price`` is now ``unit_price``,
        and ``Stücke`` is ``stucke``.

    Raises
    ------
    SchemaError
        If two columns would get the same name.
    """
    names = {
        name: re.sub(config.replaced, config.separator, plain(name))
        for name in lf.collect_schema().names()
    }
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        clashing = [old for old, new in names.items() if new in twice]
        raise SchemaError(f"columns {clashing} would all be named {twice}")
    return lf.rename(names)


def plain(name: str) -> str:
    """Write a name in lower case, and without accents; of ASCII it is but lower."""
    letters = unicodedata.normalize("NFKD", name).lower().translate(_LETTERS)
    return "".join(c for c in letters if not unicodedata.combining(c))


def split(_: Config) -> Split:
    """Any row may be apart from any other."""
    return ROW_WISE
