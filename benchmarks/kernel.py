"""A fixed piece of work to hold CPU times against: what the machine does in a moment.

It sorts, gathers and sums, as the features do, in NumPy on one thread, and shares no
code with them nor with their pandas twins.
"""

from collections.abc import Callable

import numpy as np

_N = 200_000


def kernel() -> Callable[[], float]:
    """Prepare the kernel; each call takes about 30 ms."""
    generator = np.random.default_rng(0)
    keys, values = generator.integers(0, 2**60, _N), generator.random(_N)
    starts = np.arange(0, _N, 3)

    def run() -> float:
        ordered = values[np.argsort(keys, kind="stable")]
        return float(np.add.reduceat(ordered, starts).max())

    return run
