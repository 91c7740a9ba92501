"""All entities that might have a row in a period, as a forecast sees them before it."""

from collections.abc import Iterable

import polars as pl

from pipeline.modeling.data import Features, published_panel, read_others
from pipeline.modeling.horizon import horizon_of
from pipeline.modeling.occurrence import OCCURS
from pipeline.modeling.settings import ModelingSettings
from pipeline.panel.periods import Time
from pipeline.snapshots.store import open_store, read_runs


def candidates(
    settings: ModelingSettings, features: Features, periods: Iterable[Time]
) -> pl.DataFrame:
    """List for each period the entities that a forecast of it would have listed.

    A row per entity of the panel before the period, made by the stages as
    `pipeline.modeling.horizon.Horizon.next_features` does: its features, key, the
    target (null of one that has no row) and `OCCURS`; sorted by the key. Those that
    have a row are the features' own rows.
    """
    modeling = settings.modeling
    panel = published_panel(settings, read_runs(open_store(settings.root))[-1])
    time = pl.col(modeling.time)
    horizon = horizon_of(modeling, panel.collect_schema().names())
    others = read_others(settings.pipeline)
    rest = horizon.rest(panel, settings.pipeline.stages, others)
    came = features.read(modeling).select(*modeling.key, modeling.target)
    made = [
        horizon.next_features(panel.filter(time < period), rest).filter(time == period)
        for period in periods
    ]
    return (
        pl.concat(made)
        .join(came, on=modeling.key, how="left", maintain_order="left")
        .with_columns(pl.col(modeling.target).is_not_null().alias(OCCURS))
        .sort(modeling.key)
    )
