"""The process: how a stop ends it, how it keeps memory, and what room it needs.

Imports nothing of weight: it is at work before Polars is imported. SIGTERM does what
Ctrl-C does, so that both clean up.
"""

import os
import resource
import select
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from pipeline.errors import ConfigError
from pipeline.progress import stop

STARTED_NS = time.time_ns()
"""When this process began: what it has loaded since is of then."""

_AGAIN_S = 1.0
"""Requests that are closer are one, as where a shell passes a Ctrl-C on, too."""

_SAY_AFTER_S = 3.0

_IMPORTED_S = 0.05
"""How long to wait, again and again, for an import to end."""

_ROOM = (
    ("the address space", resource.RLIMIT_AS, "-v", 2_048),
    ("the memory for data", resource.RLIMIT_DATA, "-d", 800),
)
"""What libraries reserve at their start, in MiB: with less of it they abort."""

_THREADS, _MAX_THREADS = "POLARS_MAX_THREADS", 1024
"""Of none Polars panics, thousands never come up; what is no number it ignores."""

_received = signal.SIGINT
_is_asked = False
_n_put_off = 0
_answered_s = float("-inf")
_actions: list[Callable[[], object]] = []


def stop_in_order() -> None:
    """Turn SIGTERM into Ctrl-C from here on; a second request ends what is stuck.

    Python runs no handler during a pass over the data, while Polars itself looks for
    Ctrl-C, as long as it does not stand still. So a thread hears of each signal.

    NOTE: What a script starts in the background is born to ignore Ctrl-C, but Polars
    looks for it all the same, and takes it for the end of the rows that it gives in
    batches. So Python must hear of it, too.
    """
    signals, arrivals = os.pipe()
    os.set_blocking(arrivals, False)
    signal.set_wakeup_fd(arrivals, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(signals,), daemon=True).start()
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _leave_to_thread)


def _watch(signals: int) -> None:
    """Pass SIGTERM on as SIGINT; end the process if it does not answer to two."""
    global _received, _n_put_off
    asked_s, is_told = None, False
    while True:
        wait_s = None if asked_s is None or is_told else _SAY_AFTER_S
        has_come = bool(select.select([signals], [], [], wait_s)[0])
        if asked_s is not None and _answered_s > asked_s - _AGAIN_S:
            asked_s = None
        if not has_come:
            is_told = asked_s is not None
            if is_told:
                _say("still stopping; Ctrl-C once more ends it at once")
            continue
        [number] = os.read(signals, 1)
        if number == signal.SIGINT and _n_put_off:  # our own, and no second request
            _n_put_off -= 1
            continue
        if number in (signal.SIGINT, signal.SIGTERM):
            stop()
            _act()
        now = time.monotonic()
        if number == signal.SIGTERM:
            _received = signal.SIGTERM
            os.kill(os.getpid(), signal.SIGINT)
        elif number != signal.SIGINT:
            continue
        elif asked_s is None:
            asked_s, is_told = now, False
        elif now - asked_s > _AGAIN_S:
            _say("stopped at once: what was published before is whole")
            os._exit(stop_status())


def _act() -> None:
    """Do what is to be done at once; the thread keeps nothing of it alive."""
    for action in tuple(_actions):
        action()


def _say(text: str) -> None:
    """Write a line to the terminal, whatever holds Python's own streams."""
    os.write(2, f"{text}\n".encode())


def _leave_to_thread(number: int, frame: FrameType | None) -> None:
    """Do nothing: the thread sends SIGINT."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Note that a stop was asked for, and raise KeyboardInterrupt.

    NOTE: An extension that is interrupted while it is imported aborts the process
    (two of 172 stops), so that has to end first.
    """
    global _is_asked, _answered_s
    _is_asked = True
    if _is_importing(frame):
        again = threading.Timer(_IMPORTED_S, _put_off)
        again.daemon = True
        again.start()
        return
    _answered_s = time.monotonic()
    signal.default_int_handler(number, frame)


def _put_off() -> None:
    """Ask again for the stop that came during an import."""
    global _n_put_off
    _n_put_off += 1
    os.kill(os.getpid(), signal.SIGINT)


def _is_importing(frame: FrameType | None) -> bool:
    """Tell whether a frame is at work for an import."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def is_asked() -> bool:
    """Tell whether this process was asked to stop.

    NOTE: A library may lose a KeyboardInterrupt and raise one of its own: OmegaConf
    does, in one of six stops while it reads. Such an error tells a user nothing.
    """
    return _is_asked


@contextmanager
def when_asked(action: Callable[[], object]) -> Generator[None]:
    """Call something as soon as a stop is asked for, though a library is at work.

    Python's own handler waits until the library has come back, which is what the action
    is for. What the library then raises is KeyboardInterrupt here.
    """
    _actions.append(action)
    try:
        yield
    except Exception as error:
        arrive()
        if _is_asked:
            raise KeyboardInterrupt from error
        raise
    finally:
        _actions.remove(action)


def go_on() -> None:
    """Go on after a Ctrl-C, as a prompt does; SIGTERM still ends the command."""
    global _is_asked
    if _received != signal.SIGINT:
        raise KeyboardInterrupt
    _is_asked = False


def arrive() -> None:
    """Let a Ctrl-C arrive that is on its way: raises KeyboardInterrupt for it."""
    time.sleep(0)


def stop_status() -> int:
    """Return the exit status of a command that was stopped, as shells count."""
    return 128 + _received


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


def require_room() -> None:
    """Refuse, as a ConfigError, limits under which Polars aborts."""
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
