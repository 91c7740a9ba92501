"""The file in which a study is kept: Optuna's journal, one JSON object per line."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial

from pipeline.errors import ModelError

_PLAN = "plan"


@contextmanager
def opened(
    path: Path, name: str, plan: Mapping[str, Any]
) -> Generator[tuple[JournalStorage, Study]]:
    """Open a study, or begin it, and keep other processes off its journal.

    A last line that a crash cut short is taken away: what it said was never used.

    Parameters
    ----------
    path : Path
        The journal; made if absent.
    name : str
        Of the study.
    plan : mapping
        What the study depends on, as JSON has it; kept with it.

    Yields
    ------
    tuple of (JournalStorage, Study)
        The study, which minimizes, and where it is kept.

    Raises
    ------
    ModelError
        If another process holds the journal, it is damaged or cannot be written, or
        the study was begun with another plan.
    """
    lock = FileLock(f"{path}.writer", timeout=0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock:
            yield _open(path, name, plan)
    except Timeout as error:
        raise ModelError(
            f"{path}: another process runs a study\nhint: wait until it has ended"
        ) from error
    except OSError as error:
        raise ModelError(f"{path}: the study cannot go on\nfound: {error}") from error


def _open(
    path: Path, name: str, plan: Mapping[str, Any]
) -> tuple[JournalStorage, Study]:
    """Open a study, or begin it, once the lock is held."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for left in path.parent.glob(f"{path.name}.lock*"):
        left.unlink()  # by a killed process; Optuna would wait for it 30 seconds
    _mend(path)
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
    begun = study.user_attrs.get(_PLAN)
    if begun is None:
        study.set_user_attr(_PLAN, plan)
    elif begun != plan:
        raise ModelError(
            f"{path}: study {name} was begun with another plan\n"
            f"found: {begun}\nexpected: {plan}\nhint: give the study another name"
        )
    return storage, study


def _mend(path: Path) -> None:
    """Cut off a last record that was not written to its end; refuse other damage."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    good = 0
    for i, line in enumerate(lines, start=1):
        if _is_record(line):
            good += len(line)
        elif i < len(lines):
            raise ModelError(
                f"{path}: line {i} of {len(lines)} is damaged\n"
                "hint: delete the file, and the study begins anew"
            )
        else:
            with path.open("rb+") as file:
                file.truncate(good)


def _is_record(line: bytes) -> bool:
    """Tell whether a line holds a JSON object and its end."""
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:  # of JSON, or of UTF-8
        return False


def read_trials(path: Path, name: str) -> list[FrozenTrial]:
    """Return the finished trials of a study, in order; none if there is no study."""
    if not path.exists():
        return []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(path)))
    names = [study.study_name for study in storage.get_all_studies()]
    if name not in names:
        return []
    study = optuna.load_study(study_name=name, storage=storage)
    return [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
