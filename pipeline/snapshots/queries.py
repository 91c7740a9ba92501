"""Named queries, the files of ``queries/``: what each asks, and what it can be given.

Imports no DuckDB, so that a name that is not there is said at once.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import QueryError, nearest

_PARAMETER = (
    r"--\s*param:\s*(?P<name>\w+)\s+(?P<type>[A-Z]\w*)\s*=\s*(?P<default>.*?)"
    r"\s*(?:--\s*(?P<meaning>.*))?$"
)
_QUESTION = r"--\s*question:\s*(?P<question>.*)$"


@dataclass(frozen=True)
class Parameter:
    """A value that a named query can be given; ``default`` is a SQL literal."""

    name: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True)
class NamedQuery:
    """A file of ``queries/``."""

    name: str
    question: str
    parameters: tuple[Parameter, ...]
    sql: str


def query_names(folder: Path) -> list[str]:
    """List the named queries, sorted."""
    return sorted(path.stem for path in folder.glob("*.sql") if path.is_file())


def load_query(folder: Path, name: str) -> NamedQuery:
    """Read a named query and its header.

    The header is ``-- question: ...`` and, per parameter,
    ``-- param: name TYPE = default -- meaning``.

    Raises
    ------
    QueryError
        If there is no such query, or its header states no question.
    """
    path = folder / f"{name}.sql"
    if name not in (known := query_names(folder)):
        raise QueryError(
            f"no query '{name}'{nearest(name, known)}\nfound: {', '.join(known)}"
        )
    try:
        sql = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise QueryError(
            f"queries/{name}.sql: a byte that is not UTF-8, at {error.start:,}\n"
            "hint: save the file as UTF-8"
        ) from error
    except OSError as error:
        raise QueryError(f"queries/{name}.sql: {error.strerror}") from error
    lines = sql.splitlines()
    questions = [
        match["question"] for line in lines if (match := re.match(_QUESTION, line))
    ]
    if not questions:
        raise QueryError(f"queries/{name}.sql: expected a line '-- question: ...'")
    parameters = tuple(
        Parameter(m["name"], m["type"], m["default"], m["meaning"] or "")
        for line in lines
        if (m := re.match(_PARAMETER, line))
    )
    return NamedQuery(name, questions[0], parameters, sql)
