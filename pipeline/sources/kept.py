"""What is made of sources and kept in ``.pipeline/data``, whole or not at all."""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_DAY_S = 24 * 3600


@contextmanager
def kept(path: Path, *, instead_of: str | None = None) -> Generator[Path]:
    """Give a name to write to, which becomes `path` once that is done.

    Then other files of the folder that a pattern names go. If nothing was written, what
    there is stays.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        if not part.exists():
            return
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    for old in path.parent.glob(instead_of) if instead_of else ():
        if old != path:
            old.unlink(missing_ok=True)


def used(path: Path) -> None:
    """Date a file anew that is used today: what is not goes some day."""
    if time.time() - path.stat().st_mtime > _DAY_S:
        with suppress(OSError):  # of who may only read it
            os.utime(path)
