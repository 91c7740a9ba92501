"""Refuse to learn from features that know their own period, at a bounded cost.

A short form of the audit, before anything is trained: from the middle period on, and in
the last one, the source's rows get other values, and no feature up to there may move.
What was found is kept by what the features are made of.
"""

from dataclasses import replace
from pathlib import Path

import polars as pl

from pipeline.errors import ConfigError, ModelError
from pipeline.files.checksum import write_sealed
from pipeline.files.parquet import read_parquet
from pipeline.log import LOG
from pipeline.modeling.audit.worlds import (
    Ground,
    Leak,
    changed_from,
    describe_leaks,
    differences,
    ground_of_panel,
    ground_of_source,
    other_values,
    real_world,
)
from pipeline.modeling.data import Features, current_features
from pipeline.modeling.predictor import features_of
from pipeline.modeling.records import (
    FORMAT,
    GuardRecord,
    fingerprint,
    read_record,
)
from pipeline.modeling.settings import ModelingSettings
from pipeline.snapshots.store import open_store, read_runs, verified_object

MODULE = "pipeline/modeling/audit/guard.py"

MOST_ROWS = 2_000_000
"""Of the source: of a larger one, some clusters are looked at."""

_CHECK = "own period and later ones changed"


def learnable_features(settings: ModelingSettings) -> Features:
    """Bring the snapshots up to date, and refuse features that leak.

    If the run fails, the previous one stays.
    """
    features = current_features(settings)
    modeling = settings.modeling
    store = open_store(settings.root)
    published = {s.name: s.fingerprint for s in read_runs(store)[-1].snapshots}
    names = (modeling.panel, modeling.features, modeling.key, modeling.target)
    wanted = fingerprint(
        MODULE,
        features.fingerprint,
        published[modeling.panel],
        names,
        modeling.cluster,
        modeling.known,
        modeling.leaks,
        kinds=[],
    )
    path = store.guards / f"{wanted[:16]}.json"
    found = read_record(path, GuardRecord)
    if found is None or found.fingerprint != wanted:
        panel = verified_object(store, modeling.panel, published[modeling.panel])
        LOG.info("looking whether features know their own period")
        leaks = _leaks(settings, panel)
        found = GuardRecord(format=FORMAT, fingerprint=wanted, leaks=leaks)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(path, found)
    if found.leaks:
        lines = "\n".join(f"  {line}" for line in found.leaks)
        raise ModelError(
            f"{modeling.features}: {len(found.leaks)} of the columns know what"
            f" their period has yet to bring\n{lines}\n"
            "hint: `panel.values` makes features of their past; `panel.known` says what"
            " is known before its period; `modeling.leaks: [COLUMN]` lets one pass all"
            " the same; `just audit` looks at every period"
        )
    return features


def _leaks(settings: ModelingSettings, panel: Path) -> list[str]:
    """Compare the features of the rows with those of other futures."""
    modeling = settings.modeling
    ground = _ground(settings, panel)
    before = real_world(ground)
    times = before.features[modeling.time].unique().sort()
    if times.is_empty():
        return []
    other = other_values(ground)
    leaks: list[Leak] = []
    # In the last one, for what is there only from some period on.
    for t in sorted({times[times.len() // 2], times[-1]}):
        until = pl.col(modeling.time) <= t
        leaks += differences(
            before.at(until),
            changed_from(ground, other, t).at(until),
            features_of(before.features, modeling),
            time=modeling.time,
            check=_CHECK,
        )[0]
    return describe_leaks(leak for leak in leaks if leak.column not in modeling.leaks)


def _ground(settings: ModelingSettings, panel: Path) -> Ground:
    """Stand on the source's rows; on the panel, if they do not say their period."""
    modeling = settings.modeling
    try:
        ground = ground_of_source(settings)
    except ConfigError as error:
        LOG.warning(
            f"what is made before snapshot '{modeling.panel}' is not looked at:"
            f" {str(error).splitlines()[0]}"
        )
        ground = ground_of_panel(settings, read_parquet(panel))
    cluster = ground.entity[modeling.entity.index(modeling.cluster)]
    return replace(ground, rows=some_clusters(ground.rows, cluster, MOST_ROWS))


def some_clusters(rows: pl.DataFrame, cluster: str, most: int) -> pl.DataFrame:
    """Keep all rows, or those of every so many clusters if there are more than most."""
    every = -(-rows.height // most)
    if every <= 1:
        return rows
    kept = rows[cluster].unique().sort().gather_every(every)
    return rows.filter(pl.col(cluster).is_in(kept.implode()))
