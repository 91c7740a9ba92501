"""What around a process would end it without a word: looked at before it begins."""

import os
import resource

from pipeline.errors import ConfigError

_ROOM = (
    ("the address space", resource.RLIMIT_AS, "-v", 2_048),
    ("the memory for data", resource.RLIMIT_DATA, "-d", 800),
)
"""What libraries reserve at their start, in MiB: with less of it they abort."""

_THREADS, _MAX_THREADS = "POLARS_MAX_THREADS", 1024
"""Of none Polars panics, thousands never come up; what is no number it ignores."""


def require_room() -> None:
    """Refuse surroundings in which Polars aborts.

    Raises
    ------
    ConfigError
        Names the limit.
    """
    threads = os.environ.get(_THREADS, "")
    if threads.isdecimal() and not 1 <= int(threads) <= _MAX_THREADS:
        raise ConfigError(
            f"environment: {_THREADS}: expected 1 to {_MAX_THREADS}, found {threads}"
        )
    for what, kind, option, least_mib in _ROOM:
        limit, _ = resource.getrlimit(kind)
        if limit != resource.RLIM_INFINITY and limit >> 20 < least_mib:
            raise ConfigError(
                f"{what} is limited to {limit >> 20:,} MiB (`ulimit {option}`),"
                f" expected {least_mib:,} MiB or more\n"
                f"hint: `ulimit {option} unlimited`; engine.memory limits a run"
            )
