import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from pipeline.errors import LockedError, ModelError
from pipeline.modeling.study.space import (
    Categorical,
    FloatRange,
    IntRange,
    Range,
)
from pipeline.modeling.study.study import (
    best_trial,
    distribution_of,
    read_trials,
    run_study,
)
from tests.conftest import ROOT

SPACE: dict[str, Range] = {
    "x": FloatRange(low=0.01, high=10.0, log=True),
    "n": IntRange(low=1, high=9),
    "kind": Categorical(choices=("a", "b", None)),
}

COMPLETE, PRUNED = TrialState.COMPLETE, TrialState.PRUNED
FIRST = {"x": 9.0, "n": 9, "kind": "b", "other": 1}
N_FOLDS = 3
N_TRIALS = 16


def bowl(params: dict[str, Any], fold: int) -> float:
    """A bowl around x = 1, n = 5, kind = a, that grows with the fold."""
    off = math.log(params["x"]) ** 2 + (params["n"] - 5) ** 2 / 10
    return (off + (params["kind"] != "a")) * (fold + 1) + fold


def stuck(params: dict[str, Any], fold: int) -> float:
    """The bowl, but its sixth trial's second fold says so, and does not end."""
    n_asked.append(fold)
    if n_asked.count(0) == 6 and fold == 1:
        sys.stdout.write("stuck\n")
        sys.stdout.flush()
        signal.pause()
    return bowl(params, fold)


n_asked: list[int] = []


def run(
    journal: Path,
    objective: Callable[[dict[str, Any], int], float] = bowl,
    *,
    n_trials: int = N_TRIALS,
    seed: int = 1,
    on_trial: Callable[[FrozenTrial], None] | None = None,
) -> list[FrozenTrial]:
    return run_study(
        journal,
        SPACE,
        FIRST,
        objective,
        n_folds=N_FOLDS,
        n_trials=n_trials,
        seed=seed,
        on_trial=on_trial,
    )


def outcome(trials: list[FrozenTrial]) -> list[Any]:
    return [
        (t.number, t.params, t.state, t.values, t.intermediate_values) for t in trials
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a study that nothing interrupted."""
    journal = tmp_path_factory.mktemp("whole") / "journal"
    run(journal)
    return journal


@pytest.fixture(scope="module")
def expected(whole: Path) -> list[Any]:
    return outcome(run(whole))


def test_trials_are_complete_or_pruned_and_the_search_gets_better(
    expected: list[Any],
) -> None:
    states = [state for _, _, state, _, _ in expected]
    assert set(states) == {COMPLETE, PRUNED}
    assert len(states) == N_TRIALS
    best = [fmean(bowl(params, f) for f in range(3)) for _, params, *_ in expected]
    assert min(best[8:]) < min(best[:8])


def test_values_are_the_running_means_over_the_folds(expected: list[Any]) -> None:
    for _, params, state, values, means in expected:
        scores = [bowl(params, fold) for fold in range(N_FOLDS)]
        by_hand = {f: fmean(scores[: f + 1]) for f in means}
        assert means == pytest.approx(by_hand)
        assert values == [means[max(means)]]
        assert (len(means) == N_FOLDS) == (state == COMPLETE)


def test_what_is_above_the_median_of_the_trials_before_is_pruned(
    tmp_path: Path,
) -> None:
    folds = [
        *((1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (9.0, 9.0)),  # too few to compare with
        (4.0, 8.0),  # still; mean 6
        (3.0, 1.0),  # not above the median of 1 2 3 4 9: 3; mean 2
        (3.1,),  # above that of 1 2 3 3 4 9: 3
        (2.5, 9.0),  # a pruned one is no rival; mean 5.75
        (3.0, 3.0),  # not above that of 1 2 2.5 3 3 4 9: 3
    ]
    values = iter([value for trial in folds for value in trial])
    trials = run_study(
        tmp_path / "journal",
        SPACE,
        FIRST,
        lambda params, fold: next(values),
        n_folds=2,
        n_trials=9,
        seed=0,
    )
    assert next(values, None) is None
    assert [t.value for t in trials] == [1, 2, 3, 9, 6, 2, 3.1, 5.75, 3]
    assert [t.number for t in trials if t.state == PRUNED] == [6]


def test_first_are_the_parameters_that_are_there_also_where_the_space_lacks_them(
    tmp_path: Path,
) -> None:
    def first(of: dict[str, Any]) -> FrozenTrial:
        journal = tmp_path / f"{of['n']}"
        values = iter([1.0, 2.0])
        trials = run_study(
            journal,
            SPACE,
            of,
            lambda params, fold: next(values),
            n_folds=1,
            n_trials=2,
            seed=0,
        )
        assert trials[1].params.keys() == SPACE.keys()
        return trials[0]

    assert first(FIRST).params == {name: FIRST[name] for name in SPACE}
    assert first(FIRST | {"n": 10}).params == {}


def test_parameters_are_those_of_a_study_asked_and_told_as_usual(
    expected: list[Any],
) -> None:
    study = optuna.create_study()
    for number, params, state, values, means in expected:
        if not number:
            study.enqueue_trial({name: FIRST[name] for name in SPACE})
        seeds = np.random.SeedSequence([1, number]).generate_state(1)
        study.sampler = optuna.samplers.TPESampler(seed=int(seeds[0]))
        trial = study.ask(
            {name: distribution_of(SPACE[name]) for name in sorted(SPACE)}
        )
        assert trial.params == params
        for fold, mean in means.items():
            trial.report(mean, fold)
        study.tell(trial, values if state == COMPLETE else None, state)


def test_journal_cut_anywhere_leads_to_the_same_trials_without_doing_work_twice(
    whole: Path, expected: list[Any], tmp_path: Path
) -> None:
    lines = whole.read_bytes().splitlines(keepends=True)
    last = len(lines) - 20
    for n_kept in [*range(0, last, 7), *range(last, len(lines))]:
        kept = lines[:n_kept]
        torn = lines[n_kept][: n_kept % len(lines[n_kept])]
        (tmp_path / str(n_kept)).mkdir()
        journal = tmp_path / str(n_kept) / "journal"
        journal.write_bytes(b"".join(kept) + torn)
        evaluated: list[tuple[str, int]] = []

        def noted(params: dict[str, Any], fold: int) -> float:
            evaluated.append((str(params), fold))  # noqa: B023 - called in this turn
            return bowl(params, fold)

        assert outcome(run(journal, noted)) == expected, n_kept
        n_missing = sum(b'intermediate_value"' in line for line in lines[n_kept:])
        assert len(evaluated) == n_missing, n_kept


def test_more_trials_later_are_those_of_asking_for_all_at_once(
    expected: list[Any], tmp_path: Path
) -> None:
    told: list[int] = []
    journal = tmp_path / "journal"
    run(journal, n_trials=8, on_trial=lambda trial: told.append(trial.number))
    trials = run(journal, on_trial=lambda trial: told.append(trial.number))
    assert outcome(trials) == expected
    assert told == list(range(16))
    assert outcome(run(journal, n_trials=8)) == expected[:8]


def test_lock_that_a_killed_process_left_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "journal.lock").symlink_to("journal")
    started = time.monotonic()
    run(tmp_path / "journal", n_trials=1)
    assert time.monotonic() - started < 20  # Optuna waits for 30 seconds


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_stopped_study_goes_on_as_if_it_had_not_been(
    how: signal.Signals, expected: list[Any], tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    code = (
        f"import sys; sys.path[:0] = {[str(Path(__file__).parent), str(ROOT)]}\n"
        "from pathlib import Path; from test_study import run, stuck\n"
        f"run(Path({str(journal)!r}), stuck)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "stuck\n"
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    assert errors.count("Traceback") == (how == signal.SIGINT)
    told: list[int] = []
    assert outcome(run(journal, on_trial=lambda t: told.append(t.number))) == expected
    assert told == list(range(5, N_TRIALS))


def test_second_process_on_a_journal_is_refused(tmp_path: Path) -> None:
    journal = tmp_path / "journal"

    def nested(params: dict[str, Any], fold: int) -> float:
        with pytest.raises(LockedError, match=f"runs a study, process {os.getpid()} "):
            run(journal)
        return 0.0

    assert len(run(journal, nested, n_trials=2)) == 2


def test_objective_that_fails_names_the_parameters_and_can_be_run_again(
    expected: list[Any], tmp_path: Path
) -> None:
    journal = tmp_path / "journal"

    def fails(params: dict[str, Any], fold: int) -> float:
        if params == expected[6][1] and fold == 1:
            raise ValueError("too many leaves")
        return bowl(params, fold)

    text = (
        "trial 6, fold 1: objective failed\nfound: ValueError: too many leaves\n"
        f"with: {expected[6][1]}\nhint:"
    )
    with pytest.raises(ModelError, match=re.escape(text)):
        run(journal, fails)
    assert outcome(run(journal)) == expected


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_value_that_is_no_finite_number_is_refused(
    value: float, expected: list[Any], tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    text = f"trial 0, fold 0: expected a finite value, found {value}\nwith:"
    with pytest.raises(ModelError, match=text):
        run(journal, lambda params, fold: value)
    assert outcome(run(journal)) == expected


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (b"\0\n", r"line 4 of \d+"),
        (b"[]\n", r"line 4 of \d+"),
        (b"\xff\xfe\n", r"line 4 of \d+"),
        (b"{}\n", "its records"),
        (b'{"op_code": 99, "worker_id": "a"}\n', "its records"),
        (b'{"op_code": 4, "worker_id": "a", "study_id": 0}\n', "its records"),
    ],
)
@pytest.mark.parametrize("use", [run, read_trials], ids=["run", "read"])
def test_damaged_journal_is_refused_by_its_line(
    whole: Path, tmp_path: Path, line: bytes, where: str, use: Callable[[Path], object]
) -> None:
    lines = whole.read_bytes().splitlines(keepends=True)
    journal = tmp_path / "journal"
    journal.write_bytes(b"".join([*lines[:3], line, *lines[4:]]))
    with pytest.raises(ModelError, match=rf"^{journal}: {where}: damaged, .*\nhint: "):
        use(journal)


def test_journal_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="the study cannot go on\nfound: "):
        run(tmp_path / "file" / "journal")


def test_best_params_are_those_of_the_smallest_complete_value(
    whole: Path, expected: list[Any]
) -> None:
    done = [t for t in expected if t[2] == COMPLETE]
    best = min(done, key=lambda t: fmean(bowl(t[1], fold) for fold in range(N_FOLDS)))
    found = best_trial(run(whole))
    assert found is not None
    assert found.params == best[1]
    assert best_trial([]) is None


def test_terminal_stays_clean(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "journal")
    assert capfd.readouterr() == ("", "")
