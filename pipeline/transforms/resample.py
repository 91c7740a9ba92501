"""A row for every entity and period: several rows become one, absent ones are made."""

from typing import Annotated, Literal

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.panel.figures import Function, figure
from pipeline.panel.keys import WORKING, left_join
from pipeline.panel.periods import Every, label, number, time_dtype
from pipeline.panel.split import Fact, Split

_PERIOD = f"{WORKING}period"
_LAST = f"{WORKING}last"


class Config(BaseConfig, frozen=True, kw_only=True):
    """Settings of `resample`."""

    keys: Annotated[list[str], Meta(min_length=1)]
    time: str
    every: Every
    columns: dict[str, Function]
    """Which figure of each column a period has."""
    zero: list[str]
    """Columns that are 0 in absent periods; the others are null."""
    until: Literal["panel", "entity"]
    """Last period of an entity: that of the panel, or its own. Its own leaks: whether
    there is a row then depends on later ones, as the audit finds."""

    def __post_init__(self) -> None:
        """Refuse to fill what is not there."""
        other = [name for name in self.zero if name not in self.columns]
        if other:
            raise ValueError(f"expected `zero` to be of `columns`, found {other}")


def resample(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Make one row per entity and period, from the entity's first on.

    Parameters
    ----------
    lf : pl.LazyFrame
        Holds the keys, `time` and the columns; rows without a key or time are left out.
    config : Config
        Columns and figures, and where an entity ends.

    Returns
    -------
    pl.LazyFrame of shape (n_entities_and_periods, n_keys + 1 + n_columns)
        Keys, the period's first time, and figures of the period's rows, to the same
        bits in any order. Sorted by keys, then time.
    """
    return _resampled(lf, _latest(_last(lf, config), config), config)


def lookback(config: Config) -> dict[str, range]:
    """Say that each figure is of its own period."""
    return dict.fromkeys(config.columns, range(1))


def split(config: Config) -> Split:
    """Keep entities whole; the panel's last period, all rows tell."""
    return Split(tuple(config.keys), Fact(_last, _latest, _resampled))


def _numbered(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Count periods, in rows that have one."""
    period = number(config.time, config.every, time_dtype(lf, config.time))
    rows = lf.drop_nulls([*config.keys, config.time])
    return rows.with_columns(period.cast(pl.Int64).alias(_PERIOD))


def _last(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Find the last period."""
    return _numbered(lf, config).select(pl.col(_PERIOD).max().alias(_LAST))


def _latest(last: pl.LazyFrame, _: Config) -> pl.LazyFrame:
    """Find the latest of some parts' last periods."""
    return last.max()


def _resampled(lf: pl.LazyFrame, latest: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Aggregate, and make the rows of absent periods."""
    keys, schema, dtype = config.keys, lf.collect_schema(), time_dtype(lf, config.time)
    rows = _numbered(lf, config)
    figures = [
        figure(function, column, schema, config.time)
        for column, function in config.columns.items()
    ]
    period = pl.col(_PERIOD)
    spans = rows.group_by(keys).agg(
        period.min().alias("from"), period.max().alias("to")
    )
    if config.until == "panel":
        spans = spans.drop("to").join(latest.rename({_LAST: "to"}), how="cross")
    grid = spans.select(
        *keys, pl.int_ranges("from", pl.col("to") + 1, dtype=pl.Int64).alias(_PERIOD)
    ).explode(_PERIOD)
    made = rows.group_by(*keys, _PERIOD).agg(*figures, pl.lit(True).alias(_LAST))
    filled = [
        pl.when(pl.col(_LAST).is_null())
        .then(0)
        .otherwise(name)
        .cast(made.collect_schema()[name])
        .alias(name)
        for name in config.zero
    ]
    time = label(period, config.every, dtype).cast(dtype).alias(config.time)
    return (
        left_join(grid.sort(*keys, _PERIOD), made, [*keys, _PERIOD])
        .with_columns(filled)
        .select(*keys, time, *config.columns)
    )
