"""A made-up stand-in for New York's inpatient cost data."""

from collections.abc import Iterator
from typing import Annotated

import polars as pl
from msgspec import Meta

from pipeline.sources.made import MadeSource


class Config(MadeSource, frozen=True, kw_only=True):
    """Settings of `synthetic`."""

    seed: Annotated[int, Meta(ge=0)]
    """The calibration is of 2009; others give other rows of nearly its statistics."""
    scale: Annotated[int, Meta(ge=1)]
    """Times the facilities of New York, 1,081,672 rows each."""


def synthetic(config: Config) -> Iterator[pl.DataFrame]:
    """Make the raw data set, one frame per year and replica.

    The same seed, NumPy and Polars give the same rows: 14 columns under their published
    names, ordered by year, facility id, DRG code and severity, also from frame to
    frame. Codes and discharges are Int64, money is Float64 US dollars of two decimals,
    the rest String; no nulls. Unique on the first, second, fourth and fifth column.
    Each of ``scale`` replicas has its own facilities and draws but shares the DRGs;
    replica 0 is what ``scale=1`` gives.
    """
    from sources import _model as model  # imported late: it loads NumPy

    drgs = model.draw_drg_effects(model.rng_of(config.seed, 0))
    for year in model.ROWS_PER_YEAR:
        for replica in range(config.scale):
            rng = model.rng_of(config.seed, 1, replica)
            facilities = model.draw_facilities(rng, replica, drgs)
            rng = model.rng_of(config.seed, 2, replica, year)
            yield model.draw_year(rng, year, facilities, drgs)
