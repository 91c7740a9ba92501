"""One fresh process that times the cases, and prints the fastest calls as JSON.

``python -m benchmarks.sample FOLDER N_ROUNDS AGAIN [CASE ...]`` runs each case, round
after round: ours, its pandas twin and the kernel. Of each the fastest call counts: what
else runs on the machine only makes calls slower, also in CPU time. Of the case AGAIN,
if there is one, ours is called and timed once more per round, as work to be planted.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.cases import CASES, load
from benchmarks.kernel import kernel


def cpu_s(run: Callable[[], object]) -> float:
    """CPU seconds of all threads for one call."""
    started = time.process_time()
    run()
    return time.process_time() - started


def main() -> None:
    """Time the cases."""
    folder, n_rounds, again, *names = sys.argv[1:]
    calibrate = kernel()
    timed: dict[str, list[Callable[[], object]]] = {}
    for name in names or CASES:
        ours, twin = load(name, Path(folder))
        timed[name] = [ours, twin, calibrate, *[ours] * (name == again)]
        for call in timed[name]:
            call()  # the first call imports what is imported late
    rounds = [
        {name: [cpu_s(call) for call in calls] for name, calls in timed.items()}
        for _ in range(int(n_rounds))
    ]
    print(
        json.dumps(
            {
                name: [
                    min(seconds)
                    for seconds in zip(*(times[name] for times in rounds), strict=True)
                ]
                for name in timed
            }
        )
    )


if __name__ == "__main__":
    main()
