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
    path, name
        The journal, made if absent, and the study in it, which minimizes.
    plan : mapping
        What the study depends on, as JSON has it; kept with it.

    Raises
    ------
    ModelError
        If another process holds the journal, it is damaged or cannot be written, or
        the study was begun with another plan.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.writer", timeout=0):
            for left in path.parent.glob(f"{path.name}.lock*"):
                left.unlink()  # by a killed process; Optuna would wait 30 seconds
            _mend(path)
            storage = _storage(path)
            study = optuna.create_study(
                storage=storage, study_name=name, load_if_exists=True
            )
            begun = study.user_attrs.get(_PLAN)
            if begun is None:
                study.set_user_attr(_PLAN, plan)
            elif begun != plan:
                raise ModelError(
                    f"{path}: study {name} was begun with another plan\n"
                    f"found: {begun}\nexpected: {plan}\n"
                    "hint: give the study another name"
                )
            yield storage, study
    except Timeout as error:
        raise ModelError(
            f"{path}: another process runs a study\nhint: wait until it has ended"
        ) from error
    except OSError as error:
        raise ModelError(f"{path}: the study cannot go on\nfound: {error}") from error


def read_trials(path: Path, name: str) -> list[FrozenTrial]:
    """Return the finished trials of a study, in order; none if there is no study."""
    if not path.exists():
        return []
    storage = _storage(path)
    if name not in (study.study_name for study in storage.get_all_studies()):
        return []
    study = optuna.load_study(study_name=name, storage=storage)
    return [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]


def _storage(path: Path) -> JournalStorage:
    """Open Optuna's journal, which says nothing on the terminal."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return JournalStorage(JournalFileBackend(str(path)))


def _mend(path: Path) -> None:
    """Cut off a last record that was not written to its end; refuse other damage."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    for i, line in enumerate(lines, start=1):
        if _is_record(line):
            continue
        if i < len(lines):
            raise ModelError(
                f"{path}: line {i} of {len(lines)} is damaged\n"
                "hint: delete the file, and the study begins anew"
            )
        with path.open("rb+") as file:
            file.truncate(sum(map(len, lines[:-1])))


def _is_record(line: bytes) -> bool:
    """Tell whether a line holds a JSON object and its end."""
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:  # of JSON, or of UTF-8
        return False
