"""What can be chosen, and what is said of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import polars as pl

from pipeline.errors import ConfigError, some
from pipeline.files.yaml_core import plain
from pipeline.init.kinds import words_of
from pipeline.init.look import Survey
from pipeline.panel.keys import WORKING
from pipeline.panel.periods import Every

TIME, AT = f"{WORKING}time", f"{WORKING}at"
"""Columns of the rows that are chosen from: time, and where a row stands."""


class Unsure(ConfigError):
    """What cannot be told from the data, but by who knows them."""

    def __init__(self, what: str, text: str, options: Sequence[str]) -> None:
        super().__init__(text)
        self.what = what
        """The option that says it."""
        self.options = list(options)


@dataclass(frozen=True)
class Choice:
    """What was chosen, what was seen, and how sure it is."""

    what: str
    value: str
    saw: str
    sure: str


@dataclass(frozen=True)
class Wishes:
    """What was said on the command line; empty if nothing was."""

    time: str = ""
    entity: tuple[str, ...] = ()
    target: str = ""
    every: Every | None = None

    def with_answer(self, what: str, answer: str) -> "Wishes":
        """Take what was asked for."""
        if what == "entity":
            return replace(self, entity=tuple(answer.split(",")))
        if what == "every":
            return replace(self, every=every_of(answer))
        return replace(self, **{what: answer})


def every_of(text: str) -> Every:
    """Read the length of a period from the command line."""
    try:
        return msgspec.convert(plain(text), Every)
    except msgspec.ValidationError:
        raise ConfigError(
            f"--every {text}: no length of a period\n"
            "expected: a whole number, or 1y, 1q, 1mo, 1w, 1d or 1h, or n of them"
        ) from None


def place(survey: Survey) -> str:
    """Name the files for an error."""
    return some(map(str, survey.files))


def listed(names: Sequence[str]) -> str:
    """Write names as those of one thing."""
    return f"({', '.join(names)})" if len(names) > 1 else names[0]


def a(kind: str) -> str:
    """Write a kind with its article."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def tells(rows: pl.DataFrame, name: str, others: Sequence[str]) -> bool:
    """Tell whether all other times follow from a column's."""
    n = rows[name].n_unique()
    return all(
        rows.select(name, other).n_unique() == n for other in others if other != name
    )


_ID_WORDS = ("id", "ids", "code", "nr", "no", "num", "number", "key", "sku")


def is_named_id(name: str) -> bool:
    """Tell whether a name says that numbers are names."""
    return any(word in _ID_WORDS for word in words_of(name))
