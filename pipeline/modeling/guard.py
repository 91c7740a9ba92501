"""Refuse to learn from features that know their own period, at a bounded cost.

A short form of the audit, before anything is trained: from the middle period on, the
published panel gets other values, and no feature up to that period may move. What was
found is kept by what the features are made of.
"""

import polars as pl

from pipeline.errors import ModelError
from pipeline.log import LOG
from pipeline.modeling.data import Features, current_features
from pipeline.modeling.horizon import features_of_panel
from pipeline.modeling.leaks import World, compare, describe_leaks
from pipeline.modeling.predictor import features_of
from pipeline.modeling.records import (
    FORMAT,
    GuardRecord,
    fingerprint,
    read_record,
    write_record,
)
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.worlds import changed, collect_world
from pipeline.snapshots.store import open_store, read_runs, verified_object

MODULE = "pipeline/modeling/guard.py"

MOST_ROWS = 2_000_000
"""Of the panel: of a larger one, some clusters are looked at."""

_CHECK = "own period and later ones changed"


def learnable_features(settings: ModelingSettings) -> Features:
    """Bring the snapshots up to date, and refuse features that leak.

    Raises
    ------
    ModelError
        Names each, unless `modeling.leaks` does.
    PipelineError
        If the run fails; the previous one stays then.
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
    path = store.folder / "guards" / f"{wanted[:16]}.json"
    found = read_record(path, GuardRecord)
    if found is None or found.fingerprint != wanted:
        panel = Features(
            verified_object(store, modeling.panel, published[modeling.panel]),
            published[modeling.panel],
            features.run_id,
        )
        LOG.info("looking whether features know their own period")
        leaks = _leaks(settings, panel.rows())
        found = GuardRecord(format=FORMAT, fingerprint=wanted, leaks=leaks)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_record(path, found)
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


def _leaks(settings: ModelingSettings, panel: pl.DataFrame) -> list[str]:
    """Compare the features of the panel with those of another future."""
    modeling = settings.modeling
    rows = some_clusters(panel, modeling.cluster, MOST_ROWS)
    before = _world(settings, rows)
    times = before.features[modeling.time].unique().sort()
    if times.is_empty():
        return []
    middle: int = times[times.len() // 2]
    is_past = pl.col(modeling.time) < middle
    known = [name for name in modeling.known if name in panel.columns]
    future = changed(
        rows.filter(~is_past), [*modeling.key, *known], modeling.entity, middle
    )
    after = _world(settings, pl.concat([rows.filter(is_past), future]))
    until = pl.col(modeling.time) <= middle
    found = compare(
        World(*(df.filter(until) for df in before)),
        World(*(df.filter(until) for df in after)),
        features_of(before.features, modeling),
        time=modeling.time,
        check=_CHECK,
    )
    return describe_leaks(
        leak for leak in found.leaks if leak.column not in modeling.leaks
    )


def some_clusters(rows: pl.DataFrame, cluster: str, most: int) -> pl.DataFrame:
    """Keep all rows, or those of every so many clusters if there are more than most."""
    every = -(-rows.height // most)
    if every <= 1:
        return rows
    kept = rows[cluster].unique().sort().gather_every(every)
    return rows.filter(pl.col(cluster).is_in(kept.implode()))


def _world(settings: ModelingSettings, panel: pl.DataFrame) -> World:
    """Make the features of a panel."""
    modeling = settings.modeling
    rows = panel.lazy()
    features = features_of_panel(
        rows,
        settings.pipeline.stages,
        panel=modeling.panel,
        features=modeling.features,
    )
    return collect_world(features, rows, modeling)
