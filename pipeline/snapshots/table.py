"""Lay out rows of text as a table for eyes: no wider than asked, and nothing but text.

Integers and decimals stand with thousands separators, but for keys and codes; floats
with as many decimals as can be read; what a terminal would obey is shown escaped.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

from pipeline.progress import width_of

NULL = "NULL"
"""Stands for a value that is not there."""

FEW_ROWS = 3
"""So many are shown a value a line where their columns do not fit."""

_MIN_TEXT = 12
"""Text is cut to so many characters before columns are left out."""

_N_NAMED = 4
"""Of more columns that are left out, which stand together, first and last are named."""

_GAP = "  "
_CODE = frozenset({"id", "code", "key", "number"})
_OF_COUNTS = frozenset({"n", "num", "count", "per"})
_YEARS = 1500, 2200

_UNUSUAL = re.compile(r"[^ -~]")
_WHOLE = ("DATE", "TIME", "INTERVAL", "BOOLEAN", "UUID")
"""Types whose values are not cut."""

_INTEGER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|BIGNUM")
_MAX_DIGITS = 40
"""Of integers that are more than text."""

_DIGITS = 6
"""Significant digits of the largest float of a column, which may have two decimals."""

_FLOAT_DIGITS = 15
"""What a float holds of any decimal number; the digits behind are noise."""


@dataclass(frozen=True)
class Column:
    """A column of a result: its values as DuckDB writes them, and their type's name."""

    name: str
    type: str
    values: Sequence[str | None]
    is_key: bool = False

    @cached_property
    def is_number(self) -> bool:
        """Whether its values stand at the right."""
        return self._is_integer or self.type.startswith(("DECIMAL", "DOUBLE", "FLOAT"))

    @cached_property
    def can_be_cut(self) -> bool:
        """Whether the beginning of its values says something: of text, not of codes."""
        is_code = self.is_key or _is_code(self.name)
        return not (self.is_number or is_code or self.type.startswith(_WHOLE))

    @cached_property
    def _is_integer(self) -> bool:
        return _INTEGER.fullmatch(self.type) is not None

    @cached_property
    def _separator(self) -> str:
        """Give the thousands separator: none for what counts nothing."""
        return "" if self.is_key or _is_code(self.name) or self._are_years() else ","

    def _are_years(self) -> bool:
        """Tell whether they may be years, or means of years."""
        first, last = _YEARS
        found = [value for value in self.values if value is not None]
        return self.is_number and all(first <= float(value) <= last for value in found)

    def cells(self, encoding: str) -> list[str]:
        """Write the values as they are shown."""
        if self.type in ("DOUBLE", "FLOAT"):
            return _floats(self.values, self._separator)
        return [self._cell(value, encoding) for value in self.values]

    def _cell(self, value: str | None, encoding: str) -> str:
        if value is None:
            return NULL
        if self._is_integer and len(value) <= _MAX_DIGITS:
            return f"{int(value):{self._separator}}"
        if self.type.startswith("DECIMAL"):
            return f"{Decimal(value):{self._separator}f}"
        return harmless(value, encoding)


def _is_code(name: str) -> bool:
    """Tell whether a name is of codes, such as `shop_id`, which count nothing."""
    words = re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return words[-1] in _CODE and _OF_COUNTS.isdisjoint(words)


def _floats(values: Sequence[str | None], separator: str) -> list[str]:
    """Write floats with their decimal points below each other."""
    numbers = [None if value is None else float(value) for value in values]
    finite = [x for x in numbers if x is not None and math.isfinite(x)]
    largest = max(map(abs, finite), default=0.0)
    readable = max(2, _DIGITS - 1 - math.floor(math.log10(largest or 1.0)))
    seen = [x for x in finite if not _is_small(x, readable)]
    n_decimals = max(1, min(readable, max(map(_decimals, seen), default=0)))
    texts = [NULL if x is None else _float(x, n_decimals, separator) for x in numbers]
    behind = [len(text.partition(".")[2]) for text in texts]
    return [
        text + " " * (max(behind) - n if "." in text else 0)
        for text, n in zip(texts, behind, strict=True)
    ]


def _decimals(x: float) -> int:
    """Count the decimals that a float needs."""
    exponent = Decimal(f"{x:.{_FLOAT_DIGITS}g}").normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _float(x: float, n_decimals: int, separator: str) -> str:
    """Write a float; of one that is small for so many decimals, three digits."""
    if _is_small(x, n_decimals):
        return f"{x:.3g}"
    if abs(x) < 10**_FLOAT_DIGITS:
        return f"{x:{separator}.{n_decimals}f}"
    return f"{x:.{_DIGITS}g}"  # also what is not finite


def _is_small(x: float, n_decimals: int) -> bool:
    """Tell whether so many decimals would leave fewer than three digits of it."""
    return abs(x) < 10.0 ** (2 - n_decimals) and _decimals(x) > n_decimals


def harmless(value: str, encoding: str) -> str:
    """Escape what a terminal cannot show, or would obey: tabs, ends of lines, ESC."""
    shown = _UNUSUAL.sub(_escaped, value)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def _escaped(match: re.Match[str]) -> str:
    """Escape a character, unless it is one to be seen, or a blank."""
    ch = match[0]
    if ch.isprintable() or unicodedata.category(ch) == "Zs":
        return ch
    return ch.encode("unicode_escape").decode()


def _cut(text: str, width: int, ellipsis: str) -> str:
    """Cut a text that is wider, and say so by an ellipsis."""
    if width_of(text) <= width:
        return text
    end, left = 0, width - len(ellipsis)
    for ch in text:
        left -= width_of(ch)
        if left < 0:
            break
        end += 1
    return text[:end] + ellipsis[:width]


def _padded(text: str, width: int, *, at_right: bool) -> str:
    """Fill a cell up to its width."""
    space = " " * (width - width_of(text))
    return space + text if at_right else text + space


@dataclass(frozen=True)
class _Layout:
    """How columns stand beside each other: their names' lines, and their widths."""

    heads: Sequence[Sequence[str]]
    widths: Sequence[int]
    shown: Sequence[int]


def as_table(
    columns: Sequence[Column], width: int | None, encoding: str
) -> Iterator[str]:
    """Write a line per row: all columns, or what a width has room for.

    Where it is too narrow, names take several lines, then text is cut, then columns
    are left out in the middle, which a last line names; `FEW_ROWS` are shown
    `vertically` instead of that.
    """
    names = [harmless(column.name, encoding) for column in columns]
    cells = [column.cells(encoding) for column in columns]
    layout = _layout(columns, names, cells, width)
    if layout is None:
        yield from vertically(columns, encoding)
        return
    heads, widths, shown = layout.heads, layout.widths, layout.shown
    ellipsis = _ellipsis(encoding)
    before_gap = {a for a, b in pairwise(shown) if b > a + 1}

    def line(texts: Sequence[str], gap: str) -> str:
        parts: list[str] = []
        for i in shown:
            text = _cut(texts[i], widths[i], ellipsis)
            parts.append(_padded(text, widths[i], at_right=columns[i].is_number))
            if i in before_gap:
                parts.append(_padded(gap, len(ellipsis), at_right=False))
        return _GAP.join(parts).rstrip(" ")

    for k in range(-max(len(heads[i]) for i in shown), 0):
        yield line([head[k] if len(head) >= -k else "" for head in heads], "")
    yield line(["-" * n for n in widths], "-" * len(ellipsis))
    for row in zip(*cells, strict=True):
        yield line(row, ellipsis)
    hidden = [name for i, name in enumerate(names) if i not in shown]
    if hidden:
        few = ", ".join(hidden) if len(hidden) <= _N_NAMED else ""
        yield (
            f"{len(hidden)} of {len(names)} columns not shown:"
            f" {few or f'{hidden[0]} to {hidden[-1]}'};"
            " --vertical, or .vertical in the prompt, shows them"
        )


def _layout(
    columns: Sequence[Column],
    names: Sequence[str],
    cells: Sequence[Sequence[str]],
    width: int | None,
) -> _Layout | None:
    """Find what fits; None where few rows are better shown value by value."""
    needed = [max(map(width_of, texts), default=0) for texts in cells]
    every = range(len(names))
    heads = [[name] for name in names]
    widths = _widths(heads, needed)
    if width is None or _total(widths) <= width:
        return _Layout(heads, widths, every)
    heads = [_wrapped(name, n) for name, n in zip(names, needed, strict=True)]
    widths = _widths(heads, needed)
    if _total(widths) <= width:
        return _Layout(heads, widths, every)
    if len(cells[0]) <= FEW_ROWS:
        return None
    narrowest = [
        _wrapped(name, _MIN_TEXT) if columns[i].can_be_cut else heads[i]
        for i, name in enumerate(names)
    ]
    most = [
        _MIN_TEXT if column.can_be_cut else n
        for column, n in zip(columns, needed, strict=True)
    ]
    least = _widths(narrowest, list(map(min, needed, most)))
    shown = _kept(least, width)
    widths = _narrowed(widths, least, shown, width)
    heads = [_wrapped(name, n) for name, n in zip(names, widths, strict=True)]
    return _Layout(heads, widths, shown)


def vertically(columns: Sequence[Column], encoding: str) -> Iterator[str]:
    """Write a line per value, its column's name before it."""
    names = [harmless(column.name, encoding) for column in columns]
    width = max(map(width_of, names), default=0)
    for i, row in enumerate(
        zip(*(column.cells(encoding) for column in columns), strict=True), 1
    ):
        yield f"row {i:,}"
        for name, text in zip(names, row, strict=True):
            yield f"{_GAP}{_padded(name, width, at_right=False)}{_GAP}{text.strip()}"


def _ellipsis(encoding: str) -> str:
    """Give what stands for the rest, as far as an encoding has it."""
    try:
        return "…".encode(encoding).decode(encoding)
    except UnicodeEncodeError:
        return "..."


def _total(widths: Sequence[int]) -> int:
    """Add up columns and the gaps between them."""
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _widths(heads: Sequence[Sequence[str]], needed: Sequence[int]) -> list[int]:
    """Give the widths that names and values take."""
    return [max(n, *map(width_of, head)) for head, n in zip(heads, needed, strict=True)]


def _wrapped(name: str, width: int) -> list[str]:
    """Break a name behind underscores and spaces into lines about as wide as asked."""
    pieces = re.findall(r"[^_ ]*(?:[_ ]+|$)", name)
    width = max(width, *map(width_of, pieces))
    lines = [""]
    for piece in pieces:
        if width_of(lines[-1] + piece) > width:
            lines.append("")
        lines[-1] += piece
    return lines


def _kept(least: Sequence[int], width: int) -> list[int]:
    """Choose columns that fit: the first, the last, the second, and so on inwards."""
    n = len(least)
    inwards = [i // 2 if i % 2 == 0 else n - 1 - i // 2 for i in range(n)]
    kept: list[int] = []
    for i in inwards:
        wider = [*kept, i]
        gap = 0 if len(wider) == n else len(_GAP) + len("...")
        if kept and _total([least[k] for k in wider]) + gap > width:
            break
        kept = wider
    return sorted(kept)


def _narrowed(
    widths: Sequence[int], least: Sequence[int], shown: Sequence[int], width: int
) -> list[int]:
    """Take from the widest columns until those that are shown fit."""
    narrowed = [min(n, max(width, 1)) for n in widths]
    room = width - (0 if len(shown) == len(widths) else len(_GAP) + len("..."))
    while _total([narrowed[i] for i in shown]) > room:
        can = [i for i in shown if narrowed[i] > least[i]]
        if not can:
            break
        narrowed[max(can, key=lambda i: narrowed[i])] -= 1
    return narrowed
