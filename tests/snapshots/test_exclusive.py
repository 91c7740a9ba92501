import logging
import os
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import LockedError
from pipeline.log import LOG
from pipeline.snapshots.exclusive import exclusive, is_held, patient


class Freeing(logging.Handler):
    """Keeps what is logged, and lets another thread go on then."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.free = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
        self.free.set()


@contextmanager
def held_elsewhere(path: Path, free: threading.Event) -> Generator[None]:
    """Let another thread hold a lock until it is told to free it."""
    has_it = threading.Event()

    def hold() -> None:
        with exclusive(path, "mine"):
            has_it.set()
            free.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    has_it.wait(10)
    try:
        yield
    finally:
        free.set()
        thread.join()


@pytest.mark.parametrize("patience", [float("inf"), 10], ids=["for ever", "10 s"])
def test_who_is_patient_is_told_for_whom_and_goes_on_when_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    handler = Freeing()
    monkeypatch.setattr(LOG, "handlers", [handler])
    monkeypatch.setattr(LOG, "level", logging.INFO)
    lock = tmp_path / "lock"
    with (
        held_elsewhere(lock, handler.free),
        patient(patience),
        exclusive(lock, "x: is taken"),
    ):
        assert is_held(lock)
    [text] = handler.texts
    since = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    assert re.fullmatch(f"x: is taken, process {os.getpid()} {since}: waiting", text)
    assert not is_held(lock)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_who_is_not_or_no_longer_patient_is_refused(tmp_path: Path) -> None:
    lock, free = tmp_path / "lock", threading.Event()
    with held_elsewhere(lock, free):
        with (
            patient(0.01),
            pytest.raises(LockedError, match=r"hint: waited 0\.01 s for it"),
            exclusive(lock, "x"),
        ):
            pass
        with (
            pytest.raises(LockedError, match=r"^x, process .*\nhint: wait until"),
            exclusive(lock, "x"),
        ):
            pass
        (tmp_path / "lock.holder").unlink()
        with (
            pytest.raises(LockedError, match=r"^x, another process\n"),
            exclusive(lock, "x"),
        ):
            pass
