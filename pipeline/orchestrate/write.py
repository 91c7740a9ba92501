"""A file for a tool: its template, filled with the tasks, and written or compared."""

import json
import os
import re
import shlex
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.errors import ConfigError, OutdatedError
from pipeline.orchestrate import FILES
from pipeline.orchestrate.tasks import Task, Tasks

_REFRESHED = "# Refreshed by: "
"""What the last line of a file of ours begins with."""

_PLAIN = re.compile(r"\.?[A-Za-z_/][A-Za-z0-9_./-]*( [A-Za-z0-9_./=-]+)*")
"""Texts that YAML needs no quotes for, unless they are words of its own."""

_WIDTH = 88

_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".nan", ".inf"}


def render(tool: str, tasks: Tasks, root: Path, target: Path, program: str) -> str:
    """Write the tasks for a tool, in a file at `target`; `program` runs a command.

    The text names no folder above the project, and is the same after a clone.

    Raises
    ------
    ConfigError
        If the file is not in the project, which it has to find.
    """
    if not target.is_relative_to(root):
        raise ConfigError(
            f"{target}: is outside the project\n"
            f"expected: a file in {root}, which finds it wherever it is cloned to\n"
            "hint: leave -o out, and link to the file from where it is looked for"
        )
    folder = Path(os.path.relpath(root, target.parent)).as_posix()
    by_name = {task.name: task for task in tasks.tasks}

    def outcomes(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(by_name[name].outcome for name in names)

    def command(task: Task) -> str:
        return shlex.join([program, *task.words, *tasks.given])

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = cast("dict[str, Any]", environment.filters)  # pyright: ignore[reportUnknownMemberType]
    filters |= {"yaml": to_yaml, "python": to_python}
    template = environment.get_template(f"{FILES[tool]}.j2")
    text = template.render(
        name=tasks.name,
        settings=tasks.settings,
        tasks=tasks.tasks,
        is_seen=tasks.is_seen,
        folder=folder,
        program=program,
        command=command,
        given=tasks.given,
        wrapped=wrapped,
        outcomes=outcomes,
    )
    where = Path(os.path.relpath(target, root)).as_posix()
    options = [] if where == FILES[tool] else ["-o", where]
    words = [program, "orchestrate", tool, *options, *tasks.asked]
    return f"{text}{_REFRESHED}{to_comment(shlex.join(words))}\n"


def to_yaml(text: str) -> str:
    r"""Write a text as YAML, in quotes where it needs some; DVC's ``${`` is escaped."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text.replace("${", r"\${"), ensure_ascii=False)


def to_python(value: object) -> str:
    """Write a text, number or None as Python, as a formatter would."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def wrapped(head: str, items: Sequence[str], tail: str, indent: int = 4) -> str:
    """Write Python between brackets as a formatter would: on one line, three, or more.

    >>> print(wrapped("call(", ["1", "2"], ")"))
        call(1, 2)
    """
    before, listed = " " * indent, ", ".join(items)
    if len(line := f"{before}{head}{listed}{tail}") <= _WIDTH:
        return line
    inner = f"{before}    {listed}"
    if len(inner) > _WIDTH or head.endswith("["):
        inner = "\n".join(f"{before}    {item}," for item in items)
    return f"{before}{head}\n{inner}\n{before}{tail}"


def to_comment(text: str) -> str:
    """Write a text on one line."""
    return text.encode("unicode_escape").decode() if not text.isprintable() else text


def write(text: str, target: Path) -> None:
    """Write a file, in place of one of ours only.

    Raises
    ------
    ConfigError
        If there is another, or it cannot be written.
    """
    try:
        there = _read(target)
        if there is not None and _REFRESHED not in there:
            raise ConfigError(
                f"{target}: is there, and not made by `just orchestrate`\n"
                "hint: name another file by -o, or remove it"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(
            f"{target}: cannot be written\nfound: {error.strerror or error}"
        ) from error


def require_current(text: str, target: Path) -> None:
    """Raise OutdatedError if a file is not what would be written now."""
    there = _read(target)
    hint = f"hint: `{text.splitlines()[-1].removeprefix(_REFRESHED)}` writes it anew"
    if there is None:
        raise OutdatedError(f"{target}: no such file\n{hint}")
    lines = zip_longest(there.splitlines(), text.splitlines(), fillvalue="")
    for number, (found, expected) in enumerate(lines, start=1):
        if found != expected:
            raise OutdatedError(
                f"{target}, line {number}: is out of date\n"
                f"found: {found.strip()}\nexpected: {expected.strip()}\n{hint}"
            )


def _read(path: Path) -> str | None:
    """Read a file, if there is one."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
