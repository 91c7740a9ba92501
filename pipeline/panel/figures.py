"""Figures of the rows of a group, the same to the last bit in any order of the rows."""

from typing import Literal, TypeAlias

import polars as pl

from pipeline.panel.exact import from_fixed_point, to_fixed_point

Function: TypeAlias = Literal[
    "sum", "mean", "min", "max", "count", "median", "first", "last", "n_unique"
]
"""Of the values that are there; ``first`` and ``last`` are by time."""


def figure(function: Function, column: str, schema: pl.Schema, time: str) -> pl.Expr:
    """Take a figure of a column, within a group.

    Parameters
    ----------
    function : Function
        Which figure.
    column : str
        Its nulls do not count.
    schema : pl.Schema
        Of the frame that holds the column.
    time : str
        By which ``first`` and ``last`` are told. Of several values at that time, the
        smallest is the first, and the largest the last.

    Returns
    -------
    pl.Expr
        Named as the column. Counts are Int64; a mean or median is Float64, and all else
        of the column's dtype, but sums of small integers, which are Int64. Null where
        no value is there, but for counts.
    """
    values = pl.col(column)
    times = pl.col(time).filter(values.is_not_null())
    of_time = values.filter(values.is_not_null())
    match function:
        case "sum":
            return _where_any(column, _sum(column, schema))
        case "mean":
            total = _sum(column, schema)
            return _where_any(column, total / values.count())
        case "first":
            return of_time.filter(times == times.min()).min()
        case "last":
            return of_time.filter(times == times.max()).max()
        case "count":
            return values.count().cast(pl.Int64)
        case "n_unique":
            return values.drop_nulls().n_unique().cast(pl.Int64)
        case "min" | "max" | "median":
            return getattr(values, function)()


def weighted_mean(column: str, weight: str) -> pl.Expr:
    """Take the mean of a column, each value counted as often as `weight` says.

    Float64, named as the column; null where no value with a weight other than 0 is.
    """
    weights = pl.when(pl.col(column).is_not_null()).then(pl.col(weight))
    total = _exact_sum(pl.col(column) * pl.col(weight))
    weight_of_all = _exact_sum(weights)
    mean = pl.when(weight_of_all != 0).then(total / weight_of_all)
    return mean.alias(column)


def _sum(column: str, schema: pl.Schema) -> pl.Expr:
    """Add values up; floats exactly."""
    values = pl.col(column)
    if not schema[column].is_float():
        return values.sum()
    return _exact_sum(values)


def _exact_sum(values: pl.Expr) -> pl.Expr:
    """Add up floats, to the same bits in any order."""
    return from_fixed_point(to_fixed_point(values).sum())


def _where_any(column: str, value: pl.Expr) -> pl.Expr:
    """Take a figure where any value is there."""
    return pl.when(pl.col(column).count() > 0).then(value).alias(column)
