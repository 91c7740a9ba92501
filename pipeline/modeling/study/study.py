"""A study: parameters that are tried, the same ones whatever interrupts it.

A batch of trials goes three steps, each of which looks into the journal for what is
missing and does only that: its parameters are chosen, its folds evaluated, its trials
told. Whatever a step decides, it decides by what the steps before it have written, so
neither a crash nor the number of processes changes it. Only this process uses Optuna.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.errors import ConfigError, ModelError
from pipeline.modeling.study.journal import opened
from pipeline.modeling.study.space import Range, suggest
from pipeline.modeling.study.workers import Objective, Submit, evaluating

N_RIVALS = 5
"""A trial is not pruned before so many have been evaluated on all folds."""


def run_study(
    journal: Path,
    name: str,
    space: Mapping[str, Range],
    objective: Objective,
    *,
    n_folds: int,
    n_trials: int,
    batch: int,
    seed: int,
    n_workers: int = 1,
    on_trial: Callable[[FrozenTrial], None] | None = None,
) -> list[FrozenTrial]:
    """Look for the parameters with the smallest mean over the folds; or go on with it.

    The parameters come from a tree-structured Parzen estimator [1]_, which takes the
    other trials of the batch for bad ones ("constant liar"). A trial is pruned if its
    mean over the folds so far is above the median of the finished trials' over the
    same folds, as in [2]_, which compares the trial's best value instead.

    Called again after a crash, it does what is missing, and gives what it would have
    given; called with more trials, it goes on.

    Parameters
    ----------
    journal : Path
        Optuna's journal; made if absent. It may hold other studies.
    name : str
        Of the study: one for each space, objective and data.
    space : mapping of str to Range
        The parameters to choose.
    objective : callable
        Takes the parameters and a fold in ``range(n_folds)``, and returns what is to
        be small; the same value for the same arguments. Picklable if `n_workers` > 1.
    n_folds : int
        Number of folds, at least 1.
    n_trials : int
        Number of trials in all; a multiple of `batch`.
    batch : int
        Trials that are chosen together and evaluated side by side.
    seed : int
        Of the choice, at least 0.
    n_workers : int
        Processes that evaluate; more than `batch` are of no use.
    on_trial : callable, optional
        Called in order for each trial that ends now, not for those of earlier calls.

    Returns
    -------
    list of optuna.trial.FrozenTrial
        The trials, complete or pruned, in order. ``intermediate_values`` are the means
        over the folds so far, ``value`` is the last of them.

    Raises
    ------
    ConfigError
        If `n_trials` is no multiple of `batch`.
    ModelError
        If another process uses the journal, the journal is damaged or cannot be
        written, the study was begun with another plan, or the objective fails or
        returns something else than a finite number. What is done stays done.

    References
    ----------
    .. [1] Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NIPS 2011.
    .. [2] Golovin et al., "Google Vizier: A Service for Black-Box Optimization",
       KDD 2017, section 3.2.2.
    """
    if n_trials % batch:
        raise ConfigError(
            f"study {name}: {n_trials} trials are no whole number of batches of {batch}"
            f"\nhint: take {n_trials // batch * batch + batch} trials"
        )
    depends = {"space": space, "n_folds": n_folds, "batch": batch, "seed": seed}
    plan = msgspec.json.decode(msgspec.json.encode(depends))
    with (
        opened(journal, name, plan) as (storage, study),
        evaluating(objective, min(n_workers, batch)) as submit,
    ):
        n_told = sum(t.state.is_finished() for t in study.get_trials(deepcopy=False))
        for first in range(n_told // batch * batch, n_trials, batch):
            _ask(study, space, seed, n_trials=first + batch)
            _evaluate(study, storage, submit, first, n_folds)
            _tell(study, first, n_folds, on_trial)
        return study.get_trials(deepcopy=False)[:n_trials]


def best_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial:
    """Return the complete trial with the smallest value.

    Parameters
    ----------
    trials : sequence of optuna.trial.FrozenTrial
        What `run_study` returned. Of equal values, the earlier trial's wins.

    Raises
    ------
    ModelError
        If no trial is complete.
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        raise ModelError(
            f"study: none of {len(trials)} trials is complete\nhint: run more trials"
        )
    return min(complete, key=lambda trial: (trial.value, trial.number))


def _ask(study: Study, space: Mapping[str, Range], seed: int, *, n_trials: int) -> None:
    """Add trials, one record of the journal each, until there are so many."""
    trials = study.get_trials(deepcopy=False)
    while len(trials) < n_trials:
        study.add_trial(_next_trial(trials, space, seed))
        trials = study.get_trials(deepcopy=False)


def _next_trial(
    trials: Sequence[FrozenTrial], space: Mapping[str, Range], seed: int
) -> FrozenTrial:
    """Choose the parameters of a trial by those before it, and nothing else.

    In a study of its own: one that asked would write parameter by parameter, and begin
    the random numbers anew in the middle of a trial.
    """
    number = len(trials)
    state = np.random.SeedSequence([seed, number]).generate_state(1)
    scratch = optuna.create_study(sampler=TPESampler(seed=int(state[0])))
    scratch.add_trials(trials)
    suggest(scratch.ask(), space)
    asked = scratch.trials[number]
    return create_trial(
        state=TrialState.RUNNING,
        params=asked.params,
        distributions=asked.distributions,
    )


def _evaluate(
    study: Study, storage: JournalStorage, submit: Submit, first: int, n_folds: int
) -> None:
    """Evaluate a batch fold by fold, without the trials that are pruned on the way."""
    study_id = storage.get_study_id_from_name(study.study_name)
    for fold in range(n_folds):
        trials = study.get_trials(deepcopy=False)
        living = [t for t in trials[first:] if _is_next(fold, t, trials[:first])]
        waits = [submit(trial.params, fold) for trial in living]
        for trial, wait in zip(living, waits, strict=True):
            value = _value(wait, trial, fold)
            before = trial.intermediate_values.get(fold - 1, 0.0)
            mean = before + (value - before) / (fold + 1)
            storage.set_trial_intermediate_value(
                storage.get_trial_id_from_study_id_trial_number(study_id, trial.number),
                fold,
                mean,
            )


def _is_next(fold: int, trial: FrozenTrial, finished: Sequence[FrozenTrial]) -> bool:
    """Tell whether a trial has all folds before this one, and is not pruned by them."""
    if len(trial.intermediate_values) != fold:
        return False
    if fold == 0:
        return True
    rivals = [
        other.intermediate_values[fold - 1]
        for other in finished
        if other.state == TrialState.COMPLETE
    ]
    mean = trial.intermediate_values[fold - 1]
    return len(rivals) < N_RIVALS or mean <= median(rivals)


def _value(wait: Callable[[], float], trial: FrozenTrial, fold: int) -> float:
    """Wait for the objective's value, and refuse one that is no finite number."""
    place = f"study: trial {trial.number}, fold {fold}"
    then = f"with: {trial.params}\nhint: what is done is kept; mend it and run again"
    try:
        value = float(wait())
    except BrokenProcessPool:
        raise
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        raise ModelError(
            f"{place}: objective failed\nfound: {found}\n{then}"
        ) from error
    if not math.isfinite(value):
        raise ModelError(f"{place}: expected a finite value, found {value}\n{then}")
    return value


def _tell(
    study: Study,
    first: int,
    n_folds: int,
    on_trial: Callable[[FrozenTrial], None] | None,
) -> None:
    """End the trials of a batch: complete with all folds, else pruned."""
    for trial in study.get_trials(deepcopy=False)[first:]:
        if trial.state.is_finished():
            continue
        if len(trial.intermediate_values) == n_folds:
            told = study.tell(trial.number, trial.intermediate_values[n_folds - 1])
        else:
            told = study.tell(trial.number, state=TrialState.PRUNED)
        if on_trial:
            on_trial(told)
