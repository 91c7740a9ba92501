"""Tells whoever is named how a command has ended, by a command of the shell.

That is given a `pipeline.commands.summary.Summary` as JSON on its standard input; what
becomes of it changes nothing but a warning.
"""

import logging
import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.commands import options
from pipeline.errors import ConfigError, masked
from pipeline.log import LOG
from pipeline.progress import doing

if TYPE_CHECKING:
    from pipeline.commands.summary import Status
    from pipeline.plan.notify import Notify

_OF = {
    "success": "Shell command to run if it ends with 0.",
    "warning": "The same, where something was warned of.",
    "failure": "Shell command that is given a summary as JSON if it fails.",
}

_INTERRUPTED = 128 + signal.SIGINT


@dataclass
class _Asked:
    """The command that is to tell, and whom its options name."""

    context: click.Context
    commands: dict[str, str] = field(default_factory=dict[str, str])


class Heard(logging.Handler):
    """What a command has said before it ended."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.error: str | None = None
        self.warnings: list[str] = []
        self.checks: list[dict[str, Any]] = []
        """Those that rows have failed, as the log has them."""
        self.run_id: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what a summary has of it."""
        of: dict[str, Any] = getattr(record, "fields", {})
        if record.levelno >= logging.WARNING:
            self.warnings.append(options.as_typed(record.getMessage()))
        if "check" in of:
            self.checks.append(of)
        self.run_id = of.get("run_id", self.run_id)


def unattended(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a command that runs where nobody sits before it."""
    for kind, text in _OF.items():
        option = click.option(
            f"--on-{kind}",
            kind,
            metavar="COMMAND",
            expose_value=False,
            callback=_ask,
            help=text,
        )
        command = option(command)
    return options.wait(command)


def _ask(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Note who is to be told."""
    asked = ctx.meta.setdefault(__name__, _Asked(ctx))
    if value:
        asked.commands[param.name] = value


@contextmanager
def telling(ctx: click.Context) -> Generator[Heard]:
    """Listen to a command, and tell how it ended; nobody is told of a Ctrl-C."""
    heard, started_at, started = Heard(), datetime.now(UTC), time.perf_counter()
    LOG.addHandler(heard)
    code = 1
    try:
        yield heard
        code = 0
    except (click.exceptions.Exit, SystemExit) as end:
        found = end.exit_code if isinstance(end, click.exceptions.Exit) else end.code
        code = found if isinstance(found, int) else 1
        raise
    except click.ClickException as error:
        code, heard.error = error.exit_code, error.format_message()
        raise
    finally:
        LOG.removeHandler(heard)
        asked: _Asked | None = ctx.meta.get(__name__)
        if asked and code != _INTERRUPTED:
            try:
                _tell(asked, heard, code, started_at, time.perf_counter() - started)
            except Exception as error:  # it has nothing to do with the result
                LOG.warning("nobody is told how it ended: %s", error)


def _tell(
    asked: _Asked, heard: Heard, code: int, started_at: datetime, seconds: float
) -> None:
    """Run the command that is to be told, if there is one."""
    root = _root()
    notify = _configured(asked, root)
    if notify is None:
        return
    commands = {kind: getattr(notify, kind) for kind in _OF} | asked.commands
    status: Status = "failure" if code else "warning" if heard.warnings else "success"
    kind = "success" if status == "warning" and not commands["warning"] else status
    if not commands[kind]:
        return
    import msgspec

    from pipeline.commands.summary import Check, summary_of

    summary = summary_of(
        root,
        asked.context.info_name or "",
        status=status,
        exit_code=code,
        error=heard.error,
        warnings=heard.warnings,
        checks=msgspec.convert(heard.checks, list[Check]),
        started_at=started_at,
        seconds=seconds,
        run_id=heard.run_id,
    )
    text = masked(msgspec.json.encode(summary).decode())
    with doing("telling how it ended"):
        fault = _run(commands[kind], f"{text}\n".encode(), root, notify.limit_s)
    if fault:
        LOG.warning("`notify.%s` %s; the result is as it was", kind, fault)


def _root() -> Path:
    """Find the project, or the working folder where there is none."""
    try:
        return options.project_root()
    except ConfigError:
        return Path.cwd()


def _configured(asked: _Asked, root: Path) -> "Notify | None":
    """Read whom the configuration names; None if nobody is named at all.

    To look for the word is a hundredth of what it takes to import a reader of YAML,
    half of the time of a run with nothing to do.
    """
    params = asked.context.params
    profile: str | None = params.get("profile")
    given = params.get("overrides") or params.get("words") or ()
    words = tuple(word for word in given if word.startswith("notify"))
    names = [f"profiles/{name}" for name in (profile or "").split(",")]
    paths = [root / "configs" / f"{name}.yaml" for name in ("pipeline", *names)]
    if (
        not asked.commands
        and not words
        and not any(b"notify" in path.read_bytes() for path in paths if path.is_file())
    ):
        return None
    from pipeline.plan.notify import Notify, load_notify

    try:
        return load_notify(root, profile, words)
    except ConfigError:
        if not asked.commands:
            LOG.warning("nobody is told: `notify` cannot be read, as said above")
        return Notify()


def _run(command: str, text: bytes, root: Path, limit_s: int) -> str:
    """Give a text to a command of the shell; say what is wrong, nothing if it is well.

    What it prints goes to the standard error. Whatever it has started ends with it if
    it takes too long.
    """
    import subprocess

    process = subprocess.Popen(
        command,
        shell=True,
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=2,
        start_new_session=True,
    )
    try:
        process.communicate(text, limit_s)
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        is_late = isinstance(error, subprocess.TimeoutExpired)
        return f"was ended after {limit_s} s" if is_late else "was stopped"
    code = process.returncode
    return f"ended with exit code {code}" if code else ""
