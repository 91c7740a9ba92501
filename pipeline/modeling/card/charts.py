"""All charts of a model card, as SVG: how good a model is, and what it goes by.

A chart's text, axes and grid take the colour of the text around it, so that it can be
read on a light and on a dark page. The colours of the marks are those of Okabe and Ito,
"Color Universal Design", 2008, which colour-blind readers can tell apart.

``evaluation`` and ``comparison`` are as of `pipeline.modeling.judge`, ``predictions``
those of the model on the test rows, without nulls. Amounts are in the unit of the
target, which may be empty; a sign, as $, stands before each.
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

from pipeline.modeling.card.explain import mean_abs_shap
from pipeline.modeling.fit.amount import amount, is_sign

WIDTH = 820
"""Pixels of a chart over the whole width of a page, its labels included."""
HALF_WIDTH = 396
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#8A8A8A"
PALETTE = (BLUE, ORANGE, GREEN, "#CC79A7", "#D55E00", "#56B4E9", GREY)
TEXT = "currentColor"

PLAIN = "abs(datum.value) < 1 ? format(datum.value, '~g') : format(datum.value, '~s')"

_N_TICKS = 8
"""Of an axis of amounts, about."""
_MAX_SLICES = 12
"""What makes more slices has no chart of its coverages."""
_N_STRONGEST = 10
_LONGEST = 2.0
"""Of the second longest bar; a longer one is cut off."""

_QUANTILES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
_SLICE_TITLES = {"size_decile": "size decile of the clusters (1 = smallest)"}
_SHORT = "datum.label == 'unknown' ? '?' : datum.label"
_POINT: dict[str, Any] = {"filled": True, "size": 80, "opacity": 1}

_LABELS: dict[str, Any] = {
    "labelColor": TEXT,
    "labelFontSize": 11,
    "titleColor": TEXT,
    "titleFontSize": 11,
    "titleFontWeight": "normal",
}
_CONFIG: dict[str, Any] = {
    "aria": False,  # a label per mark would double the size; the caption says it
    "background": "transparent",
    "font": "sans-serif",
    "autosize": {"type": "fit", "contains": "padding"},
    "padding": 6,
    "view": {"stroke": None},
    "axis": _LABELS
    | {
        "domain": False,
        "ticks": False,
        "gridColor": TEXT,
        "gridOpacity": 0.13,
        "labelLimit": 260,
        "labelPadding": 6,
        "labelSeparation": 6,
        "titleOpacity": 0.75,
        "titlePadding": 10,
    },
    "axisX": {"labelAngle": 0},
    "legend": _LABELS | {"orient": "top"},
    "text": {"color": TEXT, "fontSize": 11},
}


def to_svg(chart: ChartType) -> str:
    """Draw a chart as one ``<svg>`` element, without a browser and without the network.

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


def amount_labels(unit: str, ends: Iterable[float | None] = ()) -> str:
    """Write amounts, as an expression of Vega's; ticks between `ends` are told apart.

    They have three digits, or as many as `_N_TICKS` steps from one end to the other
    need.
    """
    known = [end for end in ends if end is not None]
    digits = 3
    if known and (span := max(known) - min(known)):
        largest = max(abs(end) for end in known)
        # A step is rounded to 1, 2 or 5: by half, at most.
        step = span / _N_TICKS / 2
        first, last = (math.floor(math.log10(size)) for size in (largest, step))
        digits = max(3, first - last + 1)
    before = unit.replace("'", "") if is_sign(unit) else ""
    size = "abs(datum.value)"
    # d3 writes G for 10^9, people write B; and m for a thousandth.
    number = (
        f"({size} < 1 ? format({size}, '.{digits}~g')"
        f" : replace(format({size}, '.{digits}~s'), 'G', 'B'))"
    )
    return f"(datum.value < 0 ? '\N{MINUS SIGN}' : '') + '{before}' + {number}"


def _titled(title: str, unit: str) -> str:
    """Add the unit to a title, if there is one."""
    return f"{title}, {unit}" if unit else title


def error_chart(
    evaluation: pl.DataFrame, model: str, metric: str, unit: str
) -> ChartType:
    """Compare the error of all models on all rows, the best on top."""
    rows = evaluation.filter(slice_by="all", metric=metric).sort("value", "model")
    colours = model_colours(rows["model"], model)
    base = alt.Chart(rows, width=WIDTH, height=46 * rows.height + 50).encode(
        alt.Y("model:N", sort=None, title=None),
        color=alt.Color("model:N", scale=colours, legend=None),
    )
    label = base.transform_calculate(label=amount_labels(unit)).mark_text(dy=-13)
    return alt.layer(
        _interval(base, "x"),
        base.mark_point(**_POINT).encode(
            alt.X("value:Q", **_error_axis(rows, metric, unit))
        ),
        label.encode(alt.X("value:Q"), alt.Text("label:N"), color=alt.value(TEXT)),
    )


def error_by_period_chart(
    evaluation: pl.DataFrame, model: str, metric: str, time: str, unit: str
) -> ChartType:
    """Compare the error of all models in each period, as named by column `time`."""
    rows = evaluation.filter(slice_by=time, metric=metric)
    order = alt.Scale(domain=_model_order(rows["model"], model), padding=0.5)
    base = alt.Chart(rows, width=WIDTH, height=300).encode(
        alt.X("slice:O", title=time, scale=alt.Scale(paddingInner=0.35)),
        alt.XOffset("model:N", scale=order),
        alt.Color("model:N", scale=model_colours(rows["model"], model), title=None),
    )
    y = alt.Y("value:Q", **_error_axis(rows, metric, unit))
    return alt.layer(_interval(base, "y"), base.mark_point(**_POINT).encode(y))


def _error_axis(rows: pl.DataFrame, metric: str, unit: str) -> dict[str, Any]:
    """Say what an axis of errors shows, from the least to the greatest."""
    ends = [*rows["lower"], *rows["value"], *rows["upper"]]
    return {
        "title": f"{_titled(metric.upper(), unit)}, with 95 % interval",
        "scale": alt.Scale(zero=False),
        "axis": alt.Axis(labelExpr=amount_labels(unit, ends), tickCount=_N_TICKS),
    }


def _model_order(models: Iterable[str], model: str) -> list[str]:
    """Put the model first, then the baselines by name; each once."""
    return [model, *sorted({*models} - {model})]


def model_colours(models: Iterable[str], model: str) -> alt.Scale:
    """Give each model its colour, the same in all charts; blue to `model`."""
    return alt.Scale(domain=_model_order(models, model), range=list(PALETTE))


def best_reference(comparison: pl.DataFrame) -> str:
    """Name the baseline of least error on all rows, or the first such by name."""
    overall = comparison.filter(slice_by="all").sort("reference_value", "reference")
    return str(overall["reference"][0])


def difference_chart(comparison: pl.DataFrame) -> ChartType:
    """Show how the error differs from the best baseline's, by size of the cluster.

    The difference is a share of the baseline's error: in its unit, the largest
    clusters would leave nothing to see of the others.
    """
    best = best_reference(comparison)
    metric = str(comparison["metric"][0]).upper()
    share = pl.col("difference", "lower", "upper") / pl.col("reference_value")
    rows = comparison.filter(slice_by="size_decile", reference=best)
    rows = rows.select(pl.col("slice").cast(pl.Int64), share).sort("slice")
    base = alt.Chart(rows, width=WIDTH, height=280).encode(
        alt.X("slice:O", title=_SLICE_TITLES["size_decile"]), color=alt.value(BLUE)
    )
    y = alt.Y(
        "difference:Q",
        title=f"{metric} against {best}, % of its {metric}",
        axis=alt.Axis(format="+%", tickCount=6),
    )
    point = base.mark_point(**_POINT).encode(y)
    return alt.layer(_level(0), _interval(base, "y"), point)


def coverage_chart(evaluation: pl.DataFrame, model: str, coverage: float) -> ChartType:
    """Show which share of the outcomes the model's intervals hold, slice by slice.

    They are meant to hold `coverage`; what makes more than 12 slices is left out.
    """
    rows = coverages(evaluation, model)
    ends = pl.concat([rows[c] for c in ("lower", "value", "upper")]).drop_nulls()
    scale = alt.Scale(
        domain=[min(coverage, *ends), max(coverage, *ends)], nice=True, zero=False
    )
    kinds = rows["slice_by"].unique(maintain_order=True).to_list()
    step = (WIDTH - 70 - 16 * len(kinds)) / (rows.height + len(kinds))
    panels: list[ChartType] = []
    for kind in kinds:
        part = rows.filter(slice_by=kind)
        base = alt.Chart(part, width=step * (part.height + 1), height=220).encode(
            alt.X(
                "slice:N",
                title=_SLICE_TITLES.get(kind, kind),
                sort=sorted(part["slice"], key=_by_size),
                axis=alt.Axis(labelExpr=_SHORT),
            ),
            color=alt.value(BLUE),
        )
        first = kind == kinds[0]
        y = alt.Y(
            "value:Q",
            title="outcomes inside the interval" if first else None,
            scale=scale,
            axis=alt.Axis(format="%", tickCount=6, labels=first),
        )
        point = base.mark_point(**_POINT).encode(y)
        line = _level(coverage, dashed=True)
        panels.append(alt.layer(line, _interval(base, "y"), point))
    return alt.hconcat(*panels, spacing=16)


def coverages(evaluation: pl.DataFrame, model: str) -> pl.DataFrame:
    """Keep the coverages of a model in slices that are few of their kind."""
    return evaluation.filter(
        pl.col("slice_by") != "all", model=model, metric="coverage"
    ).filter(pl.len().over("slice_by") <= _MAX_SLICES)


def _by_size(name: str) -> tuple[float, str]:
    """Sort slices by their number, or from low to high and unknown, else by name."""
    levels = ("low", "mid", "high", "unknown")
    number = levels.index(name) if name in levels else 0
    return (float(name) if name.isdecimal() else number, name)


def predicted_actual_chart(predictions: pl.DataFrame, unit: str) -> ChartType:
    """Count rows by prediction and outcome, on symmetric logarithmic axes."""
    n_bins = 48
    y, prediction = (predictions[c].to_numpy() for c in ("y", "prediction"))
    both = np.concatenate([y, prediction])
    constant = symlog_constant(both)
    low, high = (float(z) for z in symlog(np.sort(both)[[0, -1]], constant))
    counts, *_ = np.histogram2d(
        symlog(prediction, constant),
        symlog(y, constant),
        bins=n_bins,
        range=[(low, high)] * 2,
    )
    edges = inverse_symlog(np.linspace(low, high, n_bins + 1), constant)
    column, row = np.nonzero(counts)
    cells = pl.DataFrame(
        {
            "n": counts[column, row],
            "x": edges[column],
            "x2": edges[column + 1],
            "y": edges[row],
            "y2": edges[row + 1],
        }
    )
    scale, axis = symlog_axis(both, amount_labels(unit))
    small = alt.Axis(**axis.to_dict(), labelFontSize=10)
    opacity = alt.Scale(type="log", range=[0.15, 1])
    rows = (
        alt.Chart(cells, width=HALF_WIDTH, height=360)
        .mark_rect(color=BLUE)
        .encode(
            alt.X("x:Q", scale=scale, axis=small, title=_titled("predicted", unit)),
            alt.Y("y:Q", scale=scale, axis=axis, title=_titled("actual", unit)),
            alt.X2("x2"),
            alt.Y2("y2"),
            opacity=alt.Opacity("n:Q", scale=opacity, legend=None),
        )
    )
    equal = alt.Chart(pl.DataFrame({"x": edges, "y": edges}))
    line = equal.mark_line(color=TEXT, strokeDash=[4, 3], strokeWidth=1)
    return alt.layer(rows, line.encode(alt.X("x:Q"), alt.Y("y:Q")))


def residual_chart(predictions: pl.DataFrame, unit: str) -> ChartType:
    """Show the 5, 25, 50, 75 and 95 % quantiles of residuals, by size of prediction."""
    rank = pl.col("prediction").rank("ordinal").cast(pl.Int64) - 1
    residual = pl.col("y") - pl.col("prediction")
    rows = (
        predictions.select(decile=rank * 10 // pl.len() + 1, residual=residual)
        .group_by("decile")
        .agg(
            pl.col("residual").quantile(q, "linear").alias(n)
            for n, q in _QUANTILES.items()
        )
        .sort("decile")
    )
    residuals = rows.drop("decile").to_numpy().ravel()
    scale, axis = symlog_axis(residuals, amount_labels(unit))
    y = alt.Y("p5:Q", scale=scale, axis=axis, title=_titled("actual - predicted", unit))
    x = alt.X("decile:O", title="decile of the prediction (1 = smallest)")
    base = alt.Chart(rows, width=HALF_WIDTH, height=360).encode(
        x, color=alt.value(BLUE)
    )
    median = base.mark_tick(thickness=2.5, width=16).encode(
        alt.Y("p50:Q"), color=alt.value("white")
    )
    return alt.layer(
        _level(0),
        base.mark_rule(strokeWidth=1.5).encode(y, alt.Y2("p95")),
        base.mark_bar(width=16).encode(alt.Y("p25:Q"), alt.Y2("p75")),
        median,
    )


def importance_chart(importance: pl.DataFrame, metric: str, unit: str) -> ChartType:
    """Rank the ten groups of features the model would miss most.

    The axis ends where the others can be seen beside the strongest: a bar that is cut
    off there has a mark across it, and its label says how long it would be.
    """
    first, second = [*importance["upper"].head(2), 0.0, 0.0][:2]
    end = _LONGEST * second if first > _LONGEST * second > 0 else max(first, 1.0)
    strongest = importance.head(_N_STRONGEST)
    figures = strongest.select("increase", "share").iter_rows()
    labels = [
        f"{amount(cost, unit)} ({share:.0%}){', cut off' * (cost > end)}"
        for cost, share in figures
    ]
    rows = strongest.with_columns(
        pl.col("increase", "lower", "upper").clip(0, end),
        label=pl.Series(labels),
        is_cut=pl.col("increase") > end,
    )
    base = alt.Chart(rows, width=WIDTH, height=30 * rows.height + 60).encode(
        alt.Y("group:N", sort=None, title=None)
    )
    x = alt.X(
        "increase:Q",
        title=_titled(f"increase of the {metric.upper()} by shuffling the group", unit),
        scale=alt.Scale(domain=[0, end], nice=False),
        axis=alt.Axis(labelExpr=amount_labels(unit), tickCount=8),
    )
    label = base.mark_text(align="left", dx=8).encode(
        alt.X("upper:Q"), alt.Text("label:N")
    )
    line = _interval(base, "x").encode(color=alt.value(TEXT))
    cut = base.transform_filter("datum.is_cut").mark_text(
        text="//", color="white", fontSize=16, fontWeight="bold", dx=-14
    )
    bar = base.mark_bar(color=BLUE, height=14).encode(x)
    return alt.layer(bar, line, cut.encode(alt.X("increase:Q")), label)


def shap_chart(shap: pl.DataFrame, unit: str | None) -> ChartType:
    """Show how the ten strongest features move single predictions, up and down.

    As a beeswarm of all rows, but with a stroke for each bin of SHAP values: its length
    goes with the root of the number of rows, its colour with their mean rank by the
    value of the feature. Without a unit, SHAP values have that of the
    transformed target.
    """
    n_bins = 110
    order = mean_abs_shap(shap)["feature"].head(_N_STRONGEST).to_list()
    strongest = shap.filter(pl.col("feature").is_in(order))
    values = strongest["shap"].to_numpy()
    constant = symlog_constant(values)
    z = symlog(values, constant)
    edges = np.linspace(float(z.min()), float(z.max()), n_bins + 1)
    bin_of = np.searchsorted(edges[1:-1], z, side="right")
    middles = inverse_symlog((edges[:-1] + edges[1:]) / 2, constant)
    rank = (pl.col("value").rank() - 1) / (pl.col("value").count() - 1)
    bins = (
        strongest.with_columns(x=middles[bin_of], rank=rank.over("feature"))
        .group_by("feature", "x")
        .agg(n=pl.len(), rank=pl.col("rank").sort().mean().fill_nan(None))
        .sort("feature", "x")
    )
    scale, axis = symlog_axis(values, PLAIN if unit is None else amount_labels(unit))
    named = "in the unit of the transformed target" if unit is None else unit
    legend = alt.Legend(
        values=[0, 1], labelExpr="datum.value ? 'high' : 'low'", gradientLength=160
    )
    return (
        alt.Chart(bins, width=WIDTH, height=34 * len(order) + 100)
        .mark_tick(orient="vertical", thickness=5, opacity=1)
        .encode(
            alt.X(
                "x:Q",
                scale=scale,
                axis=axis,
                title=_titled("change of the prediction", named),
            ),
            alt.Y("feature:N", sort=order, title=None, axis=alt.Axis(grid=True)),
            alt.Size("n:Q", scale=alt.Scale(type="sqrt", range=[2, 30]), legend=None),
            alt.Color(
                "rank:Q",
                title="value of the feature",
                scale=alt.Scale(domain=[0, 0.5, 1], range=[BLUE, "#BDBDBD", ORANGE]),
                legend=legend,
            ),
        )
    )


def partial_dependence_chart(dependence: pl.DataFrame, unit: str) -> ChartType:
    """Show the mean prediction over the values of the first four columns."""
    columns = dependence["column"].unique(maintain_order=True).head(4).to_list()
    rows = dependence.filter(pl.col("column").is_in(columns))
    predictions = rows["prediction"].to_list()
    ends = [min(predictions), max(predictions)]
    scale, label = alt.Scale(domain=ends, nice=True), amount_labels(unit, ends)
    panels = [
        _dependence_panel(rows.filter(column=column), scale, label, titled=i % 2 == 0)
        for i, column in enumerate(columns)
    ]
    return alt.concat(*panels, columns=2, spacing=24)


def _dependence_panel(
    rows: pl.DataFrame, scale: alt.Scale, label: str, *, titled: bool
) -> ChartType:
    """Draw one column's partial dependence; amounts and counts have long tails."""
    values = rows["value"].to_numpy()
    constant = float(np.median(np.abs(values))) or 1.0
    ticks = {float(f"{v:.1g}") for v in np.quantile(values, np.linspace(0, 1, 4))}
    base = alt.Chart(rows, width=(WIDTH - 100) / 2, height=150).encode(
        alt.X(
            "value:Q",
            title=str(rows["column"][0]),
            scale=alt.Scale(type="symlog", constant=constant, nice=False, zero=False),
            axis=alt.Axis(values=sorted(ticks), labelExpr=PLAIN),
        ),
        alt.Y(
            "prediction:Q",
            title="mean prediction" if titled else None,
            scale=scale,
            axis=alt.Axis(labelExpr=label, tickCount=4, labels=titled),
        ),
    )
    point = base.mark_point(color=BLUE, filled=True, size=22, opacity=1)
    return alt.layer(base.mark_line(color=BLUE, strokeWidth=2), point)


def trials_chart(trials: pl.DataFrame, objective: str, unit: str) -> ChartType:
    """Show the value of each complete trial of a study, and the best so far.

    The less a value the better. A pruned trial's is of other folds than theirs: it is a
    cross at the upper edge, at no value.
    """
    complete = pl.col("state") == "COMPLETE"
    rows = trials.sort("number").with_columns(
        pl.when(complete).then("value"),
        best=pl.when(complete).then("value").cum_min().forward_fill(),
    )
    base = alt.Chart(rows, width=WIDTH, height=240).encode(
        alt.X("number:Q", title="trial", axis=alt.Axis(tickMinStep=1, grid=False))
    )
    y = alt.Y(
        "value:Q",
        title=_titled(objective, unit),
        scale=alt.Scale(zero=False),
        axis=alt.Axis(labelExpr=amount_labels(unit, rows["value"]), tickCount=6),
    )
    states = ["COMPLETE", "PRUNED"]
    colour = alt.Color(
        "state:N",
        title=None,
        scale=alt.Scale(domain=states, range=[BLUE, GREY]),
        legend=alt.Legend(labelExpr="lower(datum.label)"),
    )
    shape = alt.Shape(
        "state:N",
        title=None,
        scale=alt.Scale(domain=states, range=["circle", "cross"]),
    )
    point = base.mark_point(filled=True, size=45, opacity=1).encode(colour, shape)
    judged = point.transform_filter("datum.value !== null").encode(y)
    pruned = point.transform_filter("datum.state == 'PRUNED'").encode(y=alt.value(0))
    best = base.mark_line(color=ORANGE, strokeWidth=2, interpolate="step-after")
    return alt.layer(best.encode(alt.Y("best:Q")), judged, pruned)


def _interval(base: alt.Chart, channel: str) -> alt.Chart:
    """Draw a line from ``lower`` to ``upper``, along ``x`` or ``y``."""
    ends = {channel: "lower:Q", f"{channel}2": "upper:Q"}
    return base.mark_rule(strokeWidth=2.5, strokeOpacity=0.7).encode(**ends)


def _level(y: float, *, dashed: bool = False) -> alt.Chart:
    """Draw a line over the whole width, at a height to compare with."""
    rule = alt.Chart(pl.DataFrame({"y": [y]})).mark_rule(
        color=TEXT, opacity=0.75, strokeDash=[4, 3] if dashed else [1, 0]
    )
    return rule.encode(alt.Y("y:Q"))


def symlog(values: npt.NDArray[np.float64], constant: float) -> npt.NDArray[np.float64]:
    """Map values as a symmetric log axis does: linear near 0, logarithmic far away."""
    return np.sign(values) * np.log1p(np.abs(values) / constant)


def inverse_symlog(
    values: npt.NDArray[np.float64], constant: float
) -> npt.NDArray[np.float64]:
    """Undo `symlog`."""
    return np.sign(values) * np.expm1(np.abs(values)) * constant


def symlog_constant(values: npt.NDArray[np.float64]) -> float:
    """Return the power of ten from which on an axis of these values is logarithmic.

    It is not above a quarter of the sizes that are not 0; 1 where all are 0.
    """
    sizes = np.abs(values[values != 0])
    quarter = float(np.quantile(sizes, 0.25)) if len(sizes) else 1.0
    return 10.0 ** math.floor(math.log10(quarter))


def symlog_axis(
    values: npt.NDArray[np.float64], label: str
) -> tuple[alt.Scale, alt.Axis]:
    """Make a symmetric log axis of values, with a tick at each power of ten.

    The first power would be too near to 0, unless it is the only one.
    `label` is the Vega expression of a tick's label.
    """
    constant = symlog_constant(values)
    low, high = float(values.min()), float(values.max())
    first = 1 if max(high, -low) >= 10 * constant else 0
    powers = [constant * 10.0**k for k in range(first, 16)]
    ticks = [*(-power for power in reversed(powers)), 0.0, *powers]
    shown = [tick for tick in ticks if low <= tick <= high]
    scale = alt.Scale(type="symlog", constant=constant, domain=[low, high], nice=False)
    return scale, alt.Axis(values=shown, labelExpr=label)
