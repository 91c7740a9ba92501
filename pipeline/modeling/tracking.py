"""What was tried and trained, in MLflow: one experiment in a SQLite file of our own."""

import logging
import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ModelError
from pipeline.modeling.settings import ModelingSettings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from optuna.trial import FrozenTrial

_STUDY = "study"
_TRIAL = "trial"
_MODEL = "model_fingerprint"


def store_uri(root: Path) -> str:
    """Name the tracking store and registry of a project."""
    return f"sqlite:///{root.resolve() / '.pipeline' / 'mlflow' / 'mlflow.db'}"


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


@contextmanager
def tracking(settings: ModelingSettings) -> Generator[Tracking]:
    """Open the store; it is made at the first time.

    Raises
    ------
    ModelError
        If MLflow cannot read or write it.
    """
    os.environ |= environment()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    import mlflow
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    folder = settings.root.resolve() / ".pipeline" / "mlflow"
    uri = store_uri(settings.root)
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
        yield Tracking(client, experiment)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise ModelError(
            f"{folder}: MLflow's store cannot be used\nfound: {first}\n"
            "hint: another program may hold it; wait for it, or stop it"
        ) from error


def log_study(
    settings: ModelingSettings, name: str, model: str, trials: Sequence["FrozenTrial"]
) -> None:
    """Mirror a study: a run for it, and one below it for each finished trial.

    What is there already is left; each trial is one batch.

    Raises
    ------
    ModelError
        If the store cannot be used.
    """
    from mlflow.entities import RunTag

    with tracking(settings) as store:
        client, experiment = store.client, store.experiment
        found = client.search_runs([experiment], f"tags.{_STUDY} = '{name}'")
        by_trial = {run.data.tags.get(_TRIAL): run for run in found}
        parent = by_trial.get(None)
        if parent is None:
            tags = {_STUDY: name, "model": model}
            run_name = f"study {model} {name[-8:]}"
            parent = client.create_run(experiment, run_name=run_name, tags=tags)
        parent_id = parent.info.run_id
        for trial in trials:
            if str(trial.number) in by_trial:
                continue
            tags = {
                _STUDY: name,
                _TRIAL: str(trial.number),
                "mlflow.parentRunId": parent_id,
                "state": trial.state.name.lower(),
            }
            run_name = f"trial {trial.number}"
            run = client.create_run(experiment, run_name=run_name, tags=tags)
            metrics = dict(trial.intermediate_values)
            value = {} if trial.value is None else {"rmse": trial.value}
            client.log_batch(
                run.info.run_id,
                params=_params(trial.params),
                metrics=[
                    *(_metric("rmse_so_far", v, step) for step, v in metrics.items()),
                    *(_metric(key, v) for key, v in value.items()),
                ],
            )
            client.set_terminated(run.info.run_id)
        best = min((t.value for t in trials if t.value is not None), default=None)
        client.log_batch(
            parent_id,
            metrics=[_metric("trials", len(trials))]
            + ([] if best is None else [_metric("best_rmse", best)]),
            tags=[RunTag("trials", str(len(trials)))],
        )
        client.set_terminated(parent_id)


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
    """Record a training, and return the id of its run.

    Parameters
    ----------
    settings : ModelingSettings
        The project's.
    model, fingerprint : str
        Which model.
    dataset : mapping
        ``name``, ``digest`` (the snapshot's fingerprint) and ``source`` (its file).
    params, tags, metrics : mapping
        What is written down.
    started_at : datetime
        When it began.

    Raises
    ------
    ModelError
        If the store cannot be used.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    with tracking(settings) as store:
        client = store.client
        run = client.create_run(
            store.experiment,
            start_time=int(started_at.timestamp() * 1000),
            run_name=f"{model} {fingerprint[:8]}",
            tags={_MODEL: fingerprint, "model": model, **tags},
        )
        run_id = run.info.run_id
        described = Dataset(
            name=dataset["name"],
            digest=dataset["digest"][:36],
            source_type="local",
            source=dataset["source"],
        )
        context = InputTag("mlflow.data.context", "training")
        client.log_inputs(run_id, [DatasetInput(described, [context])])
        client.log_batch(
            run_id,
            params=_params(params),
            metrics=[_metric(key, value) for key, value in metrics.items()],
        )
        client.set_terminated(run_id)
        return run_id


def log_evaluation(
    settings: ModelingSettings,
    run_id: str,
    metrics: Mapping[str, float],
    folder: Path,
) -> None:
    """Add the figures of the test years, the charts and the card to a training's run.

    Raises
    ------
    ModelError
        If the store cannot be used, or the run is not in it.
    """
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
