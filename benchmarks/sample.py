"""One fresh process that times the cases, and prints its rounds as JSON.

``python -m benchmarks.sample FOLDER N_ROUNDS [CASE ...]`` runs, round after round, ours
four times, its pandas twin and the kernel of each case, so that a slow moment of the
machine falls on all three. A fourth figure has a fifth call of ours: what the four
would take if they were a quarter slower.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.cases import CASES, load
from benchmarks.kernel import kernel
from benchmarks.samplers import N_CALLS


def cpu_s(run: Callable[[], object]) -> float:
    """CPU seconds of all threads for one call."""
    started = time.process_time()
    run()
    return time.process_time() - started


def main() -> None:
    """Time the cases."""
    folder, n_rounds, *names = sys.argv[1:]
    calibrate = kernel()
    timed = {name: load(name, Path(folder)) for name in names or CASES}
    rounds: dict[str, list[list[float]]] = {name: [] for name in timed}
    for ours, twin in timed.values():
        ours()  # the first call imports what is imported late
        twin()
    for _ in range(int(n_rounds)):
        for name, (ours, twin) in timed.items():
            four = sum(cpu_s(ours) for _ in range(N_CALLS))
            figures = [four, cpu_s(twin), cpu_s(calibrate), four + cpu_s(ours)]
            rounds[name].append(figures)
    print(json.dumps(rounds))


if __name__ == "__main__":
    main()
