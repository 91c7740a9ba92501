"""What was tried and trained, in MLflow: one experiment in a SQLite file of our own."""

import logging
import os
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ModelError
from pipeline.files.state import State
from pipeline.modeling.settings import ModelingSettings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from optuna.trial import FrozenTrial

_STUDY = "study"
_TRIAL = "trial"
_ALL = "all"
_FINISHED = "FINISHED"
_MOST_RUNS = 50_000  # that MLflow returns at once
_MODEL = "model_fingerprint"

_PATIENCE_S = 5
_DATABASE = "mlflow.db"


_PLACES = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}
"""Where MLflow keeps absolute paths of artifacts."""

_OURS = "%/.pipeline/mlflow/artifacts"
"""What ends the place of every experiment of ours."""


def store_uri(root: Path) -> str:
    """Name the tracking store and registry of a project."""
    path = str(_folder(root) / _DATABASE)
    return f"sqlite:///{path.replace('%', '%25')}"  # or `%20` in it would be a blank


def _folder(root: Path) -> Path:
    """Name the folder of the store."""
    return State(root.resolve()).mlflow


def environment() -> dict[str, str]:
    """Return the variables that keep MLflow from the network and from waiting."""
    return {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "GIT_PYTHON_REFRESH": "quiet",
    }


@dataclass(frozen=True)
class Tracking:
    """An open store."""

    client: "MlflowClient"
    experiment: str
    artifacts: Path


@contextmanager
def tracking(settings: ModelingSettings) -> Generator[Tracking]:
    """Open the store; it is made at the first time, and mended after a move.

    Raises
    ------
    ModelError
        If another program holds it, or MLflow cannot read or write it.
    """
    os.environ |= environment()
    import mlflow
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    # Errors are raised as well; their tracebacks are not for our users.
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    folder, uri = _folder(settings.root), store_uri(settings.root)
    settle(settings.root)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        client = MlflowClient()
        name = settings.modeling.name
        found = client.get_experiment_by_name(name)
        experiment = (
            found.experiment_id
            if found
            else client.create_experiment(
                name, artifact_location=str(folder / "artifacts")
            )
        )
        yield Tracking(client, experiment, folder / "artifacts")
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise _unusable(folder, error) from error


def settle(root: Path) -> None:
    """Make the store, if there is one, name its artifacts where they are.

    Waits a little for other programs, where MLflow would for minutes.

    Raises
    ------
    ModelError
        If another program holds it, or it is damaged.
    """
    with _opened(root) as connection:
        if connection is not None:
            connection.execute("BEGIN IMMEDIATE")
            _move_artifacts(connection, _folder(root) / "artifacts")
            connection.commit()


def is_logged(root: Path, run_id: str) -> bool:
    """Say whether the store has a run, without MLflow, whose import takes a second."""
    with _opened(root) as connection:
        return connection is not None and _has_run(connection, run_id)


@contextmanager
def _opened(root: Path) -> Generator[sqlite3.Connection | None]:
    """Open the store's file, if it is there."""
    folder = _folder(root)
    try:
        if not (folder / _DATABASE).exists():
            yield None
            return
        with closing(
            sqlite3.connect(folder / _DATABASE, timeout=_PATIENCE_S)
        ) as connection:
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise _unusable(folder, error) from error


def _move_artifacts(connection: sqlite3.Connection, folder: Path) -> None:
    """Name all artifacts of a store where they are, after it was moved or copied.

    Otherwise MLflow would go on reading and writing where the store was made, which may
    be another project. What lies elsewhere is left.
    """
    if not _is_made(connection):
        return
    here = str(folder)
    select = "SELECT DISTINCT artifact_location FROM experiments"
    where = "WHERE artifact_location LIKE ? AND artifact_location <> ?"
    for (there,) in connection.execute(f"{select} {where}", (_OURS, here)).fetchall():
        for table, column in _PLACES.items():
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, length(?) + 1)"
                f" WHERE substr({column}, 1, length(?)) = ?",
                (here, there, there, there),
            )


def _has_run(connection: sqlite3.Connection, run_id: str) -> bool:
    """Say whether a store has a run that is not deleted."""
    select = "SELECT 1 FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
    return _is_made(connection) and bool(
        connection.execute(select, (run_id,)).fetchall()
    )


def _is_made(connection: sqlite3.Connection) -> bool:
    """Say whether MLflow has made the tables; a kill may have come before."""
    select = "SELECT name FROM sqlite_master WHERE type = 'table'"
    return {name for (name,) in connection.execute(select)} >= {*_PLACES}


def _unusable(folder: Path, error: Exception) -> ModelError:
    """Make one error of all that MLflow and SQLite may say."""
    first = str(error).strip().splitlines()[0]
    return ModelError(
        f"{folder}: MLflow's store cannot be used\nfound: {first}\n"
        "hint: if another program holds it, wait for it; if it is damaged, delete"
        " .pipeline/mlflow, and promote again: the models are kept beside it"
    )


def log_study(
    settings: ModelingSettings, name: str, model: str, trials: Sequence["FrozenTrial"]
) -> None:
    """Mirror a study: a run for it, and one below it for each trial that has ended.

    What is there already is left, what a crash left unfinished is finished.
    """
    metric = settings.modeling.metric
    with tracking(settings) as store:
        client, experiment = store.client, store.experiment
        found = client.search_runs(
            [experiment], f"tags.{_STUDY} = '{name}'", max_results=_MOST_RUNS
        )
        runs = {run.data.tags.get(_TRIAL): run for run in found}
        done = {key for key, run in runs.items() if run.info.status == _FINISHED}
        if done >= {_ALL, *(str(trial.number) for trial in trials)}:
            return
        tags = {_STUDY: name, "model": model}
        parent = runs.get(_ALL) or client.create_run(
            experiment, run_name=f"study {name}", tags={**tags, _TRIAL: _ALL}
        )
        tags["mlflow.parentRunId"] = parent.info.run_id
        for trial in trials:
            number = str(trial.number)
            if number in done:
                continue
            run = runs.get(number) or client.create_run(
                experiment,
                run_name=f"trial {number}",
                tags={**tags, _TRIAL: number, "state": trial.state.name.lower()},
            )
            folds = trial.intermediate_values.items()
            client.log_batch(
                run.info.run_id,
                params=_params(trial.params),
                metrics=[
                    _metric(f"{metric}_so_far", value, fold) for fold, value in folds
                ]
                + [_metric(metric, value) for value in _complete([trial])],
            )
            client.set_terminated(run.info.run_id)
        best = sorted(_complete(trials))[:1]
        client.log_batch(
            parent.info.run_id,
            metrics=[
                _metric("trials", len(trials)),
                *(_metric(f"best_{metric}", value) for value in best),
            ],
        )
        client.set_terminated(parent.info.run_id)


def _complete(trials: Sequence["FrozenTrial"]) -> list[float]:
    """Return the values of the trials that have all folds; others' are not alike."""
    return [
        trial.value
        for trial in trials
        if trial.state.name == "COMPLETE" and trial.value is not None
    ]


def log_training(
    settings: ModelingSettings,
    *,
    model: str,
    fingerprint: str,
    dataset: Mapping[str, str],
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    started_at: datetime,
) -> str:
    """Record a training, unless it is, and return the id of its run.

    `dataset` has ``name``, ``digest`` (the snapshot's fingerprint) and ``source`` (its
    file).
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    with tracking(settings) as store:
        client = store.client
        # A kill may have come before the model was in its place.
        is_whole = f"tags.{_MODEL} = '{fingerprint}' and attributes.status = 'FINISHED'"
        for run in client.search_runs([store.experiment], is_whole, max_results=1):
            return run.info.run_id
        run = client.create_run(
            store.experiment,
            start_time=int(started_at.timestamp() * 1000),
            run_name=f"{model} {fingerprint[:8]}",
            tags={_MODEL: fingerprint, "model": model, **tags},
        )
        described = Dataset(
            name=dataset["name"],
            digest=dataset["digest"][:36],
            source_type="local",
            source=dataset["source"],
        )
        context = InputTag("mlflow.data.context", "training")
        run_id = run.info.run_id
        try:
            client.log_inputs(run_id, [DatasetInput(described, [context])])
            client.log_batch(
                run_id,
                params=_params(params),
                metrics=[_metric(key, value) for key, value in metrics.items()],
            )
            client.set_terminated(run_id)
        except Exception:
            client.delete_run(run_id)
            raise
        return run_id


def log_evaluation(
    settings: ModelingSettings,
    run_id: str,
    metrics: Mapping[str, float],
    folder: Path,
) -> None:
    """Add figures of the test years, charts and card to a training's run."""
    with tracking(settings) as store:
        client = store.client
        logged = [_metric(f"test_{key}", value) for key, value in metrics.items()]
        client.log_batch(run_id, metrics=logged)
        client.log_artifacts(run_id, str(folder), "evaluation")


def _params(params: Mapping[str, Any]) -> list[Any]:
    """Make MLflow's parameters."""
    from mlflow.entities import Param

    return [Param(key, str(value)) for key, value in params.items()]


def _metric(key: str, value: float, step: int = 0) -> Any:
    """Make a metric of this moment."""
    import time

    from mlflow.entities import Metric

    return Metric(key, float(value), int(time.time() * 1000), step)
