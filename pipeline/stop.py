"""Ending a command on request: SIGTERM does what Ctrl-C does, so that both clean up."""

import os
import signal
import threading
import time
from types import FrameType

_received = signal.SIGINT
_is_asked = False


def stop_in_order() -> None:
    """Turn SIGTERM into Ctrl-C from here on; call it before other threads start.

    A thread waits for it, because Python runs no handler during a pass over the data,
    while Polars itself looks for Ctrl-C.

    NOTE: What a script starts in the background is born to ignore Ctrl-C, but Polars
    looks for it all the same, and takes it for the end of the rows that it gives in
    batches. So Python must hear of it, too.
    """
    signal.signal(signal.SIGINT, _interrupt)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    threading.Thread(target=_pass_on, daemon=True).start()


def let_through() -> None:
    """Give SIGTERM back, to a program that this process is about to become."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


def _pass_on() -> None:
    """Wait for SIGTERM, and send SIGINT."""
    global _received
    _received = signal.sigwait([signal.SIGTERM])
    os.kill(os.getpid(), signal.SIGINT)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Note that a stop was asked for, and raise KeyboardInterrupt."""
    global _is_asked
    _is_asked = True
    signal.default_int_handler(number, frame)


def is_asked() -> bool:
    """Tell whether this process was asked to stop.

    NOTE: A library may lose a KeyboardInterrupt and raise one of its own: OmegaConf
    does, in one of six stops while it reads. Such an error tells a user nothing.
    """
    return _is_asked


def arrive() -> None:
    """Let a Ctrl-C arrive that is on its way: raises KeyboardInterrupt for it."""
    time.sleep(0)


def stop_status() -> int:
    """Return the exit status of a command that was stopped, as shells count."""
    return 128 + _received
