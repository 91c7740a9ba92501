"""A study: parameters that are tried, the same ones whatever interrupts it.

What the journal (a file of Optuna's, one JSON object per line) has of a trial decides
what is done next: its parameters are chosen, its folds evaluated, its end told. So a
study that was killed goes on as if it had not. Trials run one after the other, each fit
on all cores: two at once on half of the cores took as much CPU time (66.9 and 69.7 s on
two), and are chosen without knowing of each other.
"""

import json
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import msgspec
import numpy as np
import optuna
from optuna import distributions
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.errors import ModelError
from pipeline.modeling.study.space import Categorical, FloatRange, IntRange, Range
from pipeline.snapshots.exclusive import exclusive

Objective: TypeAlias = Callable[[dict[str, Any], int], float]
"""Takes parameters and the number of a fold, and returns what is to be small."""

N_RIVALS = 5
"""A trial is not pruned before so many have been evaluated on all folds."""


def run_study(
    journal: Path,
    space: Mapping[str, Range],
    first: Mapping[str, Any],
    objective: Objective,
    *,
    n_folds: int,
    n_trials: int,
    seed: int,
    on_trial: Callable[[FrozenTrial], None] | None = None,
) -> list[FrozenTrial]:
    """Look for the parameters with the smallest mean over the folds; or go on with it.

    The first trial has the parameters there are, so that nothing worse is found; those
    of the others come from a tree-structured Parzen estimator [1]_. A trial is pruned
    if its mean over the folds so far is above the median of the finished trials' over
    the same folds, as in [2]_, which compares the trial's best value instead.

    Called again after a crash, it does what is missing, and gives what it would have
    given; called with more trials, it goes on. The journal is named for all else that
    the trials depend on. `on_trial` is called for each trial that ends now.

    Returns
    -------
    list of optuna.trial.FrozenTrial
        The trials, complete or pruned, in order. ``intermediate_values`` are the means
        over the folds so far, ``value`` is the last of them.

    Raises
    ------
    LockedError
        If another process uses the journal.
    ModelError
        If it is damaged or cannot be written, or the objective fails or returns
        something else than a finite number. What is done stays done.

    References
    ----------
    .. [1] Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NIPS 2011.
    .. [2] Golovin et al., "Google Vizier: A Service for Black-Box Optimization",
       KDD 2017, section 3.2.2.
    """
    with _opened(journal) as storage:
        name = journal.stem
        study = optuna.create_study(
            storage=storage, study_name=name, load_if_exists=True
        )
        while True:
            trials = study.get_trials(deepcopy=False)
            finished = [trial for trial in trials if trial.state.is_finished()]
            if len(finished) >= n_trials:
                return finished[:n_trials]
            if len(finished) == len(trials):
                study.add_trial(_next_trial(trials, space, first, seed))
                continue
            trial = trials[-1]
            id_ = storage.get_trial_id_from_study_id_trial_number(
                storage.get_study_id_from_name(name), trial.number
            )
            means = list(trial.intermediate_values.values())
            while len(means) < n_folds and not _is_worse(means, finished):
                fold = len(means)
                before = means[-1] if means else 0.0
                value = _value(objective, trial, fold)
                means.append(before + (value - before) / (fold + 1))
                storage.set_trial_intermediate_value(id_, fold, means[-1])
            if len(means) == n_folds:
                told = study.tell(trial.number, means[-1])
            else:
                told = study.tell(trial.number, state=TrialState.PRUNED)
            if on_trial:
                on_trial(told)


def read_trials(journal: Path) -> list[FrozenTrial]:
    """Return the finished trials of a study, in order; none if there is no study."""
    storage = _storage(journal) if journal.exists() else None
    # A kill may have come before the study was begun.
    if storage is None or journal.stem not in optuna.get_all_study_names(storage):
        return []
    study = optuna.load_study(study_name=journal.stem, storage=storage)
    return [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]


def best_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the complete trial with the smallest value, the earlier of equal ones."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return min(complete, key=lambda trial: (trial.value, trial.number), default=None)


@contextmanager
def _opened(path: Path) -> Generator[JournalStorage]:
    """Open a journal, or begin it, and keep other processes off it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.writer")
        with exclusive(lock, f"{path}: another process runs a study"):
            for left in path.parent.glob(f"{path.name}.lock*"):
                left.unlink()  # by a killed process; Optuna would wait 30 seconds
            _mend(path)
            yield _storage(path)
    except OSError as error:
        raise ModelError(f"{path}: the study cannot go on\nfound: {error}") from error


def _storage(path: Path) -> JournalStorage:
    """Open Optuna's journal, which says nothing on the terminal; refuse a damaged one.

    A last record that a crash cut short is left out.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except OSError:
        raise
    except Exception as error:  # of many kinds: Optuna takes each line for its own
        lines = path.read_bytes().splitlines(keepends=True)
        wrong = [i for i, line in enumerate(lines, start=1) if not _is_record(line)]
        where = f"line {wrong[0]} of {len(lines)}" if wrong else "its records"
        raise ModelError(
            f"{path}: {where}: damaged, expected what Optuna has written\n"
            "hint: delete the file, and `just tune` begins the study anew"
        ) from error


def _mend(path: Path) -> None:
    """Cut off a last record that a crash cut short."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    if lines and not _is_record(lines[-1]):
        with path.open("rb+") as file:
            file.truncate(sum(map(len, lines[:-1])))


def _is_record(line: bytes) -> bool:
    """Tell whether a line holds a JSON object and its end."""
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:  # of JSON, or of UTF-8
        return False


def _next_trial(
    trials: Sequence[FrozenTrial],
    space: Mapping[str, Range],
    first: Mapping[str, Any],
    seed: int,
) -> FrozenTrial:
    """Choose the parameters of a trial by those before it, and nothing else.

    In a study of its own: one that asked would write parameter by parameter, and begin
    the random numbers anew in the middle of a trial.
    """
    if not trials:
        return _first_trial(space, first)
    state = np.random.SeedSequence([seed, len(trials)]).generate_state(1)
    scratch = optuna.create_study(sampler=TPESampler(seed=int(state[0])))
    scratch.add_trials(trials)
    asked = scratch.ask({name: distribution_of(space[name]) for name in sorted(space)})
    return create_trial(
        state=TrialState.RUNNING,
        params=asked.params,
        distributions=asked.distributions,
    )


def _first_trial(space: Mapping[str, Range], first: Mapping[str, Any]) -> FrozenTrial:
    """Try the parameters as they are; where the space lacks one, without naming any."""
    params = {name: first[name] for name in space}
    ranges = {name: distribution_of(values) for name, values in space.items()}
    try:
        return create_trial(
            state=TrialState.RUNNING, params=params, distributions=ranges
        )
    except ValueError:
        return create_trial(state=TrialState.RUNNING)


def distribution_of(values: Range) -> distributions.BaseDistribution:
    """Return the values of a parameter as Optuna has them."""
    kinds = {
        IntRange: distributions.IntDistribution,
        FloatRange: distributions.FloatDistribution,
        Categorical: distributions.CategoricalDistribution,
    }
    return kinds[type(values)](**msgspec.structs.asdict(values))


def _is_worse(means: Sequence[float], finished: Sequence[FrozenTrial]) -> bool:
    """Tell whether a trial's mean so far is above the median of its rivals'."""
    complete = [other for other in finished if other.state == TrialState.COMPLETE]
    if not means or len(complete) < N_RIVALS:
        return False
    rivals = [other.intermediate_values[len(means) - 1] for other in complete]
    return means[-1] > median(rivals)


def _value(objective: Objective, trial: FrozenTrial, fold: int) -> float:
    """Evaluate a fold, and refuse a value that is no finite number."""
    place = f"study: trial {trial.number}, fold {fold}"
    then = f"with: {trial.params}\nhint: what is done is kept; mend it and run again"
    try:
        value = float(objective(trial.params, fold))
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        raise ModelError(
            f"{place}: objective failed\nfound: {found}\n{then}"
        ) from error
    if not math.isfinite(value):
        raise ModelError(f"{place}: expected a finite value, found {value}\n{then}")
    return value
