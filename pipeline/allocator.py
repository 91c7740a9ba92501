"""How Polars keeps memory that was freed, for the commands that need speed.

Imports nothing of weight: it has to be called before Polars is imported.
"""

import os


def reuse_freed_memory() -> None:
    """Let Polars' allocator use freed memory again instead of giving it back.

    By default jemalloc has four arenas per processor, returns what is free after half a
    second, and large blocks at once; the pass then faults in every page several times.
    An arena per processor finds its own memory again; after two seconds without use it
    is given back as before. A setting of the user's own stays.
    """
    settings = {
        "narenas": os.cpu_count() or 1,
        "dirty_decay_ms": 2_000,
        "oversize_threshold": 0,  # large blocks come from the same arenas
    }
    conf = ",".join(f"{name}:{value}" for name, value in settings.items())
    os.environ.setdefault("_RJEM_MALLOC_CONF", conf)
