"""Publish what the champion predicts of the period after the last one, and totals."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import polars as pl

from pipeline.errors import ModelError
from pipeline.files.parquet import read_parquet
from pipeline.modeling.data import Features, current_features
from pipeline.modeling.judge.totals import forecast_totals
from pipeline.modeling.monitor.kept import keep_forecast
from pipeline.modeling.records import fingerprint
from pipeline.modeling.registry.apart import forecast_apart
from pipeline.modeling.registry.publish import publish_models
from pipeline.modeling.registry.registry import Version, champion, packed
from pipeline.modeling.settings import STEP, Modeling, ModelingSettings
from pipeline.panel.periods import parsed
from pipeline.plan.settings import Settings
from pipeline.snapshots.profile import collect_profile
from pipeline.snapshots.publish import new_run_id, publish_objects, publish_run
from pipeline.snapshots.records import (
    FORECASTS,
    PREDICTED_TOTALS,
    PREDICTIONS,
    QUARANTINE,
    SnapshotRecord,
)
from pipeline.snapshots.retention import collect_garbage
from pipeline.snapshots.store import (
    Store,
    object_fault,
    open_store,
    read_runs,
    staged_run,
    writing,
)

MODULE = "pipeline/modeling/forecast.py"


class _OvertakenError(Exception):
    """The rows that a forecast is of are not those that are published any more."""


@dataclass(frozen=True)
class Forecast:
    """What was published, by which run, or was there."""

    version: Version
    run_id: str
    predictions: pl.DataFrame
    is_new: bool


def forecast(settings: ModelingSettings, features: Features | None = None) -> Forecast:
    """Forecast with the champion, unless its forecast of these rows is published.

    It is kept until its periods have come. Without a champion that can use the rows,
    nothing is published. Of features that are given, the source is not read again,
    as long as they are up to date.
    """
    version = champion(settings)
    if version is None:
        if read_runs(open_store(settings.root)):
            publish_models(settings)  # the registry may be lost, and the catalog not
        raise _no_champion(settings)
    now, store = current_features(settings), open_store(settings.root)
    if features is None or features.run_id != now.run_id:
        features = now
    published = {s.name: s for s in read_runs(store)[-1].snapshots}
    wanted = _fingerprint(version, settings, published)
    path = store.object(PREDICTIONS, wanted)
    is_there = not any(object_fault(store, name, wanted) for name in FORECASTS)
    shown = [published[name] for name in FORECASTS if name in published]
    if is_there and [s.object for s in shown] == [(name, wanted) for name in FORECASTS]:
        there = read_parquet(path)
        keep_forecast(settings, version, there)
        return Forecast(version, features.run_id, there, is_new=False)
    modeling, made = settings.modeling, None
    if not is_there:
        rows = features.source(settings.pipeline)
        made = forecast_apart(settings, version, rows, alone=True)
        made = _tables(made, version, modeling)
    try:
        run_id = publish_forecast(
            settings.pipeline,
            made,
            wanted,
            key=modeling.key,
            reason=f"just forecast, {version.name} version {version.number}",
            of=_rows_of(published),
        )
    except _OvertakenError:
        return forecast(settings)
    predictions = read_parquet(path)
    keep_forecast(settings, version, predictions)
    return Forecast(version, run_id, predictions, is_new=True)


def _tables(
    made: pl.DataFrame, version: Version, modeling: Modeling
) -> dict[str, pl.DataFrame]:
    """Keep what could be predicted, with its totals; say of what it is, by what."""
    known, time = packed(version), made.schema[modeling.time]
    of = {
        "fitted_through": pl.lit(parsed(known.fitted_through, time), time),
        **of_version(version, modeling),
    }
    probability = (
        pl.col("probability") if "probability" in made.columns else pl.lit(None)
    )
    predictions = (
        made.drop_nulls("prediction")
        .unique(modeling.key)
        .with_columns(probability=probability.cast(pl.Float64))
    )
    totals = forecast_totals(
        predictions,
        asked=modeling.asked,
        by=modeling.totals,
        calibrations=known.totals,
    )
    return {
        PREDICTIONS: predictions.with_columns(**of),
        PREDICTED_TOTALS: totals.with_columns(**of),
    }


def of_version(version: Version, modeling: Modeling) -> dict[str, pl.Expr]:
    """Say what is predicted, in which unit, and by whom, as columns."""
    return {
        "target": pl.lit(modeling.target),
        "unit": pl.lit(modeling.unit),
        "model_version": pl.lit(version.number, pl.Int32),
    }


def publish_forecast(
    settings: Settings,
    tables: dict[str, pl.DataFrame] | None,
    fingerprint: str,
    *,
    key: list[str],
    reason: str,
    of: str | None = None,
) -> str:
    """Publish a run in which only the forecast is new; return its id.

    Column ``run`` holds the id, too. Without `tables`, those of the fingerprint are in
    the store; `key` is that of the predictions, but for their target: a forecast of
    another one has other rows, not changed ones. The project has a run. If it is said
    of which rows the forecast is, and another writer has published others, nothing is
    published.
    """
    started_at = datetime.now(UTC)
    store = open_store(settings.root)
    steps = [name for name in key[-1:] if name == STEP]
    keys = {
        PREDICTIONS: [*key, "target"],
        PREDICTED_TOTALS: ["total_by", "total_of", *steps, "target"],
    }
    with writing(store), staged_run(store) as staging:
        last = read_runs(store)[-1]
        if of and of != _rows_of({s.name: s for s in last.snapshots}):
            raise _OvertakenError
        run_id = new_run_id(last.run_id, started_at)
        made = [
            SnapshotRecord(
                name=name,
                stage="",
                key=keys[name],
                fingerprint=fingerprint,
                state="restored" if tables is None else "computed",
                contract="",
                reasons=[reason],
                checks=[],
                made_by="`just forecast`",
            )
            for name in FORECASTS
        ]
        if tables is not None:
            run = pl.lit(run_id).alias("run")
            rows = {n: t.sort(keys[n]).with_columns(run) for n, t in tables.items()}
            files = {name: staging / f"{name}.parquet" for name in rows}
            for name, path in files.items():
                rows[name].write_parquet(path)
            profiles = {name: collect_profile(table) for name, table in rows.items()}
            publish_objects(store, made, files, profiles, run_id)
        publish_beside(made, FORECASTS, settings, store, run_id, started_at)
    return run_id


def withdraw_another(settings: ModelingSettings) -> bool:
    """Publish a run without the forecast, if that is not the champion's; say if so."""
    started_at, store = datetime.now(UTC), open_store(settings.root)
    if not _shows_another(settings, store):
        return False
    with writing(store), staged_run(store):
        if not _shows_another(settings, store):  # nor since another has written
            return False
        run_id = new_run_id(read_runs(store)[-1].run_id, started_at)
        publish_beside([], FORECASTS, settings.pipeline, store, run_id, started_at)
    return True


def _shows_another(settings: ModelingSettings, store: Store) -> bool:
    """Tell whether a forecast is published that is not the champion's."""
    version, runs = champion(settings), read_runs(store)
    published = {s.name: s for s in runs[-1].snapshots} if runs else {}
    shown = published.get(PREDICTIONS)
    return shown is not None and (
        version is None
        or shown.fingerprint != _fingerprint(version, settings, published)
    )


def _fingerprint(
    version: Version, settings: ModelingSettings, published: dict[str, SnapshotRecord]
) -> str:
    """Hash all that decides what a version forecasts of the rows of a run."""
    of = (version.fingerprint, version.number, settings.modeling.unit)
    # No kind: the bundle holds its own.
    return fingerprint(MODULE, *of, _rows_of(published), kinds=[])


def _rows_of(published: dict[str, SnapshotRecord]) -> str:
    """Name the raw rows of a run: those set aside are named by content and reading."""
    return published[QUARANTINE].fingerprint


def publish_beside(
    made: list[SnapshotRecord],
    names: Collection[str],
    settings: Settings,
    store: Store,
    run_id: str,
    started_at: datetime,
) -> None:
    """Publish the newest run again, with these instead of what has one of the names.

    The lock is held.
    """
    runs = read_runs(store)
    last = runs[-1]
    seconds = (datetime.now(UTC) - started_at).total_seconds()
    others = [_unchanged(s) for s in last.snapshots if s.name not in names]
    record = msgspec.structs.replace(
        last,
        run_id=run_id,
        started_at=started_at,
        restores=None,
        profile=settings.profile,
        execute_s=seconds,
        total_s=seconds,
        snapshots=[*others, *made],
    )
    publish_run(store, [*runs, record])
    collect_garbage(store, [*runs, record])


def _unchanged(snapshot: SnapshotRecord) -> SnapshotRecord:
    """Note that a snapshot is as it was."""
    state = snapshot.state if snapshot.state == "kept" else "fresh"
    return msgspec.structs.replace(snapshot, state=state, reasons=[])


def champion_of(settings: ModelingSettings) -> Version:
    """Return the champion, or raise a ModelError; changes nothing."""
    version = champion(settings)
    if version is None:
        raise _no_champion(settings)
    return version


def _no_champion(settings: ModelingSettings) -> ModelError:
    """Say how to get one."""
    return ModelError(
        f"{settings.modeling.name}: no champion yet\n"
        "hint: `just promote` registers a model, and says what it lacks"
    )
