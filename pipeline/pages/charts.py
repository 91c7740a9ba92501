"""Small charts: where their marks stand is said here, `charts.html.j2` draws them.

Their colours are those of the style sheet, so that they follow dark, light and print.
Each has a text that says what it shows; no figure is told by colour alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.pages.numbers import number
from pipeline.snapshots.profile import QUANTILES

WIDTH, HEIGHT = 160.0, 40.0
"""Of a histogram and of a line, in its own units."""

_EDGE = 3.0
"""Room around the points of a line."""

_SKEWED = 8
"""Times as long as from q05 to q95: a range that is drawn on a logarithmic axis."""

_FAR = 10
"""Times as long as any other: a bar that is cut off."""

_TICK = 2.0
"""Width of a value that holds much by itself."""


@dataclass(frozen=True)
class Rect:
    """A bar that stands on the ground."""

    x: float
    width: float
    height: float
    is_one_value: bool
    """Whether it is as high as the chart because its rows have one value."""


@dataclass(frozen=True)
class Histogram:
    """How the values of a column are distributed."""

    text: str
    bars: tuple[Rect, ...]
    is_logarithmic: bool


@dataclass(frozen=True)
class Point:
    """A value of a line."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Line:
    """A figure over runs, or over time; in pieces, where one of them lacks it."""

    text: str
    pieces: tuple[tuple[Point, ...], ...]
    reference: Point | None
    """The height of what the figure is held against."""


@dataclass(frozen=True)
class Bar:
    """A figure and its interval, in per cent of the width of all."""

    zero: float
    x: float
    width: float
    lower: float | None
    upper: float | None
    text: str
    is_cut: bool
    """Whether it would be much longer than all others, and is cut off."""


def histogram(
    least: float, quantiles: Sequence[float | None], greatest: float
) -> Histogram | None:
    """Make bars of extremes and quantiles: a bar's area is the share of its values.

    On an axis that is logarithmic towards its ends where the middle of the values would
    be too narrow to see. What several quantiles share is a line as high as the chart.
    None where there is nothing to draw: of one value only, or of unknown ones.
    """
    values = [least, *(q for q in quantiles if q is not None), greatest]
    if len(values) != len(QUANTILES) + 2 or not all(map(math.isfinite, values)):
        return None
    # Quantiles of a sample may lie beside the extremes by the last digit.
    values = [min(max(value, least), greatest) for value in values]
    _, low, lower, middle, upper, high, _ = values
    if least == greatest:
        return None
    is_logarithmic = high == low or greatest - least > _SKEWED * (high - low)
    scale = (upper - lower or high - low) / 2 or (greatest - least) / 100
    at = [
        math.asinh((value - middle) / scale) if is_logarithmic else value
        for value in values
    ]
    unit = WIDTH / (at[-1] - at[0])
    x = [(position - at[0]) * unit for position in at]
    shares = [b - a for a, b in pairwise((0.0, *QUANTILES, 1.0))]
    pieces = list(zip(x, x[1:], shares, strict=False))
    wide = [share / (b - a) for a, b, share in pieces if b - a > _TICK / 2]
    tallest = max(wide)
    drawn = (
        Rect(a, b - a, HEIGHT * share / (b - a) / tallest, False)
        if b - a > _TICK / 2
        else Rect(min(a, WIDTH - _TICK), _TICK, HEIGHT, True)
        for a, b, share in pieces
    )
    text = (
        f"half of the values lie between {number(lower)} and {number(upper)},"
        f" nine tenths between {number(low)} and {number(high)},"
        f" all between {number(least)} and {number(greatest)}"
    )
    return Histogram(text, tuple(dict.fromkeys(drawn)), is_logarithmic)


def line(
    points: Sequence[tuple[str, float | None]], *, reference: float | None = None
) -> Line | None:
    """Draw a line through named figures, the oldest first; None if there is none.

    It is broken where a figure is missing, or is none that can be drawn.
    """
    points = [(name, _finite(value)) for name, value in points]
    there = [value for _, value in points if value is not None]
    if not there:
        return None
    ends = there if reference is None else [*there, reference]
    least, greatest = min(ends), max(ends)
    span = greatest - least

    def y_of(value: float) -> float:
        share = (value - least) / span if span else 0.5
        return HEIGHT - _EDGE - share * (HEIGHT - 2 * _EDGE)

    def text_of(value: float | None) -> str:
        # What differs is to be seen in the text, too.
        is_close = value is not None and 0 < span < abs(value) / 1000
        return f"{value:,.8g}" if is_close else number(value)

    step = (WIDTH - 2 * _EDGE) / max(len(points) - 1, 1)
    pieces: list[list[Point]] = [[]]
    for i, (name, value) in enumerate(points):
        if value is None:
            pieces.append([])
        else:
            text = f"{name}: {text_of(value)}"
            pieces[-1].append(Point(_EDGE + i * step, y_of(value), text))
    text = text_of(there[0])
    if len(there) > 1:
        text += f", then {text_of(there[-1])}"
    if span and len(there) > 2:
        text += f"; least {text_of(min(there))}, greatest {text_of(max(there))}"
    if missing := len(points) - len(there):
        text += f"; missing in {missing} of {len(points)}"
    held_to = None
    if reference is not None:
        text += f"; accepted {number(reference)}"
        held_to = Point(WIDTH, y_of(reference), f"accepted: {number(reference)}")
    return Line(text, tuple(tuple(piece) for piece in pieces if piece), held_to)


def bars(
    rows: Sequence[tuple[float | None, float | None, float | None]],
) -> list[Bar | None]:
    """Draw figures with the ends of their intervals on one axis that has the zero.

    One that is more than `_FAR` times as long as any other would leave nothing of
    these to be seen, and is cut off.
    """
    rows = [(_finite(value), _finite(low), _finite(high)) for value, low, high in rows]
    known = [end for row in rows for end in row if end is not None]
    tops = sorted(max((end or 0.0 for end in row), default=0.0) for row in rows)
    least, greatest = min([*known, 0.0]), max([*known, 0.0])
    if len(tops) > 2 and tops[-1] > _FAR * tops[-2] > 0:
        greatest = 1.25 * tops[-2]
    span = (greatest - least) or 1.0

    def at(value: float) -> float:
        return 100 * (min(value, greatest) - least) / span

    drawn: list[Bar | None] = []
    for value, lower, upper in rows:
        if value is None:
            drawn.append(None)
            continue
        ends = None if lower is None or upper is None else (at(lower), at(upper))
        text = number(value)
        if ends:
            text += f", interval {number(lower)} to {number(upper)}"
        if is_cut := value > greatest:
            text, ends = f"{text}; the bar is cut off", None
        x, width = min(at(value), at(0.0)), abs(at(value) - at(0.0))
        drawn.append(Bar(at(0.0), x, width, *(ends or (None, None)), text, is_cut))
    return drawn


def _finite(value: float | None) -> float | None:
    """Take a figure that can be drawn."""
    return value if value is not None and math.isfinite(value) else None
