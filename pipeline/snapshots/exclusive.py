"""One process at a time: who holds a lock, and who waits until it is free."""

import math
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import LockedError
from pipeline.log import LOG
from pipeline.progress import doing
from pipeline.snapshots import lease

_patience_s = 0.0


@contextmanager
def patient(seconds: float) -> Generator[None]:
    """Let whoever finds a lock held wait for it so long, or for ever (``inf``)."""
    global _patience_s
    before, _patience_s = _patience_s, seconds
    try:
        yield
    finally:
        _patience_s = before


@contextmanager
def exclusive(path: Path, fault: str, wait_s: float = 0) -> Generator[None]:
    """Hold the lock of a file, which is made; wait so long at least, if `patient` more.

    Raises
    ------
    LockedError
        With `fault`, and who it is, if another process still holds it then.
    OSError
        If the file cannot be made.
    """
    from filelock import FileLock, Timeout  # imported late: readers hold none

    lock, wait_s = FileLock(path), max(wait_s, _patience_s)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if wait_s:
            LOG.info("%s, %s: waiting", fault, _holder(path))
        try:
            with doing("waiting for another process"):
                lock.acquire(timeout=-1 if math.isinf(wait_s) else wait_s)
        except Timeout:
            waited = f"waited {wait_s:g} s for it; " if wait_s else ""
            raise LockedError(
                f"{fault}, {_holder(path)}\n"
                f"hint: {waited}wait until it has ended, as `--wait` does"
            ) from None
    try:
        now = datetime.now(UTC).isoformat(" ", "seconds").removesuffix("+00:00")
        with suppress(OSError):  # gc is to make room
            _note(path).write_text(f"process {os.getpid()} since {now} UTC")
        yield
    finally:
        with suppress(OSError):
            _note(path).unlink(missing_ok=True)
        lock.release()


def is_held(path: Path) -> bool:
    """Tell whether a process holds the lock of a file."""
    try:
        with path.open("r+b") as file:
            return lease.is_held(file)
    except OSError:
        return False


def _note(path: Path) -> Path:
    """Name the file beside a lock that says who holds it."""
    return path.with_name(f"{path.name}.holder")


def _holder(path: Path) -> str:
    """Read who holds a lock."""
    try:
        return _note(path).read_text() or "another process"
    except OSError:
        return "another process"
