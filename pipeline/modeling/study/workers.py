"""Evaluates an objective side by side, in processes that end with this one."""

import os
import signal
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, get_context, parent_process
from threading import Thread
from typing import Any, TypeAlias

from pipeline.errors import ModelError

Params: TypeAlias = dict[str, Any]

Objective: TypeAlias = Callable[[Params, int], float]
"""Takes parameters and the number of a fold, and returns what is to be small."""

Submit: TypeAlias = Callable[[Params, int], Callable[[], float]]
"""Takes what an objective takes, and returns what waits for the value."""

_objective: Objective | None = None


@contextmanager
def evaluating(objective: Objective, n_workers: int) -> Generator[Submit]:
    """Start processes that evaluate an objective; end them, busy or not, at the exit.

    They start with the first evaluation that is submitted. Ctrl-C reaches this process
    only, which ends them; they end by themselves when this process was killed.

    Parameters
    ----------
    objective : callable
        Is pickled, once per process.
    n_workers : int
        Number of processes; with 1, there are none, and a value is computed in this
        process when it is waited for.

    Yields
    ------
    callable
        Submits an evaluation.

    Raises
    ------
    ModelError
        If a process died.
    """
    if n_workers == 1:
        yield lambda params, fold: partial(objective, params, fold)
        return
    others = set(active_children())
    pool = ProcessPoolExecutor(
        n_workers,
        # A fork would hang where OpenMP or Polars has threads already.
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=(objective,),
    )

    def submit(params: Params, fold: int) -> Callable[[], float]:
        with _interrupts_later():
            return pool.submit(_evaluate, params, fold).result

    try:
        yield submit
    except BrokenProcessPool as error:
        raise ModelError(
            f"study: one of {n_workers} worker processes died\n"
            "hint: if the memory did not suffice, take fewer workers"
        ) from error
    finally:
        for worker in set(active_children()) - others:
            worker.kill()
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_later() -> Generator[None]:
    """Hold back Ctrl-C; a process that is started meanwhile never receives it."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _start_worker(objective: Objective) -> None:
    """Keep the objective of a process, and watch the one that started it."""
    global _objective
    _objective = objective
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait until the process that started this one has ended, and end."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _evaluate(params: Params, fold: int) -> float:
    """Evaluate the objective of this process."""
    assert _objective is not None
    return _objective(params, fold)
