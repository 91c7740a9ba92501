"""Keep what a catalog shows, as long as this process may read it.

DuckDB holds a lock on a catalog that it has open, by which clearing up sees that it is
read. Whoever reads objects by themselves holds another one: a lock of DuckDB's kind is
lost with any other handle of the file that the process closes.
"""

import fcntl
import os
import threading
from pathlib import Path
from typing import IO

_held: set[Path] = set()
_guard = threading.Lock()


def hold(catalog: Path) -> None:
    """Keep the objects of a catalog's runs until this process ends.

    So frames that were made of them can be collected whenever it is, as a DuckDB client
    goes on with the catalog that it has opened.
    """
    with _guard:
        if catalog not in _held:
            fcntl.flock(os.open(catalog, os.O_RDONLY), fcntl.LOCK_SH)
            _held.add(catalog)


def is_held(file: IO[bytes]) -> bool:
    """Tell whether a process holds a catalog, this one among them."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
