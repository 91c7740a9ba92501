"""How figures stand on the pages: to be read and compared at a glance."""

import json
import math
from datetime import datetime
from typing import Any

from pipeline.snapshots.profile import is_large

NONE = "\N{EN DASH}"
"""What stands where there is no figure."""

_N_CHARACTERS = 40
"""Of a text that is an extreme."""


def count(value: float | None) -> str:
    """Write a whole number with separators of thousands."""
    return NONE if value is None else f"{value:,.0f}"


def distinct(value: float | None, n_rows: int | None) -> str:
    """Write how many values there are in so many rows, and that it is estimated."""
    if value is None or n_rows is None or not is_large(n_rows) or value <= 1:
        return count(value)
    rounded = float(f"{value:.2g}")
    for unit, of in ((" M", 1e6), (" k", 1e3)):
        if rounded >= of:
            return f"about {rounded / of:g}{unit}"
    return f"about {rounded:.0f}"


def signed(value: float | None) -> str:
    """Write a difference with its sign."""
    return NONE if value is None else f"{value:+,.0f}".replace("-", "\N{MINUS SIGN}")


def number(value: float | None) -> str:
    """Write a number with four significant digits, and all of its whole part.

    Separators of thousands begin at 10,000: years, and means of them, have none.
    """
    if value is None:
        return NONE
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e15:
        return f"{value:.3e}"
    return f"{value:,.0f}" if abs(value) >= 9999.5 else f"{value:.4g}"


def extreme(text: str | None) -> str:
    """Write a value that is recorded as text: numbers as numbers, some text cut."""
    if text is None:
        return NONE
    value = as_number(text)
    if value is None:
        return text if len(text) <= _N_CHARACTERS else f"{text[:_N_CHARACTERS]}…"
    return number(value)


def as_number(text: str | None) -> float | None:
    """Read a recorded value, if it is a number."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def size(n_bytes: float | None) -> str:
    """Write bytes in a unit that fits."""
    if n_bytes is None:
        return NONE
    for unit, of in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= of:
            return f"{n_bytes / of:,.1f} {unit}"
    return f"{n_bytes:,.0f} B"


def mib(value: float | None) -> str:
    """Write an amount of memory."""
    return NONE if value is None else f"{value:,.0f} MiB"


def seconds(value: float | None) -> str:
    """Write how long something took."""
    if value is None:
        return NONE
    if value >= 120:
        return f"{value / 60:,.0f} min"
    return f"{value:,.1f} s" if value >= 1 else f"{value * 1000:,.0f} ms"


def percent(share: float | None) -> str:
    """Write a part of the whole."""
    if share is None:
        return NONE
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{share * 100:.1f} %" if share < 0.9995 or share >= 1 else "> 99.9 %"


def when(value: datetime | None) -> str:
    """Write a time to the minute, in UTC."""
    return NONE if value is None else f"{value:%d %b %Y, %H:%M}"


def value(given: Any) -> str:
    """Write a value of a configuration."""
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def n_of(n: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


FILTERS = {
    f.__name__: f
    for f in (
        count,
        distinct,
        signed,
        number,
        extreme,
        size,
        mib,
        seconds,
        percent,
        when,
        value,
        n_of,
    )
}
"""What templates call, by name."""
