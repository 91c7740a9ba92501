"""From the words of a sweep to its variants: each combination of values, and a name."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from pipeline.config import parse_overrides
from pipeline.errors import ConfigError

NAME = r"[a-z][a-z0-9_]{0,59}"
"""A pattern of the names of variants, which are files, and words of SQL."""

TAKEN = ("latest", "meta", "previous", "published")
"""Words for runs, and schemas of SQL."""

_CLOSING = {"[": "]", "{": "}"}


@dataclass(frozen=True)
class Asked:
    """A variant that is asked for: its name, and the overrides that make it."""

    name: str
    words: tuple[str, ...]


def combine(words: Sequence[str], at_most: int) -> list[Asked]:
    """Name every combination of the values of ``path=value,value`` words.

    A comma in brackets, braces or quotes is part of a value.

    Raises
    ------
    ConfigError
        If there are none or too many, a path has no value or is there twice.
    """
    values = [_values(word) for word in words]
    n = prod(len(each) for each in values)
    if not words:
        raise ConfigError(
            "sweep: nothing to vary\n"
            "hint: name values with commas between: `just sweep PATH=VALUE,VALUE`"
        )
    if n > at_most:
        raise ConfigError(
            f"sweep: {n:,} variants, expected at most {at_most}\n"
            f"found: {' x '.join(str(len(each)) for each in values)} values\n"
            "hint: name fewer values; `history.variants` says how many variants a sweep"
            " may have, and how many are kept"
        )
    paths = [word.partition("=")[0] for word in words]
    for path in paths:
        if paths.count(path) > 1:
            raise ConfigError(
                f"sweep: {path} stands there {paths.count(path)} times\n"
                f"hint: name its values with commas between, as {path}=1,2"
            )
    return _named(paths, [tuple(each) for each in product(*values)])


def is_of_models(words: Sequence[str]) -> bool:
    """Tell whether words change settings of models, which a run has no use for."""
    return not {"modeling", "models"}.isdisjoint(parse_overrides(words).tree)


def require_name(name: str) -> None:
    """Refuse what cannot name a variant.

    Raises
    ------
    ConfigError
        If it is none.
    """
    if not re.fullmatch(NAME, name):
        raise ConfigError(
            f"variant '{name}': expected a name of up to 60 lower case letters, digits"
            " and underscores that begins with a letter\n"
            "hint: such as lag_2"
        )
    if name in TAKEN:
        raise ConfigError(
            f"variant '{name}': is a word for a run or a schema\n"
            f"expected: another name than {', '.join(TAKEN)}"
        )


def _values(word: str) -> list[str]:
    """Split the values of a word, each once; what has no ``=`` is refused later on."""
    path, equals, text = word.partition("=")
    values = list(dict.fromkeys(_split(text)))
    if len(values) > 1 and "" in values:
        raise ConfigError(
            f"sweep: {word}: no value before or after a comma\n"
            "hint: write null for none, and quotes for a comma that is part of a text"
        )
    return [f"{path}{equals}{value}" for value in values]


def _split(text: str) -> Iterator[str]:
    """Split at the commas that stand in no brackets, braces or quotes."""
    closing: list[str] = []
    start = 0
    for i, letter in enumerate(text):
        if closing and letter == closing[-1]:
            closing.pop()
        elif closing and closing[-1] in "'\"":
            continue
        elif letter in _CLOSING:
            closing.append(_CLOSING[letter])
        elif letter in "'\"" and not text[start:i].strip("[{, "):
            closing.append(letter)
        elif letter == "," and not closing:
            yield text[start:i].strip()
            start = i + 1
    yield text[start:].strip()


def _named(paths: Sequence[str], combinations: list[tuple[str, ...]]) -> list[Asked]:
    """Name combinations after the values that vary, and the last steps of their paths.

    What would be of the same name, or of a long one, has a hash of its words behind it.
    """
    varied = [i for i in range(len(paths)) if len({c[i] for c in combinations}) > 1]
    named = varied or [*range(len(paths))]
    last = [_plain(re.split(r"[.\[\]]+", path.rstrip("]"))[-1]) for path in paths]
    steps = [_plain(paths[i]) if last.count(last[i]) > 1 else last[i] for i in named]
    names = [
        "_".join(
            f"{step}_{_plain(words[i].partition('=')[2])}"
            for step, i in zip(steps, named, strict=True)
        )
        for words in combinations
    ]
    return [
        Asked(_unlike(name, words) if _is_unfit(name, names) else name, words)
        for name, words in zip(names, combinations, strict=True)
    ]


def _is_unfit(name: str, names: Sequence[str]) -> bool:
    """Tell whether a name is not the only one of its kind, or cannot be one."""
    return names.count(name) > 1 or not re.fullmatch(NAME, name)


def _unlike(name: str, words: tuple[str, ...]) -> str:
    """Make a name unlike those of other words."""
    digest = hashlib.sha256(repr(words).encode()).hexdigest()[:8]
    first = name if re.match("[a-z]", name) else f"v_{name}"
    return f"{first[:51].rstrip('_')}_{digest}"


def _plain(text: str) -> str:
    """Write a value as part of a name."""
    said = re.sub(r"(^|(?<=[\[, ]))-(?=[0-9.])", "minus_", text)
    return re.sub("[^a-z0-9]+", "_", said.lower()).strip("_") or "none"
