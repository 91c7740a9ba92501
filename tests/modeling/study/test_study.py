import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from pipeline.errors import ConfigError, ModelError
from pipeline.modeling.study.space import (
    Categorical,
    FloatRange,
    IntRange,
    Space,
    suggest,
)
from pipeline.modeling.study.study import best_trial, run_study

SPACE: Space = {
    "x": FloatRange(low=0.01, high=10.0, log=True),
    "n": IntRange(low=1, high=9),
    "kind": Categorical(choices=("a", "b", None)),
}
ROOT = Path(__file__).parents[2]
COMPLETE, PRUNED = TrialState.COMPLETE, TrialState.PRUNED
N_FOLDS = 3
BATCH = 4
N_TRIALS = 16


def bowl(params: dict[str, Any], fold: int) -> float:
    """A bowl around x = 1, n = 5, kind = a, that grows with the fold."""
    off = math.log(params["x"]) ** 2 + (params["n"] - 5) ** 2 / 10
    return (off + (params["kind"] != "a")) * (fold + 1) + fold


class StuckBowl:
    """The bowl, noted by process; the first evaluation of all does not end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, params: dict[str, Any], fold: int) -> float:
        (self.folder / f"{os.getpid()}-{time.monotonic_ns()}").touch()
        with suppress(FileExistsError):
            (self.folder.parent / "stuck").touch(exist_ok=False)
            time.sleep(600)
        return bowl(params, fold)

    def processes(self) -> list[int]:
        return [int(note.name.split("-")[0]) for note in self.folder.iterdir()]


def run(
    journal: Path,
    objective: Callable[[dict[str, Any], int], float] = bowl,
    *,
    name: str = "study",
    n_trials: int = N_TRIALS,
    n_workers: int = 1,
    seed: int = 1,
    on_trial: Callable[[FrozenTrial], None] | None = None,
) -> list[FrozenTrial]:
    return run_study(
        journal,
        name,
        SPACE,
        objective,
        n_folds=N_FOLDS,
        n_trials=n_trials,
        batch=BATCH,
        seed=seed,
        n_workers=n_workers,
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


def test_what_is_above_the_median_of_the_batches_before_is_pruned(
    tmp_path: Path,
) -> None:
    batches = [
        *(1.0, 2.0, 3.0, 4.0),  # first folds; too few to compare with
        *(1.0, 2.0, 3.0, 8.0),  # second folds: means 1, 2, 3, 6
        *(9.0, 0.0, 4.0, 2.0),  # four finished are too few, and this batch is no rival
        *(9.0, 0.0, 2.0, 4.0),  # means 9, 0, 3, 3
        *(2.5, 2.6, 2.0, 0.0),  # median of 0 1 2 2 3 4 4 9: 2.5
        *(9.0, 4.0, 0.0),  # 2.6 is above it
    ]
    values = iter(batches)
    trials = run_study(
        tmp_path / "journal",
        "study",
        SPACE,
        lambda params, fold: next(values),
        n_folds=2,
        n_trials=12,
        batch=4,
        seed=0,
    )
    assert next(values, None) is None
    assert [t.value for t in trials] == [1, 2, 3, 6, 9, 0, 3, 3, 5.75, 2.6, 3, 0]
    assert [t.number for t in trials if t.state == PRUNED] == [9]


def test_parameters_are_those_of_a_study_asked_and_told_as_usual(
    expected: list[Any],
) -> None:
    study = optuna.create_study()
    for first in range(0, N_TRIALS, BATCH):
        asked: list[optuna.Trial] = []
        for number in range(first, first + BATCH):
            state = np.random.SeedSequence([1, number]).generate_state(1)
            study.sampler = optuna.samplers.TPESampler(seed=int(state[0]))
            asked.append(study.ask())
            assert suggest(asked[-1], SPACE) == expected[number][1]
        for trial in asked:
            _, _, state, values, means = expected[trial.number]
            for fold, mean in means.items():
                trial.report(mean, fold)
            study.tell(trial, values if state == COMPLETE else None, state)


def test_journal_cut_anywhere_leads_to_the_same_trials_without_doing_work_twice(
    whole: Path, expected: list[Any], tmp_path: Path
) -> None:
    lines = whole.read_bytes().splitlines(keepends=True)
    last_batch = len(lines) - 5 * BATCH
    for n_kept in [*range(0, last_batch, 7), *range(last_batch, len(lines))]:
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
    run(journal, name="another", n_trials=8, seed=2)
    trials = run(journal, on_trial=lambda trial: told.append(trial.number))
    assert outcome(trials) == expected
    assert told == list(range(16))
    assert outcome(run(journal, n_trials=8)) == expected[:8]


def test_lock_that_a_killed_process_left_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "journal.lock").symlink_to("journal")
    started = time.monotonic()
    run(tmp_path / "journal", n_trials=BATCH)
    assert time.monotonic() - started < 20  # Optuna waits for 30 seconds


def start(journal: Path, notes: Path, n_workers: int) -> subprocess.Popen[str]:
    """Start a study that gets stuck in a process, and a group, of its own."""
    code = (
        f"import sys; sys.path[:0] = {[str(Path(__file__).parent), str(ROOT)]}\n"
        "from pathlib import Path; from test_study import StuckBowl, run\n"
        f"run(Path({str(journal)!r}), StuckBowl(Path({str(notes)!r})), "
        f"n_workers={n_workers})"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for at most a minute."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().split(") ")[1][0] != "Z"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_stopped_study_leaves_no_worker_and_goes_on_with_any_number_of_them(
    how: signal.Signals, expected: list[Any], tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    journal, stuck = tmp_path / "journal", StuckBowl(tmp_path / "notes")
    process = start(journal, stuck.folder, n_workers=2)
    wait_until(lambda: len(stuck.processes()) == BATCH)
    time.sleep(0.2)  # one process is stuck, the other has nothing left to do
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # as a terminal does
    else:
        process.kill()
    _, errors = process.communicate(timeout=30)
    assert errors.count("Traceback") == (how == signal.SIGINT)
    wait_until(lambda: not any(map(is_alive, stuck.processes())))
    assert outcome(run(journal)) == expected


def test_second_process_on_a_journal_is_refused(tmp_path: Path) -> None:
    journal = tmp_path / "journal"

    def nested(params: dict[str, Any], fold: int) -> float:
        with pytest.raises(ModelError, match="another process runs a study\nhint:"):
            run(journal)
        return 0.0

    assert len(run(journal, nested, n_trials=BATCH)) == BATCH


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


def die(params: dict[str, Any], fold: int) -> float:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0.0


def test_worker_that_dies_is_reported(expected: list[Any], tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    with pytest.raises(ModelError, match=r"2 worker processes died\nhint: .*memory"):
        run(journal, die, n_workers=2)
    assert outcome(run(journal)) == expected


def test_damaged_journal_is_refused_by_its_line(whole: Path, tmp_path: Path) -> None:
    lines = whole.read_bytes().splitlines(keepends=True)
    lines[3] = b"\0" * 10 + lines[3][10:]
    journal = tmp_path / "journal"
    journal.write_bytes(b"".join(lines))
    with pytest.raises(
        ModelError, match=rf"journal: line 4 of {len(lines)} is damaged"
    ):
        run(journal)


def test_study_begun_with_another_plan_is_refused(whole: Path) -> None:
    with pytest.raises(ModelError, match="study was begun with another plan\nfound: "):
        run(whole, seed=2)


def test_trials_that_fill_no_batch_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"10 trials .* of 4\nhint: take 12 trials"):
        run(tmp_path / "journal", n_trials=10)


def test_journal_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="the study cannot go on\nfound: "):
        run(tmp_path / "file" / "journal")


def test_best_params_are_those_of_the_smallest_complete_value(
    whole: Path, expected: list[Any]
) -> None:
    done = [t for t in expected if t[2] == COMPLETE]
    best = min(done, key=lambda t: fmean(bowl(t[1], fold) for fold in range(N_FOLDS)))
    assert best_trial(run(whole)).params == best[1]
    with pytest.raises(ModelError, match="none of 0 trials is complete"):
        best_trial([])


def test_terminal_stays_clean(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "journal")
    assert capfd.readouterr() == ("", "")
