"""What is made of sources and kept in ``.pipeline/data``, whole or not at all."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


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
