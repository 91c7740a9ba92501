"""How the numbers and dates of text files are written, found out from first cells.

What one cell leaves open, others decide: 1.234 is what 0.5 is. What no cell decides is
refused with both readings, and where later cells do not fit, they are bad.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import product
from typing import NamedTuple

import polars as pl
from msgspec import structs

from pipeline.errors import SourceError
from pipeline.sources.cells import (
    NUMERIC,
    WHOLE,
    Grouping,
    Mark,
    Notation,
    decided,
    grouped,
    parse_text,
    two_readings,
)
from pipeline.sources.columns import Column, Declared, column_of, is_unformatted
from pipeline.sources.dates import OFFSET
from pipeline.sources.dialect import Dialect

Cells = Mapping[str, Sequence[str]]
"""Some cells of each column that is no text, each once, and none blank."""

Place = Callable[[str, str], str]
"""Says where a column's cell of a text stands first."""

_DAYS = (
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d.%m.%Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d. %B %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
)
_PERIODS = (
    *("%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%B %Y"),
    *("%G-W%V", "%GW%V", "%G-W%V-%u"),
    *("%YQ%q", "%Y-Q%q", "%Y Q%q", "Q%q %Y"),
)
_OTHER: Mapping[str, Mark] = {".": ",", ",": "."}
"""What groups digits where that is the decimal sign, and the other way round."""

_FEW = 20
"""Cells of which one at least is to be in a format, or else none is looked at."""

_TIMES = ("%H:%M", "%H:%M:%S%.f", "%I:%M %p", "%I:%M:%S %p")


class Found(NamedTuple):
    """How a source's cells are written, and what is worth saying of it."""

    columns: dict[str, Declared]
    notation: Notation
    said: list[str]


def find_notation(
    config: Dialect, cells: Cells, place: Place, *, by_commas: bool
) -> Found:
    """Find out how numbers and dates are written, where `config` does not say.

    `by_commas` tells that fields are separated by commas: then a point is one in a
    number unless others have decimal commas. A SourceError, which names the
    place, if two readings fit.
    """
    columns, said = dict[str, Declared](), list[str]()
    for name, declared in config.columns.items():
        columns[name] = find_format(name, declared, cells[name], place)
        said += said_of(name, declared, columns[name])
    notation = _find_decimal(config, cells, place, by_commas=by_commas)
    if notation.decimal == ",":
        said.append("decimal commas")
    if notation.grouping in (" ", "'"):
        said.append(f"digits grouped by {notation.grouping!r}")
    return Found(columns, notation, said)


def find_format(
    name: str, declared: Declared, texts: Sequence[str], place: Place
) -> Declared:
    """Find out how the dates of a column are written; unless as ISO 8601 has them."""
    column = column_of(declared)
    if not is_unformatted(column):
        return declared
    cells = pl.DataFrame({"": texts}, schema={"": pl.String})
    usual = cells.select(parse_text(pl.col(""), column)).to_series()
    if usual.null_count() < cells.height or cells.is_empty():
        return declared
    formats = _DAYS + _PERIODS if column.kind == "date" else _datetimes()
    few = _read(cells.head(_FEW), column, formats)
    values = _read(
        cells, column, [form for form in formats if not few[form].is_null().all()]
    )
    if not values.width:
        return declared
    fits = values.select(pl.all().is_not_null())
    is_read = fits.select(pl.any_horizontal(pl.all())).to_series()
    first, *others = [
        form for form in values.columns if fits[form].equals(is_read)
    ] or values.columns
    for other in others:
        differ = values[first].ne_missing(values[other])
        if differ.any():
            at = differ.arg_max()
            assert at is not None
            raise SourceError(
                f"{place(name, cells[at, 0])}: the dates of column {name!r} have two"
                " readings\n"
                f"found: {cells[at, 0]!r}, which is {_shown(values[first][at])} as"
                f" {first} and {_shown(values[other][at])} as {other}\n"
                "expected: dates that tell which, or as 2015-01-31\n"
                f"hint: say which in `columns`: {name}: {{kind: {column.kind}, format:"
                f" '{first}'}}"
            )
    return structs.replace(column, format=first)


def said_of(name: str, declared: Declared, found: Declared) -> list[str]:
    """Say how a column's dates are written, where that was found out."""
    if found == declared:
        return []
    form = column_of(found).format
    return [f"{name} {'in UTC' if form == OFFSET else f'as {form}'}"]


def _datetimes() -> Sequence[str]:
    """List the formats of datetimes that people and spreadsheets write."""
    dated = product(_DAYS, (" ", "T", ", "), _TIMES)
    return [OFFSET, *_DAYS, *("".join(parts) for parts in dated)]


def _read(cells: pl.DataFrame, column: Column, formats: Sequence[str]) -> pl.DataFrame:
    """Read some cells in each of some formats."""
    return cells.select(
        parse_text(pl.col(""), structs.replace(column, format=form)).alias(form)
        for form in formats
    )


def _shown(value: date | None) -> str:
    """Write a date for an error."""
    return "none" if value is None else value.isoformat()


class _Numbers:
    """The first cells of a source's columns of numbers."""

    def __init__(self, columns: Mapping[str, Declared], cells: Cells) -> None:
        kinds = {name: column_of(declared).kind for name, declared in columns.items()}
        self._cells = {n: cells[n] for n, kind in kinds.items() if kind in NUMERIC}
        wholes = {n: c for n, c in self._cells.items() if kinds[n] in WHOLE}
        others = {n: c for n, c in self._cells.items() if n not in wholes}
        self._tables = _bare(wholes), _bare(others)

    def first(self, of_wholes: str, of_others: str) -> tuple[str, str] | None:
        """Find a cell that matches: its column and text."""
        for table, form in zip(self._tables, (of_wholes, of_others), strict=True):
            found = table.filter(pl.col("bare").str.contains(form))["text"]
            if found.len():
                text: str = found[0]
                return next(n for n, c in self._cells.items() if text in c), text
        return None


def _bare(cells: Cells) -> pl.DataFrame:
    """List texts, as they are and bare of what stands before and behind a number."""
    texts = [text for of_column in cells.values() for text in of_column]
    bare = pl.col("text").str.strip_chars().str.replace(r"^\$|\s*%$", "")
    table = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    return table.with_columns(bare=bare)


def _find_decimal(
    config: Dialect, cells: Cells, place: Place, *, by_commas: bool
) -> Notation:
    """Find out what the decimal sign is, and what groups digits."""
    numbers = _Numbers(config.columns, cells)
    grouping = config.grouping or _grouping_of(numbers)
    decimal = config.decimal or _OTHER.get(config.grouping or "")
    decimal = decimal or _sign_of(numbers, place, by_commas=by_commas)
    if decimal is not None:
        return Notation(decimal, grouping or _OTHER[decimal])
    signs = "," if by_commas else ".,"
    odd = numbers.first(
        two_readings(signs, is_whole=True), two_readings(signs, is_whole=False)
    )
    if odd:
        raise _two_readings(place(*odd), odd[0], repr(odd[1]))
    return Notation("." if by_commas else None, grouping)


def _grouping_of(numbers: _Numbers) -> Grouping | None:
    """Find out what groups digits, where that is no decimal sign elsewhere."""
    signs: tuple[Grouping, ...] = (" ", "'")
    forms = {by: grouped(by, "[.,]") for by in signs}
    return next((by for by in signs if numbers.first(forms[by], forms[by])), None)


def _sign_of(numbers: _Numbers, place: Place, *, by_commas: bool) -> Mark | None:
    """Find out what the decimal sign is, by the numbers that tell."""
    point = numbers.first(decided(".", is_whole=True), decided(".", is_whole=False))
    if point and by_commas:
        return "."
    # Between commas, 1.234 is no count, and says nothing of other numbers.
    comma = numbers.first(
        decided(",", is_whole=not by_commas), decided(",", is_whole=False)
    )
    if point and comma:
        found = f"{point[1]!r} and {comma[1]!r}"
        raise _two_readings(place(*comma), comma[0], found)
    return "." if point else "," if comma else None


def _two_readings(place: str, name: str, found: str) -> SourceError:
    """Refuse numbers that have two readings."""
    return SourceError(
        f"{place}: column {name!r} can be read with decimal points and with decimal"
        f" commas\nfound: {found}\nexpected: numbers that tell which\n"
        "hint: say source.decimal='.' or source.decimal=','"
    )
