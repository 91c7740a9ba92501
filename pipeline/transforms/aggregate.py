"""One row per group: figures of its rows' columns."""

from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.panel.figures import Function, figure, weighted_mean
from pipeline.panel.split import Split


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `aggregate`."""

    keys: Annotated[list[str], Meta(min_length=1)]
    time: str
    columns: dict[str, Function | Annotated[list[Function], Meta(min_length=1)]]
    """Figures of each column: one, named as the column, or several, with the function
    behind."""
    weight: str | None
    """Column that says how often each value counts in a mean; null is once."""


def aggregate(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Take figures of the rows of each group.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds the keys and `columns`; `time`, where first or last are asked for.
    config : Config
        Keys, columns and figures.

    Returns
    -------
    pl.LazyFrame of shape (n_groups, n_keys + n_figures)
        Figures of the values that are there, to the same bits in whatever order the
        rows come; of several last values, the largest. Sorted by `keys`, in their
        order; a null key is a group.
    """
    schema = lf.collect_schema()

    def of(column: str, function: Function) -> pl.Expr:
        if function == "mean" and config.weight is not None:
            return weighted_mean(column, config.weight)
        return figure(function, column, schema, config.time)

    figures: list[pl.Expr] = []
    for column, wanted in config.columns.items():
        if isinstance(wanted, list):
            figures += [of(column, f).alias(f"{column}_{f}") for f in wanted]
        else:
            figures.append(of(column, wanted))
    return lf.group_by(config.keys).agg(figures).sort(config.keys)


def split(config: Config) -> Split:
    """Keep groups whole."""
    return Split(keys=tuple(config.keys))
