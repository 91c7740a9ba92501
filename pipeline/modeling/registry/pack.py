"""Pack a trained model as a bundle: see `pipeline.modeling.bundle.bundle`."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from pipeline.errors import ModelError
from pipeline.lineage.graph import origins
from pipeline.modeling.bundle.bundle import Bundle, BundleRecord, load_bundle
from pipeline.modeling.data import read_rows, source_columns
from pipeline.modeling.fit.intervals import Calibration
from pipeline.modeling.horizon import horizon_of
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.training import Training, refit
from pipeline.run.contracts import compile_checks
from pipeline.run.run import check
from pipeline.sources import columns_of

if TYPE_CHECKING:
    from pipeline.sources.columns import Declared


def pack(
    settings: ModelingSettings,
    training: Training,
    totals: dict[str, Calibration],
    folder: Path,
) -> Bundle:
    """Write a bundle of a trained model into a new folder, and load it from there.

    The settings are those that the model was trained with; `totals` say how far off
    its totals were.
    """
    modeling, record = settings.modeling, training.record
    plan = check(settings.pipeline)
    features = plan.snapshots[modeling.features].stage.name
    panel = plan.snapshots[modeling.panel].stage
    checks = compile_checks(settings.pipeline, plan, modeling.panel)
    checked = {*panel.key, *(column for c in checks for column in c.columns)}
    made_of = origins(plan.lineage())
    names = {
        source
        for (stage, column), sources in made_of.items()
        if stage == features or (stage == panel.name and column in checked)
        for source, _ in sources
    }
    kinds = columns_of(settings.pipeline.source, settings.root)
    time, cluster = source_columns(
        plan, [modeling.time, modeling.cluster], modeling.panel
    )
    columns: dict[str, Declared] = {
        name: kind for name, kind in kinds.items() if name in names
    }
    rows = read_rows(settings.pipeline).select(list(columns))
    if rows.is_empty():
        raise ModelError("bundle: the source has no rows to forecast from")
    last: int = rows[time].max()  # pyright: ignore[reportAssignmentType] # a code
    folder.mkdir(parents=True)
    shutil.copytree(training.folder / "predictor", folder / "judged")
    (folder / "predictor").mkdir()
    refit(settings, training).save(folder / "predictor")
    learned = training.features.read(modeling)[modeling.time]
    bundled = BundleRecord(
        model=record.model,
        fingerprint=record.fingerprint,
        features_fingerprint=record.features,
        columns=columns,
        source_time=time,
        source_cluster=cluster,
        tree=without_places(settings),
        stages=list(plan.upstream([features])),
        horizon=horizon_of(modeling, plan.schema(panel.name).names(), rows[time]),
        last=last,
        n_clusters=rows.filter(pl.col(time) == last)[cluster].n_unique(),
        fitted_through=int(learned.max()),  # pyright: ignore[reportArgumentType]
        totals=totals,
    )
    (folder / "bundle.json").write_bytes(msgspec.json.encode(bundled))
    bundle = load_bundle(folder)
    context = _needed_years(bundle, rows)
    context.write_parquet(folder / "context.parquet", compression_level=9)
    return bundle


def _needed_years(bundle: Bundle, rows: pl.DataFrame) -> pl.DataFrame:
    """Leave out one year after the other where next year's features do not need it."""
    time = bundle.record.source_time
    wanted = bundle.next_features(rows)
    # The newest first, so that of a first year no later one takes the place.
    for year in rows[time].unique().sort(descending=True):
        fewer = rows.filter(pl.col(time) != year)
        if fewer.height and bundle.next_features(fewer).equals(wanted):
            rows = fewer
    return rows


def without_places(settings: ModelingSettings) -> dict[str, object]:
    """Return the configuration of the stages, without where the rows came from.

    What a profile has taken out is left out: a bundle has no layers to tell by.
    """
    tree = settings.pipeline.tree
    others = ("source", "engine", "history", "models", "stages", "checks")
    return {
        **{key: tree[key] for key in tree if key not in others},
        "stages": {s.name: tree["stages"][s.name] for s in settings.pipeline.stages},
        "checks": {name: tree["checks"][name] for name in settings.pipeline.contracts},
    }
