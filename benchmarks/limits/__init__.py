"""Small scripts that show where a limit lies in Polars itself."""

import resource
from collections.abc import Callable


def cpu_s(run: Callable[[], object]) -> float:
    """Time a call five times; return the least CPU seconds of all threads."""
    times: list[float] = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_SELF)
        run()
        after = resource.getrusage(resource.RUSAGE_SELF)
        used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        times.append(used)
    return min(times)
