"""What is left of an error that nobody foresaw: words for the user, a file for us.

Imports nothing that may be what is missing.
"""

import errno
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from pipeline.errors import PipelineError, masked

_MOST_CHARS = 2_000
"""Of an error's own words; some libraries repeat all that they were given."""


def describe_failure(error: BaseException, *, is_told: bool) -> str:
    """Say what happened, and where the traceback is: here, if the user wants it told.

    An error of this project is its own description.
    """
    if isinstance(error, PipelineError):
        return masked(str(error))
    trace = masked("".join(traceback.format_exception(error)))
    text = masked(_what_happened(error))
    if is_told:
        return f"{text}\n{trace}"
    if "\nhint: " in text:
        return text
    kept = _keep(trace)
    hint = f"the traceback is in {kept}" if kept else "--verbose shows the traceback"
    return f"{text}\nhint: {hint}"


def _what_happened(error: BaseException) -> str:
    """Name place and fault: of the machine, where it is one, else of the code."""
    text = str(error)[:_MOST_CHARS].strip()
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f"{Path(f.filename).name}, line {f.lineno}" for f in last)
    match error:
        case MemoryError():
            return f"out of memory\nfound in {place}"
        case ImportError():
            return (
                f"a library cannot be used: {text}\n"
                "expected: what requirements.lock names; `just env` installs it"
            )
        case PermissionError(filename=str(name)):
            return f"{name}: {error.strerror}\nhint: change its permissions"
        case OSError(filename=str(name)):
            return f"{name}: {error.strerror}"
        case OSError():
            return f"the output, or a file: {text}"
        case _:
            return f"unexpected {type(error).__name__}: {text}\nfound in {place}"


def _keep(trace: str) -> str | None:
    """Write a traceback below ``.pipeline/logs``, the same one once; name the file."""
    import hashlib

    digest = hashlib.sha256(trace.encode(errors="replace")).hexdigest()
    with suppress(Exception):  # no project here, no room, or no library to find it
        from pipeline.commands.options import project_root
        from pipeline.files.state import State

        root = project_root()
        path = State(root).logs / f"error-{digest[:8]}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(trace, encoding="utf-8", errors="backslashreplace")
        return path.relative_to(root).as_posix()
    return None


def is_closed_pipe(error: BaseException) -> bool:
    """Tell whether nobody reads any more, as of `just sql ... | head`."""
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def settle_output() -> None:
    """Let no character stop what is printed: what a terminal lacks comes escaped."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
