"""How charts look: colours, money, intervals, symmetric logarithmic axes, and SVG.

A chart's text, axes and grid take the colour of the text around it, so that it can be
read on a light and on a dark page. The colours of the marks are those of Okabe and Ito,
"Color Universal Design", 2008, which colour-blind readers can tell apart.
"""

import hashlib
import math
import re
from collections.abc import Iterable
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt
import polars as pl
import vl_convert
from altair.typing import ChartType

WIDTH = 820
"""Pixels of a chart over the whole width of a page, its labels included."""
HALF_WIDTH = 396
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#8A8A8A"
PALETTE = (BLUE, ORANGE, GREEN, "#CC79A7", "#D55E00", "#56B4E9", GREY)
TEXT = "currentColor"

# d3 counts G for 10^9, money does not; nor does it m for a thousandth.
DOLLARS = (
    "abs(datum.value) < 1 ? format(datum.value, '$.3~g')"
    " : replace(format(datum.value, '$.3~s'), 'G', 'B')"
)

_CONFIG: dict[str, Any] = {
    "aria": False,  # a label per mark would double the size; the caption says it
    "background": "transparent",
    "font": "sans-serif",
    "autosize": {"type": "fit", "contains": "padding"},
    "padding": 6,
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": TEXT,
        "gridOpacity": 0.13,
        "labelColor": TEXT,
        "labelFontSize": 11,
        "labelLimit": 260,
        "labelPadding": 6,
        "labelSeparation": 6,
        "titleColor": TEXT,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titleOpacity": 0.75,
        "titlePadding": 10,
    },
    "axisX": {"labelAngle": 0},
    "legend": {
        "orient": "top",
        "labelColor": TEXT,
        "labelFontSize": 11,
        "titleColor": TEXT,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "text": {"color": TEXT, "fontSize": 11},
}


def to_svg(chart: ChartType) -> str:
    """Draw a chart, without a browser and without the network.

    Parameters
    ----------
    chart : ChartType
        Of `pipeline.modeling.card.evaluation_charts` or `explanation_charts`.

    Returns
    -------
    str
        One ``<svg>`` element that holds all it shows, in the reader's sans-serif font.
        Equal charts are equal texts; others share no ids, so a page can hold several.
    """
    spec = chart.to_json()
    svg = vl_convert.vegalite_to_svg(spec, config=_CONFIG, allowed_base_urls=[])
    digest = hashlib.sha256(spec.encode()).hexdigest()[:8]
    # Vega numbers ids on from the charts that this process drew before.
    for i, found in enumerate(re.findall(r' id="([^"]+)"', svg)):
        svg = svg.replace(f' id="{found}"', f' id="{digest}-{i}"')
        svg = svg.replace(f"url(#{found})", f"url(#{digest}-{i})")
    return svg


def dollars(value: float) -> str:
    """Write money with three digits.

    Parameters
    ----------
    value : float
        US dollars.

    Examples
    --------
    >>> [dollars(1_234_567), dollars(-350_000), dollars(999_999), dollars(0)]
    ['$1.23M', '-$350k', '$1M', '$0']
    """
    rounded = abs(float(f"{value:.3g}"))
    units = {1e9: "B", 1e6: "M", 1e3: "k", 1.0: ""}
    unit = next((unit for unit in units if rounded >= unit), 1.0)
    return f"{'-' if value < 0 else ''}${rounded / unit:.3g}{units[unit]}"


def model_order(models: Iterable[str], model: str) -> list[str]:
    """Put the model first, then the baselines by name; each once."""
    return [model, *sorted({*models} - {model})]


def model_colours(models: Iterable[str], model: str) -> alt.Scale:
    """Give each model its colour, blue to the one that is not a baseline.

    Parameters
    ----------
    models : iterable of str
        All models, in any order; the same ones have the same colours in all charts.
    model : str
        The one that is not a baseline.
    """
    return alt.Scale(domain=model_order(models, model), range=list(PALETTE))


def interval(base: alt.Chart, channel: str) -> alt.Chart:
    """Draw a line from ``lower`` to ``upper``, along ``x`` or ``y``."""
    ends = {channel: "lower:Q", f"{channel}2": "upper:Q"}
    return base.mark_rule(strokeWidth=2.5, strokeOpacity=0.7).encode(**ends)


def level(y: float, *, dashed: bool = False) -> alt.Chart:
    """Draw a line over the whole width, at a height to compare with."""
    rule = alt.Chart(pl.DataFrame({"y": [y]})).mark_rule(
        color=TEXT, opacity=0.75, strokeDash=[4, 3] if dashed else [1, 0]
    )
    return rule.encode(alt.Y("y:Q"))


def symlog(values: npt.NDArray[np.float64], constant: float) -> npt.NDArray[np.float64]:
    """Map values as a symmetric log axis does: linear near 0, logarithmic far away.

    Parameters
    ----------
    values : ndarray
        Finite numbers of any sign.
    constant : float
        Where the one goes over into the other, above 0.
    """
    return np.sign(values) * np.log1p(np.abs(values) / constant)


def inverse_symlog(
    values: npt.NDArray[np.float64], constant: float
) -> npt.NDArray[np.float64]:
    """Undo `symlog`."""
    return np.sign(values) * np.expm1(np.abs(values)) * constant


def symlog_constant(values: npt.NDArray[np.float64]) -> float:
    """Return the power of ten from which on an axis of these values is logarithmic.

    Parameters
    ----------
    values : ndarray
        What the axis shows.

    Returns
    -------
    float
        Not above a quarter of the sizes that are not 0; 1 where all are 0.
    """
    sizes = np.abs(values[values != 0])
    quarter = float(np.quantile(sizes, 0.25)) if len(sizes) else 1.0
    return 10.0 ** math.floor(math.log10(quarter))


def symlog_axis(
    values: npt.NDArray[np.float64], label: str
) -> tuple[alt.Scale, alt.Axis]:
    """Make a symmetric log axis with a tick at each power of ten.

    Parameters
    ----------
    values : ndarray
        What the axis shows.
    label : str
        Vega expression of a tick's label.

    Returns
    -------
    tuple of (alt.Scale, alt.Axis)
        From the least to the greatest value.
    """
    constant = symlog_constant(values)
    low, high = float(values.min()), float(values.max())
    # The first power of ten would be too near to 0.
    powers = [constant * 10.0**k for k in range(1, 16)]
    ticks = [*(-power for power in reversed(powers)), 0.0, *powers]
    shown = [tick for tick in ticks if low <= tick <= high]
    scale = alt.Scale(type="symlog", constant=constant, domain=[low, high], nice=False)
    return scale, alt.Axis(values=shown, labelExpr=label)
