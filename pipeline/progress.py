"""What is being done, and how far it is, on a line of the terminal; elsewhere nothing.

The line is drawn again twice a second by a thread, and is gone before anything else is
printed. It takes no more than the row it stands in, and no escape sequences.
"""

import os
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, TypeVar, cast

PATIENCE_S = 0.4
"""What takes less shows nothing; libraries may take a while to import before."""

EVERY_S = 0.5

_ROOM = 3
"""Columns left free: for the cursor, and the ^C that a terminal echoes."""

_T = TypeVar("_T")


class Step:
    """Something at work; where steps lie in each other, the outer one comes first."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.how_far: Callable[[], str] = str
        self.started = time.monotonic()

    def say(self, how_far: str) -> None:
        """Say how far it is, as in ``3 of 40``."""
        self.how_far = lambda: how_far


@contextmanager
def doing(what: str, how_far: Callable[[], str] | None = None) -> Generator[Step]:
    """Say what is at work within.

    `how_far` is asked each time that the line is drawn, in a thread of its own; what it
    raises is nothing to say.
    """
    step = Step(what)
    if how_far is not None:
        step.how_far = how_far
    _steps.append(step)
    try:
        yield step
    finally:
        _steps.remove(step)


def each(items: Collection[_T], what: str) -> Iterator[_T]:
    """Go through items, and say at which of how many this is."""
    return numbered(items, what, len(items))


def numbered(items: Iterable[_T], what: str, of: int, first: int = 1) -> Iterator[_T]:
    """Go through items whose number is told, or of which some are done already."""
    with doing(what) as step:
        for number, item in enumerate(items, start=first):
            step.say(f"{number:,} of {of:,}")
            yield item


@contextmanager
def shown(what: str) -> Generator[None]:
    """Draw the line within, if the standard error is a terminal that someone reads.

    What is printed to the standard streams comes above it.
    """
    global _line
    is_read = bool(sys.stderr) and sys.stderr.isatty()
    if not is_read or os.environ.get("CI", "").lower() not in ("", "0", "false"):
        yield
        return
    before, streams = _line, (sys.stdout, sys.stderr)
    line = _line = Line(sys.stderr)
    done = threading.Event()
    thread = threading.Thread(target=_draw, args=(line, done), daemon=True)
    if sys.stdout and sys.stdout.isatty():
        sys.stdout = cast("TextIO", _Above(sys.stdout, line))
    sys.stderr = cast("TextIO", _Above(sys.stderr, line))
    try:
        with doing(what):
            thread.start()
            yield
    finally:
        done.set()
        line.is_over = True
        line.wipe()
        _line = before
        sys.stdout, sys.stderr = streams


def stop() -> None:
    """Draw no more; what is there is gone with what is printed next, or soon.

    Takes no lock: a signal may have come while someone has it.
    """
    if _line is not None:
        _line.is_over = True


@contextmanager
def hidden() -> Generator[None]:
    """Draw nothing within, as someone is asked for something."""
    line = _line
    if line is None:
        yield
        return
    before, line.is_over = line.is_over, True
    line.wipe()
    try:
        yield
    finally:
        line.is_over = before


class Line:
    """The line of a terminal."""

    def __init__(self, terminal: TextIO) -> None:
        self.terminal = terminal
        self.lock = threading.RLock()
        self.is_over = False
        self.is_begun = False
        """Whether something was printed that does not end its line."""
        self._is_drawn = False

    def draw(self) -> None:
        """Draw it again."""
        with self.lock, suppress(OSError, ValueError):
            text = ""
            if not self.is_over and not self.is_begun and _is_in_front(self.terminal):
                n_columns = _columns(self.terminal) - _ROOM
                text = fitted(_steps, n_columns, self.terminal.encoding)
            self._replace(text)

    def wipe(self) -> None:
        """Leave no trace of it."""
        with self.lock, suppress(OSError, ValueError):
            self._replace("")

    def _replace(self, text: str) -> None:
        """Write blanks over what is there, which every terminal knows, then a text."""
        blanks = " " * (_columns(self.terminal) - 1) if self._is_drawn else ""
        self._is_drawn = bool(text)
        self.terminal.write(f"\r{blanks}\r{text}" if blanks else text)
        self.terminal.flush()


class _Above:
    """A stream whose text comes above the line."""

    def __init__(self, stream: TextIO, line: Line) -> None:
        self._stream = stream
        self._line = line

    def write(self, text: str) -> int:
        """Print in place of the line, which is drawn again below."""
        with self._line.lock:
            if text:
                self._line.wipe()
                self._line.is_begun = not text.endswith("\n")
            return self._stream.write(text)

    @property
    def buffer(self) -> Any:
        """Hand bytes on; whoever writes these is told of no line."""
        self._line.is_over = True
        self._line.wipe()
        return self._stream.buffer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def fitted(steps: Collection[Step], n_columns: int, encoding: str) -> str:
    """Write as many of the steps as fit, the outer ones first, and the seconds.

    The first is the command: it is said where there is nothing else to say. What says
    how far it is counts more than what does not, and at last more than the seconds.
    """
    first, *inner = tuple(steps)
    asked = inner or [first]
    seconds = f"  {time.monotonic() - asked[0].started:.0f} s"
    room = n_columns - len(seconds)
    told = [_told(step, encoding) for step in asked]
    forms = list(_forms(told))
    for text in forms:
        if width_of(text) <= room:
            return text + seconds
    if any(far for _, far in told) and width_of(forms[-1]) <= n_columns:
        return forms[-1]
    return _cut(forms[-1], room) + seconds if room > 0 else ""


def _forms(told: list[tuple[str, str]]) -> Iterator[str]:
    """Write steps at length, then without what stands behind a comma, then fewer."""
    yield _joined(told)
    told = [(what, how_far.partition(", ")[0]) for what, how_far in told]
    yield _joined(told)
    while len(told) > 1:
        del told[max((i for i, (_, far) in enumerate(told) if not far), default=-1)]
        yield _joined(told)
    [(what, how_far)] = told
    yield how_far or what


def _joined(told: Iterable[tuple[str, str]]) -> str:
    """Write steps behind each other, the outer ones first."""
    return " > ".join(": ".join(part for part in step if part) for step in told)


def _told(step: Step, encoding: str) -> tuple[str, str]:
    """Say what a step is, and how far, if it tells."""
    how_far = ""
    with suppress(Exception):
        how_far = step.how_far()
    return _printable(step.what, encoding), _printable(how_far, encoding)


def _printable(text: str, encoding: str) -> str:
    """Write a text in characters that a terminal has, and obeys none of."""
    known = text.encode(encoding, errors="replace").decode(encoding)
    return "".join(c if c.isprintable() else "?" for c in known)


def _cut(text: str, n_columns: int) -> str:
    """Cut a text to a number of columns."""
    if width_of(text) <= n_columns:
        return text
    while text and width_of(text) > n_columns - 2:
        text = text[:-1]
    return f"{text}.." if n_columns > 2 else ""


def width_of(text: str) -> int:
    """Count the cells of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.category(ch) in ("Mn", "Me")
        else 1 + (unicodedata.east_asian_width(ch) in ("W", "F"))
        for ch in text
    )


def _columns(terminal: TextIO) -> int:
    """Return how wide a terminal is now; some say that they have no columns."""
    return os.get_terminal_size(terminal.fileno()).columns or 80


def _is_in_front(terminal: TextIO) -> bool:
    """Tell whether the shell has this command before it, not in the background."""
    try:
        return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:  # not the terminal that this process belongs to
        return True


def _draw(line: Line, done: threading.Event) -> None:
    """Draw the line again and again."""
    wait_s = PATIENCE_S
    while not done.wait(wait_s):
        wait_s = EVERY_S
        line.draw()


_steps: list[Step] = []
_line: Line | None = None
