"""What is never written down: values of the environment, and what gives access.

A value that came from an environment variable is recorded as ``${oc.env:NAME}``, one
whose name looks like a credential's as ``***``, and a password in a URL likewise.
Texts (the log, errors) are searched for such values, as libraries repeat them.
"""

import json
import re
from typing import Any, cast

MASK = "***"

_CREDENTIAL = re.compile(
    r"pass(word|wd|phrase)|secret|token|credential|signature"
    r"|(api|access|account|private|s3a\..*)[._-]?key|key[._-]?id",
    re.IGNORECASE,
)

# Sections whose keys are names of columns.
_NAMES = ("columns", "rename", "checks", "panel")

_IN_URL = re.compile(
    rf"(?<=://)[^/@\s'\"]+(?=@)"
    rf"|(?<=[?&])(?P<name>[^=&\s]*?({_CREDENTIAL.pattern})[^=&\s]*=)[^&\s'\"]+",
    re.IGNORECASE,
)

_SHORTEST = 6
"""Characters of a value that texts are searched for; less would be found anywhere."""

_hidden: dict[str, str] = {}


def hide(value: object, shown: str = MASK) -> None:
    """Keep a value out of all texts from here on."""
    if isinstance(value, str) and len(value) >= _SHORTEST:
        _hidden[value] = shown
        _hidden[json.dumps(value)[1:-1]] = shown


def masked(text: str) -> str:
    """Write a text without what is hidden, and without passwords in URLs."""
    for value in sorted(_hidden, key=len, reverse=True):
        text = text.replace(value, _hidden[value])
    return _without_passwords(text)


def _without_passwords(text: str) -> str:
    """Write the URLs of a text without what is before their @, and without tokens."""
    return _IN_URL.sub(lambda match: f"{match['name'] or ''}{MASK}", text)


def mask_tree(tree: Any, name: str = "") -> Any:
    """Copy a configuration without credentials, which are hidden in texts, too."""
    match tree:
        case dict():
            return {
                key: value if key in _NAMES else mask_tree(value, key)
                for key, value in cast("dict[str, Any]", tree).items()
            }
        case list():
            return [mask_tree(item, name) for item in cast("list[Any]", tree)]
        case str() if _CREDENTIAL.search(name) and not tree.startswith("${"):
            hide(tree)
            return MASK
        case str():
            return _without_passwords(tree)
        case _:
            return tree
