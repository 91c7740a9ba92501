"""What around a process would end it without a word: looked at before it begins."""

import os
import resource

from pipeline.errors import ConfigError

_ADDRESSES_MIB = 2_048
"""Libraries reserve that much of the address space; with less of it they abort."""

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
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit >> 20 < _ADDRESSES_MIB:
        raise ConfigError(
            f"the address space is limited to {limit >> 20:,} MiB (`ulimit -v`),"
            f" expected {_ADDRESSES_MIB:,} MiB or more\n"
            "hint: `ulimit -v unlimited`; engine.memory limits what a run takes"
        )
