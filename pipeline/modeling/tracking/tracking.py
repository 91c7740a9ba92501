"""What was tried and trained, in MLflow: one experiment in a SQLite file of our own."""

import logging
import os
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from pipeline.errors import ModelError
from pipeline.files.commit import commit_of
from pipeline.files.state import State
from pipeline.modeling.models import load_kind
from pipeline.modeling.records import TrainingRecord, span
from pipeline.modeling.settings import Modeling, ModelingSettings, plain
from pipeline.progress import doing
from pipeline.snapshots.exclusive import exclusive

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from optuna.trial import FrozenTrial

_STUDY = "study"
_TRIAL = "trial"
_ALL = "all"
_FINISHED = "FINISHED"
_MOST_RUNS = 50_000  # that MLflow returns at once
_MODEL = "model_fingerprint"
_NOTE = "mlflow.note.content"
_PARENT = "mlflow.parentRunId"
_DELETED = "Deleted_Internal"
"""What MLflow calls the stage of a version that was deleted."""

_PATIENCE_S = 5
_OPENING_S = 300
"""That another process may take to make the tables."""
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
    path = str(database(root))
    return f"sqlite:///{path.replace('%', '%25')}"  # or `%20` in it would be a blank


def database(root: Path) -> Path:
    """Name the file that holds tracking store and registry of a project."""
    return _folder(root) / _DATABASE


def artifacts_of(root: Path, model_id: str) -> Path:
    """Find what MLflow keeps of a model, wherever the project is now."""
    return _folder(root) / "artifacts" / "models" / model_id / "artifacts"


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


class Figures(NamedTuple):
    """How good a model is."""

    metrics: Mapping[str, float]
    """On all test periods."""
    windows: Sequence[Mapping[str, float]]
    """By window of the backtest, the oldest first; none if it is one."""


@dataclass(frozen=True)
class Tracking:
    """An open store."""

    client: "MlflowClient"
    experiment: str
    artifacts: Path


@contextmanager
def tracking(settings: ModelingSettings) -> Generator[Tracking]:
    """Open the store; it is made at the first time, and mended after a move."""
    os.environ |= environment()
    with doing("loading MLflow"):
        import mlflow
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

    # Errors are raised as well; their tracebacks are not for our users.
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    folder, uri = _folder(settings.root), store_uri(settings.root)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        lock, fault = folder / "opening.lock", f"{folder}: another process opens it"
        with doing("opening MLflow's store"), exclusive(lock, fault, _OPENING_S):
            settle(settings.root)
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

    Otherwise MLflow would go on reading and writing where a moved or copied store was
    made, which may be another project. What lies elsewhere is left. Waits a little for
    other programs, where MLflow would for minutes.
    """
    here = str(_folder(root) / "artifacts")
    with _opened(root) as connection:
        if connection is None:
            return
        connection.execute("BEGIN IMMEDIATE")
        select = "SELECT DISTINCT artifact_location FROM experiments"
        where = "WHERE artifact_location LIKE ? AND artifact_location <> ?"
        found = connection.execute(f"{select} {where}", (_OURS, here)).fetchall()
        for (there,) in found:
            for table, column in _PLACES.items():
                connection.execute(
                    f"UPDATE {table} SET {column} = ?"
                    f" || substr({column}, length(?) + 1)"
                    f" WHERE substr({column}, 1, length(?)) = ?",
                    (here, there, there, there),
                )
        connection.commit()


def is_made(root: Path) -> bool:
    """Say whether there is a store, so that who only looks makes none.

    A file in its place counts, too: opening it says what is wrong.
    """
    with _opened(root) as connection:
        return connection is not None or _folder(root).is_file()


def is_logged(root: Path, run_id: str) -> bool:
    """Say whether the store has a run, without MLflow, whose import takes a second."""
    select = "SELECT 1 FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
    with _opened(root) as connection:
        return connection is not None and bool(
            connection.execute(select, (run_id,)).fetchall()
        )


def _mirrored(root: Path, study: str) -> set[str]:
    """Name what of a study the store has whole, without MLflow: trials, and `_ALL`."""
    select = (
        "SELECT trial.value FROM runs"
        " JOIN tags AS trial ON trial.run_uuid = runs.run_uuid AND trial.key = ?"
        " JOIN tags AS study ON study.run_uuid = runs.run_uuid AND study.key = ?"
        " WHERE study.value = ? AND status = ? AND lifecycle_stage = 'active'"
    )
    with _opened(root) as connection:
        if connection is None:
            return set()
        found = connection.execute(select, (_TRIAL, _STUDY, study, _FINISHED))
        return {trial for (trial,) in found}


class Registered(NamedTuple):
    """A version of a registered model."""

    number: int
    model_id: str
    tags: Mapping[str, str]


def registered(root: Path, name: str) -> tuple[dict[str, int], list[Registered]]:
    """Read the aliases of a registered model, and its versions, without MLflow.

    Its import takes a second, and ten times the memory that a server has for it.
    """
    with _opened(root) as connection:
        if connection is None:
            path = _folder(root)
            raise _unusable(path, NotADirectoryError(f"{path} is no folder of a store"))

        def asked(columns: str, table: str) -> list[tuple[Any, ...]]:
            where = f"SELECT {columns} FROM {table} WHERE name = ?"
            return connection.execute(where, (name,)).fetchall()

        named = asked("alias, version", "registered_model_aliases")
        tags: dict[int, dict[str, str]] = {}
        for version, key, value in asked("version, key, value", "model_version_tags"):
            tags.setdefault(int(version), {})[key] = value
        found = asked("version, source, current_stage", "model_versions")
    return dict(named), [
        Registered(version, source.rpartition("/")[2], tags.get(version, {}))
        for version, source, stage in found
        if stage != _DELETED
    ]


@contextmanager
def _opened(root: Path) -> Generator[sqlite3.Connection | None]:
    """Open the store's file, if MLflow has made its tables: a kill may come before."""
    path = database(root)
    tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    try:
        if not path.exists():
            yield None
            return
        with closing(sqlite3.connect(path, timeout=_PATIENCE_S)) as connection:
            is_made = {name for (name,) in connection.execute(tables)} >= {*_PLACES}
            yield connection if is_made else None
    except (sqlite3.Error, OSError) as error:
        raise _unusable(path.parent, error) from error


def _unusable(folder: Path, error: Exception) -> ModelError:
    """Make one error of all that MLflow and SQLite may say."""
    first = str(error).strip().splitlines()[0]
    return ModelError(
        f"{folder}: MLflow's store cannot be used\nfound: {first}\n"
        "hint: if another program holds it, wait for it; if it is damaged, delete"
        " .pipeline/mlflow, and promote again: the models are kept beside it"
    )


def log_study(
    settings: ModelingSettings,
    name: str,
    model: str,
    trials: Sequence["FrozenTrial"],
    *,
    is_over: bool,
) -> None:
    """Mirror a study: a run for it, and one below it for each trial that has ended.

    What is there already is left, what a crash left unfinished is finished.
    """
    metric = settings.modeling.metric
    if _mirrored(settings.root, name) >= {_ALL, *(str(t.number) for t in trials)}:
        return
    with tracking(settings) as store:
        client, experiment = store.client, store.experiment
        found = client.search_runs(
            [experiment], f"tags.{_STUDY} = '{name}'", max_results=_MOST_RUNS
        )
        runs = {run.data.tags.get(_TRIAL): run for run in found}
        done = {key for key, run in runs.items() if run.info.status == _FINISHED}
        new = [trial for trial in trials if str(trial.number) not in done]
        tags = {_STUDY: name, "model": model, **_asked(settings.modeling)}
        parent = runs.get(_ALL)
        if parent is None:
            parent = client.create_run(
                experiment,
                start_time=_began(trials[0]),
                run_name=f"study {name}",
                tags={
                    **tags,
                    _TRIAL: _ALL,
                    _NOTE: _about_study(settings, model),
                    **_commit(commit_of(settings.root)),
                },
            )
            space = plain(settings.models[model])["space"]
            client.log_dict(parent.info.run_id, space, "space.json")
        tags[_PARENT] = parent.info.run_id
        for trial in new:
            run = runs.get(str(trial.number)) or client.create_run(
                experiment,
                start_time=_began(trial),
                run_name=f"trial {trial.number}",
                tags={
                    **tags,
                    _TRIAL: str(trial.number),
                    "state": trial.state.name.lower(),
                },
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
            client.set_terminated(run.info.run_id, end_time=_ended(trial))
        n = len(trials)
        best = [min(values)] if (values := _complete(trials)) else []
        client.log_batch(
            parent.info.run_id,
            metrics=[
                _metric("trials", n, n),
                *(_metric(f"best_{metric}", value, n) for value in best),
            ],
        )
        if is_over:
            client.set_terminated(parent.info.run_id, end_time=_ended(trials[-1]))


def _complete(trials: Sequence["FrozenTrial"]) -> list[float]:
    """Return the values of the trials that have all folds; others' are not alike."""
    return [
        trial.value
        for trial in trials
        if trial.state.name == "COMPLETE" and trial.value is not None
    ]


def _began(trial: "FrozenTrial") -> int:
    """Say when a trial began, as MLflow does: in milliseconds since 1970."""
    assert trial.datetime_start is not None, "it has begun"
    return int(trial.datetime_start.timestamp() * 1000)


def _ended(trial: "FrozenTrial") -> int:
    """Say when a trial ended; see `_began`."""
    assert trial.datetime_complete is not None, "it has ended"
    return int(trial.datetime_complete.timestamp() * 1000)


def log_training(settings: ModelingSettings, record: TrainingRecord, data: Path) -> str:
    """Record a training on a file of features, unless it is; return its run's id."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    with tracking(settings) as store:
        client = store.client
        # A kill may have come before the model was in its place.
        is_whole = (
            f"tags.{_MODEL} = '{record.fingerprint}'"
            f" and attributes.status = '{_FINISHED}'"
        )
        for run in client.search_runs([store.experiment], is_whole, max_results=1):
            return run.info.run_id
        began, ended = lasted(record)
        run_id = client.create_run(
            store.experiment,
            start_time=began,
            run_name=f"{record.model} {record.fingerprint[:8]}",
            tags={
                _MODEL: record.fingerprint,
                _NOTE: _about_training(settings, record),
                "model": record.model,
                **_asked(settings.modeling),
                "snapshot_fingerprint": record.features,
                "pipeline_run": record.run_id,
                "code": record.code,
                **{f"version.{name}": v for name, v in record.versions.items()},
                **_commit(record.commit),
                **({_STUDY: record.study} if record.study else {}),
            },
        ).info.run_id
        features = Dataset(
            name=settings.modeling.features,
            digest=record.features[:36],
            source_type="local",
            source=str(data),
        )
        context = InputTag("mlflow.data.context", "training")
        try:
            client.log_inputs(run_id, [DatasetInput(features, [context])])
            client.log_batch(
                run_id,
                params=_params(_fitted_with(record)),
                metrics=[_metric(f"valid_{k}", v) for k, v in record.metrics.items()],
            )
            client.set_terminated(run_id, end_time=ended)
        except Exception:
            client.delete_run(run_id)
            raise
        return run_id


def lasted(record: TrainingRecord) -> tuple[int, int]:
    """Say when a model began and ended to be fitted, in milliseconds since 1970."""
    began = record.created_at.timestamp()
    return int(began * 1000), int((began + record.fit_s) * 1000)


def _commit(commit: str | None) -> dict[str, str]:
    """Name a commit, and whether files differed from it, by MLflow's own tags."""
    if commit is None:
        return {}
    return {
        "mlflow.source.git.commit": commit.removesuffix("-dirty"),
        "mlflow.source.git.dirty": str(commit.endswith("-dirty")).lower(),
    }


def _asked(modeling: Modeling) -> dict[str, str]:
    """Say what is asked of a model, and how chance is drawn."""
    return {
        "target": modeling.target,
        "unit": modeling.unit,
        "metric": modeling.metric,
        "seed": str(modeling.seed),
    }


def _fitted_with(record: TrainingRecord) -> dict[str, Any]:
    """Name what a model was fitted with: its parameters, all of them, and the rows."""
    config = record.config
    params = msgspec.convert(config["params"], load_kind(config["kind"]).Params)
    names = ("kind", "target", "weight", "categorical", "occurrence")
    beside = {name: config[name] for name in names if config.get(name)}
    spans = {name: span(record.spans[name]) for name in ("train", "valid")}
    return _flat({**beside, **spans, **plain(params)})


def _about_training(settings: ModelingSettings, record: TrainingRecord) -> str:
    """Say in two sentences what was trained on which rows for which question."""
    train, valid = (span(record.spans[name]) for name in ("train", "valid"))
    source = f"of study {record.study}" if record.study else "of its YAML"
    return (
        f"{record.model}, to predict {_question(settings.modeling)}. Fitted with the"
        f" parameters {source} to {record.n_rows['train']:,} rows of"
        f" `{settings.modeling.features}`, {train}, its intervals to"
        f" {record.n_rows['valid']:,} rows of {valid}."
    )


def _about_study(settings: ModelingSettings, model: str) -> str:
    """Say in two sentences what is searched, and by what."""
    modeling = settings.modeling
    return (
        f"Parameters of {model}, to predict {_question(modeling)}. The least"
        f" {modeling.metric.upper()} is searched over the last {modeling.study.folds}"
        " training periods, each predicted from those before it."
    )


def _question(modeling: Modeling) -> str:
    """Say what is predicted, of what, and how far ahead."""
    unit = f" ({modeling.unit})" if modeling.unit else ""
    entity = " and ".join(modeling.entity)
    return f"{modeling.target}{unit} of a {entity} {modeling.distance}"


def log_evaluation(
    settings: ModelingSettings, run_id: str, figures: Figures, folder: Path
) -> None:
    """Add figures of the test periods, charts and card to a training's run."""
    log_figures(settings, {run_id: figures})
    with tracking(settings) as store:
        store.client.log_artifacts(run_id, str(folder), "evaluation")


def log_figures(settings: ModelingSettings, runs: Mapping[str, Figures]) -> None:
    """Add figures of the test periods to runs of trainings; by window as a series."""
    with tracking(settings) as store:
        for run_id, (metrics, windows) in runs.items():
            logged = [_metric(f"test_{key}", value) for key, value in metrics.items()]
            logged += [
                _metric(f"window_{key}", value, step)
                for step, window in enumerate(windows)
                for key, value in window.items()
            ]
            store.client.log_batch(run_id, metrics=logged)


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name the leaves of nested mappings by their dotted paths."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(cast("dict[str, Any]", value), f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _params(params: Mapping[str, Any]) -> list[Any]:
    """Make MLflow's parameters."""
    from mlflow.entities import Param

    return [Param(key, str(value)) for key, value in params.items()]


def _metric(key: str, value: float, step: int = 0) -> Any:
    """Make a metric of this moment."""
    import time

    from mlflow.entities import Metric

    return Metric(key, float(value), int(time.time() * 1000), step)
