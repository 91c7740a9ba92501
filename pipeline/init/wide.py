"""Columns that are named for periods, of a table that has a row per entity."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pipeline.transforms.sanitize_column_names import plain

_YEAR, _MONTH, _DAY = "(?:1[5-9]|20|21)[0-9]{2}", "(?:0[1-9]|1[0-2])", "[0-3][0-9]"

_FORMS: tuple[tuple[str, str, str], ...] = (
    (f"{_YEAR}_{_MONTH}_{_DAY}", "[0-9]{4}_[0-9]{2}_[0-9]{2}", "%Y_%m_%d"),
    (f"{_YEAR}{_MONTH}{_DAY}", "[0-9]{8}", "%Y%m%d"),
    (f"{_YEAR}_{_MONTH}", "[0-9]{4}_[0-9]{2}", "%Y_%m"),
    (f"{_YEAR}{_MONTH}", "[0-9]{6}", "%Y%m"),
    (_YEAR, "[0-9]{4}", ""),
)
"""How a name may tell a period: what it is, how one writes that, and as what it is
read; nothing is a year."""

_FEWEST = 3

_NAMES = {"": "year", "%Y_%m": "month", "%Y%m": "month"}


@dataclass(frozen=True)
class Wide:
    """Columns of one value, each of a period."""

    value: str
    """What their names have in common; empty if that is nothing."""
    pattern: str
    """Of their names, with the time in brackets."""
    format: str
    """Of the time; of years nothing."""
    times: dict[str, int | date]
    """By the name in the file."""

    @property
    def kind(self) -> Literal["integer", "date"]:
        """What the time is."""
        return "date" if self.format else "integer"

    @property
    def time(self) -> str:
        """A name for the time."""
        return _NAMES.get(self.format, "day")


def sanitized(name: str) -> str:
    """Name a column as `sanitize_column_names` does."""
    return re.sub("[^0-9a-z]+", "_", plain(name))


def find_wide(names: Iterable[str]) -> list[Wide]:
    """Find the columns that are named for periods, by value."""
    groups: dict[tuple[str, str, str], dict[str, int | date]] = {}
    for name in names:
        for form, written, read in _FORMS:
            match = re.search(f"(?<![0-9]){form}(?![0-9])", sanitized(name))
            time = _time(match[0], read) if match else None
            if match and time is not None:
                text = match.string
                after = re.sub("[0-9]+", "[0-9]+", text[match.end() :])
                pattern = f"{text[: match.start()]}({written}){after}"
                value = re.sub(r"[0-9_]*\[0-9\]\+", "", after).strip("_")
                value = text[: match.start()].strip("_") or value
                groups.setdefault((value, pattern, read), {})[name] = time
                break
    return [
        Wide(value, pattern, read, times)
        for (value, pattern, read), times in groups.items()
        if len(times) >= _FEWEST and len({*times.values()}) == len(times)
    ]


def _time(text: str, form: str) -> int | date | None:
    """Read the time of a name; None if it is none."""
    if not form:
        return int(text)
    try:
        return datetime.strptime(text, form).date()  # noqa: DTZ007
    except ValueError:
        return None
