"""Publish the champion's predictions for the year after the last one, as a snapshot."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import polars as pl

from pipeline.errors import ModelError
from pipeline.modeling.apart import forecast_apart
from pipeline.modeling.data import current_features
from pipeline.modeling.ground import read_rows
from pipeline.modeling.records import fingerprint
from pipeline.modeling.registry import Version, champion
from pipeline.modeling.settings import Modeling, ModelingSettings
from pipeline.profile import collect_profile
from pipeline.settings import PREDICTIONS, QUARANTINE
from pipeline.snapshots.publish import new_run_id, publish_object, publish_run
from pipeline.snapshots.records import SnapshotRecord
from pipeline.snapshots.retention import collect_garbage
from pipeline.snapshots.store import (
    open_store,
    read_object,
    read_runs,
    staged_run,
    writing,
)

MODULE = "pipeline/modeling/forecast.py"


@dataclass(frozen=True)
class Forecast:
    """What was published.

    Attributes
    ----------
    version : Version
        The champion.
    run_id : str
        The run that published it.
    predictions : pl.DataFrame
        The snapshot.
    is_new : bool
        False if it was there.
    """

    version: Version
    run_id: str
    predictions: pl.DataFrame
    is_new: bool


def forecast(settings: ModelingSettings) -> Forecast:
    """Forecast with the champion, unless its forecast of these rows is published.

    Raises
    ------
    PipelineError
        If there is no champion, or it cannot use the rows; nothing is published then.
    """
    started_at, started = datetime.now(UTC), time.perf_counter()
    features = current_features(settings)
    version = champion_of(settings)
    store = open_store(settings.root)
    runs = read_runs(store)
    published = {s.name: s for s in runs[-1].snapshots}
    # The rows set aside are named by the source's content and how it is read.
    source = published[QUARANTINE].fingerprint
    wanted = fingerprint(MODULE, version.fingerprint, version.number, source)
    path = store.object(PREDICTIONS, wanted)
    is_there = read_object(store, PREDICTIONS, wanted) is not None
    before = published.get(PREDICTIONS)
    if is_there and before and before.fingerprint == wanted:
        return Forecast(version, features.run_id, pl.read_parquet(path), is_new=False)
    made = None
    if not is_there:
        rows = read_rows(settings.pipeline)
        made = forecast_apart(settings, version.uri, rows, alone=True)
    with writing(store), staged_run(store) as staging:
        runs = read_runs(store)
        run_id = new_run_id(store, started_at)
        if made is not None:
            predictions = _snapshot_of(made, version, run_id, settings.modeling)
            file = staging / f"{PREDICTIONS}.parquet"
            predictions.write_parquet(file)
            profile = collect_profile(predictions)
            publish_object(store, file, PREDICTIONS, wanted, profile, run_id)
        seconds = time.perf_counter() - started
        record = msgspec.structs.replace(
            runs[-1],
            run_id=run_id,
            started_at=started_at,
            restores=None,
            execute_s=seconds,
            total_s=seconds,
            snapshots=[
                *(_unchanged(s) for s in runs[-1].snapshots if s.name != PREDICTIONS),
                SnapshotRecord(
                    name=PREDICTIONS,
                    stage="",
                    key=settings.modeling.key,
                    fingerprint=wanted,
                    state="restored" if made is None else "computed",
                    contract="",
                    reasons=[f"just forecast, version {version.number}"],
                    checks=[],
                ),
            ],
        )
        publish_run(store, [*runs, record], settings.pipeline.history.runs)
        collect_garbage(store, [*runs, record], settings.pipeline.history.runs)
    return Forecast(version, run_id, pl.read_parquet(path), is_new=True)


def _snapshot_of(
    made: pl.DataFrame, version: Version, run_id: str, modeling: Modeling
) -> pl.DataFrame:
    """Keep one row per entity that has a prediction, sorted by the key."""
    return (
        made.drop_nulls("prediction")
        .unique(modeling.key)
        .sort(modeling.key)
        .with_columns(
            pl.lit(version.number, pl.Int32).alias("model_version"),
            pl.lit(run_id).alias("run"),
        )
    )


def _unchanged(snapshot: SnapshotRecord) -> SnapshotRecord:
    """Note that a snapshot is as it was."""
    state = snapshot.state if snapshot.state == "kept" else "fresh"
    return msgspec.structs.replace(snapshot, state=state, reasons=[])


def champion_of(settings: ModelingSettings) -> Version:
    """Return the champion.

    Raises
    ------
    ModelError
        If there is none.
    """
    version = champion(settings)
    if version is None:
        raise ModelError(
            f"{settings.modeling.name}: no champion yet\n"
            "hint: `just promote` registers a model, and says what it lacks"
        )
    return version
