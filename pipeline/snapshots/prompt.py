"""Ask in SQL at a terminal, statement by statement."""

import os
import readline
import signal
import sys
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

import click

from pipeline.errors import PipelineError
from pipeline.process import go_on, when_asked
from pipeline.snapshots.complete import Known, completions, known
from pipeline.snapshots.core import duckdb
from pipeline.snapshots.result import VERTICAL, write_result
from pipeline.snapshots.sql import select

HISTORY = "sql_history"
"""The file of the statements before, beside the catalog."""

_N_LINES = 2_000

_WELCOME = "A statement ends with ';'. `help` says more, Ctrl-D leaves."
_HELP = """\
show tables;                the snapshots
describe NAME;              the columns of one
from NAME limit 5;          its first rows
show all tables;            and what is in meta, and in the runs before
.vertical                   a value a line, or rows beside each other again
Tab completes names, behind a table's alias its columns; the arrow up gives what was
asked before, Ctrl-C ends a query.
`just sql "..." -o FILE` writes all rows of a result."""

_WORDS = ("help", ".help", ".tables", ".vertical")
"""What is answered without a semicolon."""


def prompt(con: duckdb.DuckDBPyConnection, state: Path, keys: Collection[str]) -> None:
    """Answer what is typed, until the end; it is kept in a folder for the next time."""
    form = None
    lines: list[str] = []
    with _alone_on_the_terminal(), _edited_lines(con, state / HISTORY, lines):
        cast("Any", sys.stdin).reconfigure(errors="surrogateescape")
        click.echo(_WELCOME)
        while True:
            try:
                lines.append(input("...> " if lines else "sql> "))
                statement = "\n".join(lines).strip()
                if statement.rstrip(";").lower() in ("exit", "quit", ".exit", ".quit"):
                    return
                if not _is_whole(statement):
                    continue
                lines.clear()
                if statement.rstrip(";") == ".vertical":
                    form = None if form else VERTICAL
                else:
                    _answer(con, statement, form, keys)
            except KeyboardInterrupt:
                go_on()
                lines.clear()
                click.echo()
            except EOFError:
                click.echo()
                return


def _is_whole(typed: str) -> bool:
    """Tell whether there is something to answer, or nothing at all."""
    return not typed or typed.endswith(";") or typed in _WORDS


def _answer(
    con: duckdb.DuckDBPyConnection,
    statement: str,
    form: str | None,
    keys: Collection[str],
) -> None:
    """Run one statement, and go on after a mistake."""
    if statement.strip(".;") == "help":
        click.echo(_HELP)
    elif statement:
        sql = "SHOW TABLES" if statement == ".tables" else statement
        try:
            with when_asked(con.interrupt):
                write_result(select(con, sql), form, None, keys=keys)
        except KeyboardInterrupt:
            go_on()
            click.echo("\nstopped", err=True)
        except PipelineError as error:
            click.secho(str(error), fg="red", err=True)


@contextmanager
def _edited_lines(
    con: duckdb.DuckDBPyConnection, history: Path, before: Sequence[str]
) -> Generator[None]:
    """Complete names, and keep what is typed for the next time.

    A statement may have begun in lines before.
    """

    @cache
    def names() -> Known:
        return known(con)

    def complete(text: str, state: int) -> str | None:
        line = readline.get_line_buffer()
        statement = " ".join((*before, line))
        until = " ".join((*before, line[: readline.get_begidx()]))
        found = completions(text, until, statement, names())
        return found[state] if state < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n,;()=<>+-*/'")
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    readline.set_history_length(_N_LINES)
    with suppress(OSError):
        readline.read_history_file(history)
    try:
        yield
    finally:
        with suppress(OSError):
            readline.write_history_file(history)


@contextmanager
def _alone_on_the_terminal() -> Generator[None]:
    """Keep a Ctrl-C, which ends a query, from ending what has started this process.

    `just` would say when all is over that it was interrupted.
    """
    ours, theirs = os.getpgrp(), os.tcgetpgrp(sys.stdin.fileno())
    if ours != theirs or ours == os.getpid():
        yield
        return
    # Whoever started this waits for its end, and not for a stop.
    ignored = [signal.SIGTTOU, signal.SIGTSTP]
    before = [signal.signal(number, signal.SIG_IGN) for number in ignored]
    os.setpgid(0, 0)
    os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
    try:
        yield
    finally:
        with suppress(OSError):
            os.tcsetpgrp(sys.stdin.fileno(), theirs)
            os.setpgid(0, theirs)
        for number, handler in zip(ignored, before, strict=True):
            signal.signal(number, handler)
