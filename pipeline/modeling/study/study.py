"""A study: parameters that are tried, the same ones whatever interrupts it.

What the journal has of a trial decides what is done next: its parameters are chosen,
its folds evaluated, its end told. So a study that was killed goes on as if it had not.
Trials run one after the other, each fit on all cores: two at once on half of the cores
took as much CPU time (66.9 and 69.7 s on two), and are chosen without knowing
of each other.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import msgspec
import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.errors import ModelError
from pipeline.modeling.study.journal import opened
from pipeline.modeling.study.space import Range

Objective: TypeAlias = Callable[[dict[str, Any], int], float]
"""Takes parameters and the number of a fold, and returns what is to be small."""

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
    seed: int,
    on_trial: Callable[[FrozenTrial], None] | None = None,
) -> list[FrozenTrial]:
    """Look for the parameters with the smallest mean over the folds; or go on with it.

    The parameters come from a tree-structured Parzen estimator [1]_. A trial is pruned
    if its mean over the folds so far is above the median of the finished trials' over
    the same folds, as in [2]_, which compares the trial's best value instead.

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
        Takes a fold in ``range(n_folds)``; the same value for the same arguments.
    n_folds, n_trials : int
        At least 1; trials are counted with those of earlier calls.
    seed : int
        Of the choice, at least 0.
    on_trial : callable, optional
        Called in order for each trial that ends now, not for those of earlier calls.

    Returns
    -------
    list of optuna.trial.FrozenTrial
        The trials, complete or pruned, in order. ``intermediate_values`` are the means
        over the folds so far, ``value`` is the last of them.

    Raises
    ------
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
    depends = {"space": space, "n_folds": n_folds, "seed": seed}
    plan = msgspec.json.decode(msgspec.json.encode(depends))
    with opened(journal, name, plan) as (storage, study):
        while True:
            trials = study.get_trials(deepcopy=False)
            finished = [trial for trial in trials if trial.state.is_finished()]
            if len(finished) >= n_trials:
                return finished[:n_trials]
            if len(finished) == len(trials):
                study.add_trial(_next_trial(trials, space, seed))
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


def best_trial(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the complete trial with the smallest value, the earlier of equal ones."""
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return min(complete, key=lambda trial: (trial.value, trial.number), default=None)


def _next_trial(
    trials: Sequence[FrozenTrial], space: Mapping[str, Range], seed: int
) -> FrozenTrial:
    """Choose the parameters of a trial by those before it, and nothing else.

    In a study of its own: one that asked would write parameter by parameter, and begin
    the random numbers anew in the middle of a trial.
    """
    state = np.random.SeedSequence([seed, len(trials)]).generate_state(1)
    scratch = optuna.create_study(sampler=TPESampler(seed=int(state[0])))
    scratch.add_trials(trials)
    asked = scratch.ask({name: space[name].distribution for name in sorted(space)})
    return create_trial(
        state=TrialState.RUNNING,
        params=asked.params,
        distributions=asked.distributions,
    )


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
