"""One logger: a short account for the terminal, and JSON lines for each run.

Modules say ``LOG.info("text", extra=fields(stage=..., n_rows=...))``: the terminal
shows the text, the run's file has the fields too.
"""

import logging
import resource
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias, cast

import click

from pipeline.errors import SnapshotError, masked
from pipeline.files.checksum import seal, unseal

LOG = logging.getLogger("pipeline")


def _mask(record: logging.LogRecord) -> bool:
    """Write a line without secrets, whoever shows it."""
    record.msg, record.args = masked(record.getMessage()), ()
    return True


LOG.addFilter(_mask)

_LOGS = "r????????_??????_???.jsonl"
_ENDS = ("published", "finished", "failed", "stopped")

Event: TypeAlias = dict[str, Any]


def fields(**values: Any) -> dict[str, Event]:
    """Attach values to a line of the log, for ``extra=``."""
    return {"fields": values}


def show_on_terminal(level: int, typed: Callable[[str], str]) -> None:
    """Send lines of at least a level to the standard error; warnings in yellow.

    `typed` writes commands that a line names as the user types them.
    """
    handler = _Terminal(level, typed)
    LOG.setLevel(logging.DEBUG)
    LOG.handlers = [h for h in LOG.handlers if not isinstance(h, _Terminal)]
    LOG.addHandler(handler)


def is_quiet() -> bool:
    """Tell whether the terminal shows warnings and errors only."""
    return _shown_level() > logging.INFO


def is_verbose() -> bool:
    """Tell whether the terminal shows every step."""
    return _shown_level() <= logging.DEBUG


def _shown_level() -> int:
    """Return the least level that a terminal shows."""
    shown = (h.level for h in LOG.handlers if isinstance(h, _Terminal))
    return next(shown, logging.INFO)


@contextmanager
def logged(path: Path) -> Generator[None]:
    """Write what is logged, of any level, to a file of JSON lines."""
    path.parent.mkdir(exist_ok=True)
    LOG.setLevel(logging.DEBUG)
    handler = _LogFile(path, mode="w", encoding="utf-8")
    handler.setFormatter(_JsonLines())
    LOG.addHandler(handler)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        handler.close()


def read_log(path: Path) -> tuple[list[Event], int]:
    """Read a file that `logged` wrote, and count the lines that are damaged.

    A last line that was cut, as by a kill, is left out and not counted.

    Raises
    ------
    SnapshotError
        If it cannot be read.
    """
    try:
        *lines, _ = path.read_bytes().split(b"\n")
    except OSError as error:
        raise SnapshotError(f"{path}: cannot be read\nfound: {error}") from error
    import json  # imported late: most commands read and write none

    whole = [record for line in lines if (record := unseal(line))]
    return [json.loads(record) for record in whole], len(lines) - len(whole)


def logs_of(folder: Path) -> dict[str, Path]:
    """Find the log of each run by the run's id, the oldest first."""
    return {path.stem: path for path in sorted(folder.glob(_LOGS)) if path.is_file()}


def describe_logs(folder: Path, *, is_running: bool = False) -> list[str]:
    """Write a line per run's log, the newest first: how it ended, and what it took.

    The newest is that of a run at work, if one is running now.
    """
    lines: list[str] = []
    for run_id, path in reversed(logs_of(folder).items()):
        events, n_damaged = read_log(path)
        last = events[-1] if events else {}
        how = last.get("event", "")
        if how not in _ENDS:
            is_last = is_running and not lines
            how = "running" if is_last else "damaged" if n_damaged else "died"
        seconds = _seconds_between(events)
        first_line = last.get("text", "").partition("\n")[0] if how == "failed" else ""
        text = f"{run_id}  {how:10} {seconds:7.1f} s {last.get('peak_mib', 0):6} MiB"
        lines.append(f"{text}  {first_line}{_damage(n_damaged)}".rstrip())
    return lines


def describe_log(log: Path) -> list[str]:
    """Write the steps of one run: seconds since its start, peak memory, text."""
    events, n_damaged = read_log(log)
    lines = [
        f"{_seconds_between([events[0], event]):8.2f} s {event['peak_mib']:6} MiB"
        f"  {event['text']}"
        for event in events
    ]
    return [*lines, _damage(n_damaged)] if n_damaged else lines


def _damage(n_lines: int) -> str:
    """Say how many lines of a log are left out."""
    lines = "line is" if n_lines == 1 else "lines are"
    return f" ({n_lines} {lines} damaged, and left out)" if n_lines else ""


def _seconds_between(events: list[Event]) -> float:
    """Return the seconds from the first event to the last."""
    if not events:
        return 0.0
    first, last = (datetime.fromisoformat(events[i]["at"]) for i in (0, -1))
    return (last - first).total_seconds()


def peak_mib() -> int:
    """Return the peak memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)


class _Terminal(logging.Handler):
    """Shows the text of a line, as long as someone reads."""

    def __init__(self, level: int, typed: Callable[[str], str]) -> None:
        super().__init__(level)
        self.typed = typed

    def emit(self, record: logging.LogRecord) -> None:
        text = self.typed(record.getMessage())
        with suppress(BrokenPipeError):
            if record.levelno >= logging.WARNING:
                click.secho(f"warning: {text}", fg="yellow", err=True)
            else:
                click.echo(text, err=True)


class _LogFile(logging.FileHandler):
    """A file that ends early where the disk is full, as what is logged matters more."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Leave out the line."""

    def close(self) -> None:
        with suppress(OSError):
            super().close()


class _JsonLines(logging.Formatter):
    """Writes a line of the log as a JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        import json

        event: Event = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "text": record.getMessage(),
            "peak_mib": peak_mib(),
        }
        event |= cast("Event", getattr(record, "fields", {}))
        return seal(masked(json.dumps(event)).encode()).decode()
