"""One row per group: weighted means, weighted medians and shares over its rows."""

import functools
import operator
from typing import Annotated

import polars as pl
import polars.selectors as cs
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.errors import SchemaError
from pipeline.panel.exact import from_fixed_point, to_fixed_point
from pipeline.panel.keys import KEY, WORKING, packed
from pipeline.panel.split import Split

# Groups of up to so many rows take the fast way; its work grows with their square.
N_SLOTS = 4

_ROWS = f"{WORKING}rows"
_WEIGHT = f"{WORKING}weight"


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `aggregate_weighted`."""

    keys: Annotated[list[str], Meta(min_length=1)]
    share_of: str
    codes: list[int]
    """Codes of `share_of` that get a share; every code counts in the total."""
    share: str
    """Name of a share, with ``{}`` for the code."""
    weight: str
    means: list[str]
    medians: list[str]
    prefix: str


def aggregate_weighted(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Aggregate the rows of each group, weighted.

    The weighted median is the lower one: the lowest value at which the weight of the
    values not above it reaches half of the group's weight [1]_. A row whose value is
    null, or whose weight is null or 0, takes no part in that column's mean or median.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds the keys, the integer `weight`, and numeric columns.
    config : Config
        Keys, columns and names.

    Returns
    -------
    pl.LazyFrame of shape (n_groups, n_keys + 1 + n_codes + n_means + n_medians)
        The keys; ``sum_{weight}`` Int64; per code its share of that sum, Float64;
        ``{prefix}{column}`` per mean (Float64, to the same bits in whatever order
        the rows come) and per median. Sorted by `keys`, in their order.

    Raises
    ------
    SchemaError
        If `weight` is not an integer column.

    References
    ----------
    .. [1] Cormen et al., "Introduction to Algorithms", 3rd ed. 2009, problem 9-2.
    """
    schema = lf.collect_schema()
    dtype = schema.get(config.weight, pl.Int64())
    if not dtype.is_integer():
        raise SchemaError(
            f"weight '{config.weight}' is {dtype}, expected an integer column"
        )
    weight = pl.col(config.weight).cast(pl.Int64).fill_null(0)
    total = f"sum_{config.weight}"
    shares = {code: config.share.format(code) for code in config.codes}
    means = {column: config.prefix + column for column in config.means}

    def mean(column: str, name: str) -> pl.Expr:
        # Without any weight there is no mean: null, not 0 / 0.
        n_counted = pl.col(_of("counted", column))
        return pl.when(n_counted > 0).then(from_fixed_point(pl.col(name)) / n_counted)

    sums = {
        total: weight,
        **{
            name: pl.when(pl.col(config.share_of) == code).then(weight).otherwise(0)
            for code, name in shares.items()
        },
        **{
            name: to_fixed_point(pl.col(column) * weight).fill_null(0)
            for column, name in means.items()
        },
        **{
            _of("counted", column): pl.when(pl.col(column).is_null())
            .then(0)
            .otherwise(weight)
            for column in config.means
        },
    }
    keys = [name for name in schema if name in config.keys]
    # NOTE: Groups of sorted rows are slices, and their lists cost next to nothing; a
    # sum over a list's elements is faster than one in `agg`.
    groups = (
        lf.with_columns(packed(config.keys, schema).alias(KEY))
        .sort(KEY)
        .group_by(KEY, maintain_order=True)
        .agg(
            pl.col(keys).first(),
            *(values.alias(name) for name, values in sums.items()),
            pl.struct(*config.medians, weight.alias(_WEIGHT)).alias(_ROWS),
        )
        .with_columns(pl.col(list(sums)).list.sum())
        .with_columns(pl.col(name) / pl.col(total) for name in shares.values())
        .with_columns(mean(column, name).alias(name) for column, name in means.items())
    )
    medians = _with_medians(groups, config)
    return medians.drop(cs.starts_with(WORKING)).set_sorted(config.keys)


def split(config: Config) -> Split:
    """Keep groups whole."""
    return Split(keys=tuple(config.keys))


def _of(*parts: str | int) -> str:
    """Name a working column of a group.

    By i, its i-th row; by i and a column, that row's value. ``weight`` is that of the
    value, 0 if it is null, ``before`` that of all values that come before it, ``half``
    is half of the group's, rounded up, and ``counted`` that of the rows with a value.
    """
    return WORKING + "".join(map(str, parts))


def _with_medians(groups: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Add, per column, the lowest value at which half of the group's weight is reached.

    NOTE: Polars runs a sort inside a group one group at a time. Comparing every pair of
    the first, second ... values takes a few vectorised passes, about 10 times as fast
    for a handful of rows; the sort is left for groups that have more. Each step has
    columns of its own: as one expression, its parts would be computed many times over.
    """
    slots = range(N_SLOTS)
    rows = pl.col(_ROWS)
    n_rows = rows.list.len()

    def value(column: str, i: int) -> pl.Expr:
        return pl.col(_of(i)).struct.field(column).alias(_of(i, column))

    def weight(column: str, i: int) -> pl.Expr:
        slot = pl.col(_of(i)).struct
        counts = pl.when(slot.field(column).is_not_null()).then(slot.field(_WEIGHT))
        return counts.otherwise(0).alias(_of("weight", i, column))

    def weight_before(column: str, i: int) -> pl.Expr:
        # Of two equal values, that of the row above comes first. Where a null comes is
        # all the same: it has no weight.
        above = [
            pl.when(pl.col(_of(j, column)) <= pl.col(_of(i, column)))
            .then(_of("weight", j, column))
            .otherwise(0)
            for j in range(i)
        ]
        under = [
            pl.when(pl.col(_of(i, column)) <= pl.col(_of(j, column)))
            .then(0)
            .otherwise(_of("weight", j, column))
            for j in range(i + 1, N_SLOTS)
        ]
        return _sum([*above, *under]).alias(_of("before", i, column))

    def half(column: str) -> pl.Expr:
        total = _sum([pl.col(_of("weight", i, column)) for i in slots])
        return ((total + 1) // 2).alias(_of("half", column))

    def median(column: str) -> pl.Expr:
        half = pl.col(_of("half", column))
        # At one value of those with weight half is reached: the last, if at no other.
        of_few = pl.col(_of(slots[-1], column))
        for i in slots[:-1]:
            before = pl.col(_of("before", i, column))
            up_to = before + pl.col(_of("weight", i, column))
            of_few = (
                pl.when(half.is_between(before, up_to, closed="right"))
                .then(_of(i, column))
                .otherwise(of_few)
            )
        many = pl.when(n_rows > N_SLOTS).then(rows)
        of_many = many.list.eval(_median_of_rows(column)).list.first()
        return (
            pl.when(n_rows > N_SLOTS)
            .then(of_many)
            .when(half > 0)
            .then(of_few)
            .alias(config.prefix + column)
        )

    return (
        groups.with_columns(
            rows.list.get(i, null_on_oob=True).alias(_of(i)) for i in slots
        )
        .with_columns(
            cell(column, i)
            for cell in (value, weight)
            for column in config.medians
            for i in slots
        )
        .with_columns(
            *(weight_before(name, i) for name in config.medians for i in slots[:-1]),
            *(half(name) for name in config.medians),
        )
        .with_columns(median(column) for column in config.medians)
    )


def _sum(weights: list[pl.Expr]) -> pl.Expr:
    """Add columns without nulls, which takes less than `sum_horizontal`."""
    return functools.reduce(operator.add, weights)


def _median_of_rows(column: str) -> pl.Expr:
    """Take the weighted median of a list of rows of any length, by a running sum."""
    value = pl.element().struct.field(column)
    weight = pl.element().struct.field(_WEIGHT)
    counted = value.is_not_null() & (weight > 0)
    value, weight = value.filter(counted), weight.filter(counted)
    reached = weight.sort_by(value).cum_sum()
    return value.sort().filter(2 * reached >= weight.sum()).first()
