"""One logger: a short account for the terminal, and JSON lines for each run.

Modules say ``LOG.info("text", extra=fields(stage=..., n_rows=...))``: the terminal
shows the text, the run's file has the fields too.
"""

import json
import logging
import resource
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias, cast

import click

from pipeline.errors import SnapshotError, nearest

LOG = logging.getLogger("pipeline")

_PATIENCE_S = 2.0
_TICK_S = 0.5
_ENDS = ("published", "failed", "stopped")

Event: TypeAlias = dict[str, Any]


def fields(**values: Any) -> dict[str, Event]:
    """Attach values to a line of the log, for ``extra=``."""
    return {"fields": values}


def show_on_terminal(level: int) -> None:
    """Send lines of at least a level to the standard error; warnings in yellow."""
    handler = _Terminal(level)
    LOG.setLevel(logging.DEBUG)
    LOG.handlers = [h for h in LOG.handlers if not isinstance(h, _Terminal)]
    LOG.addHandler(handler)


def is_quiet() -> bool:
    """Tell whether the terminal shows warnings and errors only."""
    return any(
        isinstance(handler, _Terminal) and handler.level > logging.INFO
        for handler in LOG.handlers
    )


def is_verbose() -> bool:
    """Tell whether the terminal shows every step."""
    return any(
        isinstance(handler, _Terminal) and handler.level <= logging.DEBUG
        for handler in LOG.handlers
    )


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


def read_log(path: Path) -> list[Event]:
    """Read a file that `logged` wrote; a last line that was cut is left out."""
    events: list[Event] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return events


def describe_logs(folder: Path, *, is_running: bool = False) -> list[str]:
    """Write a line per run's log, the newest first: how it ended, and what it took.

    Parameters
    ----------
    folder : Path
        Of the logs.
    is_running : bool
        Whether a run is at work now: then it is the newest one.
    """
    lines: list[str] = []
    for path in sorted(folder.glob("*.jsonl"), reverse=True):
        events = read_log(path)
        last = events[-1] if events else {}
        how = last.get("event", "")
        if how not in _ENDS:
            how = "running" if is_running and not lines else "died"
        seconds = _seconds_between(events)
        first_line = last.get("text", "").partition("\n")[0] if how == "failed" else ""
        text = f"{path.stem}  {how:10} {seconds:7.1f} s {last.get('peak_mib', 0):6} MiB"
        lines.append(f"{text}  {first_line}".rstrip())
    return lines


def describe_log(folder: Path, run_id: str) -> list[str]:
    """Write the steps of one run: seconds since its start, peak memory, text.

    Raises
    ------
    SnapshotError
        If there is no such log.
    """
    path = folder / f"{run_id}.jsonl"
    if not path.is_file():
        known = [log.stem for log in folder.glob("*.jsonl")]
        raise SnapshotError(f"no log of a run '{run_id}'{nearest(run_id, known)}")
    events = read_log(path)
    return [
        f"{_seconds_between([events[0], event]):8.2f} s {event['peak_mib']:6} MiB"
        f"  {event['text']}"
        for event in events
    ]


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


@contextmanager
def progress(text: str) -> Generator[None]:
    """Count the seconds on a terminal while something takes longer than two of them."""
    if not sys.stderr.isatty() or is_quiet():
        yield
        return
    done = threading.Event()
    started = time.monotonic()

    def tick() -> None:
        wait_s = _PATIENCE_S
        while not done.wait(wait_s):
            wait_s = _TICK_S
            click.echo(
                f"\r{text}: {time.monotonic() - started:.0f} s ", nl=False, err=True
            )

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        if time.monotonic() - started > _PATIENCE_S:
            click.echo("\r\033[K", nl=False, err=True)


class _Terminal(logging.Handler):
    """Shows the text of a line, as long as someone reads."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(BrokenPipeError):
            if record.levelno >= logging.WARNING:
                click.secho(f"warning: {record.getMessage()}", fg="yellow", err=True)
            else:
                click.echo(record.getMessage(), err=True)


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
        event: Event = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "text": record.getMessage(),
            "peak_mib": peak_mib(),
        }
        return json.dumps(event | cast("Event", getattr(record, "fields", {})))
