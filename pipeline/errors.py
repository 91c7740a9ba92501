"""Errors a user can act on, and what no text may show.

The first line of a message names the place and the fault, in lower case; then what
was found against what was expected; then a line ``hint:``. The command line prints
them without a traceback; any other exception is a fault of this project.

A value that came from an environment variable is written as ``${oc.env:NAME}``, one
whose name looks like a credential's as ``***``, and a password in a URL likewise.
Texts (the log, errors) are searched for such values, as libraries repeat them.
"""

import re
from collections.abc import Iterable
from typing import Any, ClassVar, cast

_SHOWN = 6
"""Names, at most, in a list of what was found; one more is not worth a cut."""

MASK = "***"

# Patterns are text, to be compiled when they are first needed: that takes as long as to
# import all of this.
_CREDENTIAL = (
    r"(?i:pass(word|wd|phrase)|secret|token|credential|signature"
    r"|(api|access|account|private|s3a\..*)[._-]?key|key[._-]?id)"
)

_OF_COLUMNS = ("columns", "rename", "checks", "panel")
"""Sections whose keys are names of columns."""

_IN_URL = (
    rf"(?<=://)[^/@\s'\"]+(?=@)"
    rf"|(?<=[?&])(?P<name>[^=&\s]*?{_CREDENTIAL}[^=&\s]*=)[^&\s'\"]+"
)

_SHORTEST = 6
"""Characters of a value that texts are searched for; less would be found anywhere."""

_hidden: dict[str, str] = {}


class PipelineError(Exception):
    """Base of every error this project raises on purpose."""

    exit_code: ClassVar[int] = 1
    """Of a command that ends with it; ``commands/README.md`` has the table."""


class ConfigError(PipelineError):
    """A configuration file or an override is wrong."""

    exit_code = 2


class OutdatedError(ConfigError):
    """A file that was written is not what would be written now."""

    exit_code = 1


class SourceError(PipelineError):
    """A source cannot be read, or holds too many bad rows."""

    exit_code = 5


class SchemaError(PipelineError):
    """A stage or a contract asks for columns that are not there."""


class SnapshotError(PipelineError):
    """A snapshot or the catalog is missing, damaged, in use or not as it was."""


class LockedError(SnapshotError):
    """Another process is at work on it."""

    exit_code = 4


class ContractError(PipelineError):
    """The rows of a snapshot break its contract."""

    exit_code = 3


class QueryError(PipelineError):
    """A query or one of its parameters is wrong."""


class ModelError(PipelineError):
    """A model cannot be trained, evaluated or used on what it is given."""


class ClusterError(PipelineError):
    """A cluster cannot be used, or has failed."""


class LineageError(PipelineError):
    """A question about the lineage names what is not in the plan."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant: ``; did you mean 'x'?``, or nothing."""
    import difflib  # imported late, as what goes wrong is rare

    spelt = {other.casefold(): other for other in known}
    match = difflib.get_close_matches(name.casefold(), spelt, n=1)
    return f"; did you mean '{spelt[match[0]]}'?" if match else ""


def some(names: Iterable[str]) -> str:
    """List names, of many the first few and how many more there are."""
    listed = list(names)
    more = len(listed) - _SHOWN
    shown = ", ".join(listed[:_SHOWN] if more > 1 else listed)
    return f"{shown} and {more} more" if more > 1 else shown


def n_of(n: int, noun: str) -> str:
    """Write a number of things: 1 row, 1,200 rows."""
    return f"{n:,} {noun if n == 1 else noun + 's'}"


def hide(value: object, shown: str = MASK) -> None:
    """Keep a text, or a number, out of all texts from here on."""
    text = str(value) if isinstance(value, str | int | float) else ""
    if len(text) >= _SHORTEST:
        import json

        _hidden[text] = shown
        _hidden[json.dumps(text)[1:-1]] = shown


def masked(text: str) -> str:
    """Write a text without what is hidden, and without passwords in URLs."""
    for value in sorted(_hidden, key=len, reverse=True):
        text = text.replace(value, _hidden[value])
    return _without_passwords(text)


def _without_passwords(text: str) -> str:
    """Write the URLs of a text without what is before their @, and without tokens."""
    return re.sub(_IN_URL, lambda match: f"{match['name'] or ''}{MASK}", text)


def mask_tree(tree: Any, name: str = "") -> Any:
    """Copy a configuration without credentials, which are hidden in texts, too."""
    match tree:
        case dict():
            return {
                key: value if key in _OF_COLUMNS else mask_tree(value, key)
                for key, value in cast("dict[str, Any]", tree).items()
            }
        case list():
            return [mask_tree(item, name) for item in cast("list[Any]", tree)]
        case bool() | None:
            return tree
        case str() if re.search(_CREDENTIAL, name) and not tree.startswith("${"):
            hide(tree)
            return MASK
        case int() | float() if re.search(f"{_CREDENTIAL}$", name):
            hide(tree)  # but no count, as of max_tokens
            return MASK
        case str():
            return _without_passwords(tree)
        case _:
            return tree
