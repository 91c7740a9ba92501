"""What an entity's columns were some periods before."""

from typing import Annotated, TypeAlias

import polars as pl
from msgspec import Meta

from pipeline.panel.past import dated, past_of
from pipeline.panel.split import Split
from pipeline.transforms import EntityPastConfig

Distance: TypeAlias = Annotated[int, Meta(ge=1, le=9999)]


class Config(EntityPastConfig, frozen=True, kw_only=True):
    """Settings of `lag_columns`."""

    periods: Annotated[
        Distance | Annotated[list[Distance], Meta(min_length=1)],
        Meta(description="a number from 1 to 9999, or a list of such"),
    ]
    season: Annotated[int, Meta(ge=2)] | None = None
    """Periods of a season, such as 12 of months: lags of whole seasons stay such."""
    suffix: str
    """Appended to each name, with ``{}`` for the number of periods."""

    def back(self, periods: int) -> int:
        """Say how far back a lag goes; of whole seasons, to the newest known one."""
        if self.by == "row" or self.season is None or periods % self.season:
            return super().back(periods)
        return max(periods, -(-self.ahead // self.season) * self.season)


def lag_columns(lf: pl.LazyFrame, config: Config) -> pl.LazyFrame:
    """Add the value of each column `periods` before, for the same entity.

    Of a row `ahead` periods after the newest known one, the first lag is of that one,
    the second of the one before it; names stay those of one period ahead.

    Parameters
    ----------
    lf : pl.LazyFrame
        One row per entity (`keys`) and period (`time`).
    config : Config
        Columns, distances, and whether they are counted on the calendar or in rows.

    Returns
    -------
    pl.LazyFrame
        One column more per distance and column, of the column's dtype; null where the
        entity has no such row. Sorted by `keys`, then `time`.
    """
    distances = [config.back(n) for n in _distances(config)]
    lags = [past_of(column, n) for n in distances for column in config.columns]
    lagged = config.with_past(lf, distances).with_columns(
        pl.col(lag).alias(name) for lag, name in zip(lags, past(config), strict=True)
    )
    return config.as_of_origin(config.drop_past(lagged, distances), past(config))


def past(config: Config) -> list[str]:
    """Name the columns that are added."""
    return [
        dated(column, config.suffix, n)
        for n in _distances(config)
        for column in config.columns
    ]


def lookback(config: Config) -> dict[str, range]:
    """Say that each column is of one distance."""
    distances = [config.back(n) for n in _distances(config) for _ in config.columns]
    return {
        name: range(n, n + 1) for name, n in zip(past(config), distances, strict=True)
    }


def lagged(config: Config) -> dict[str, str]:
    """Say whose value each column has."""
    columns = [column for _ in _distances(config) for column in config.columns]
    return dict(zip(past(config), columns, strict=True))


def split(config: Config) -> Split:
    """Keep entities whole."""
    return Split(keys=tuple(config.keys))


def _distances(config: Config) -> list[int]:
    """List the distances, of which one may stand alone."""
    return config.periods if isinstance(config.periods, list) else [config.periods]
