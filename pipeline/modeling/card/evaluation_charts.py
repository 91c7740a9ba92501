"""How good a model is, in charts: its errors, its intervals, against the baselines.

``evaluation`` is long: ``model``, ``slice_by``, ``slice``, ``metric``, ``value`` and
the ends ``lower`` and ``upper`` of its 95 % interval, errors in US dollars;
``slice_by`` is ``all`` or what rows are put into slices by. ``comparison`` has a
``metric`` (of one kind), a baseline ``reference``, ``slice_by``, ``slice``,
``reference_value``, and by how much the model's differs: ``difference``, ``lower``,
``upper``. ``predictions`` are the
model's on the test rows, with ``y``, in US dollars and without nulls.
"""

from typing import Any

import altair as alt
import numpy as np
import polars as pl
from altair.typing import ChartType

from pipeline.modeling.card.charts import (
    BLUE,
    DOLLARS,
    HALF_WIDTH,
    TEXT,
    WIDTH,
    interval,
    inverse_symlog,
    level,
    model_colours,
    model_order,
    symlog,
    symlog_axis,
    symlog_constant,
)

_N_BINS = 48
_MAX_SLICES = 12
_QUANTILES = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
_SLICE_TITLES = {"size_decile": "facility size decile (1 = smallest)"}
_SHORT = "datum.label == 'unknown' ? '?' : datum.label"
_POINT: dict[str, Any] = {"filled": True, "size": 80, "opacity": 1}


def error_chart(evaluation: pl.DataFrame, model: str, metric: str) -> ChartType:
    """Compare the error of all models on all rows, the best on top.

    Parameters
    ----------
    evaluation : pl.DataFrame
        See above.
    model : str
        The one that stands out.
    metric : {'rmse', 'mae'}
        Which error.
    """
    rows = evaluation.filter(slice_by="all", metric=metric).sort("value", "model")
    height = 46 * rows.height + 50
    base = alt.Chart(rows, width=WIDTH, height=height).encode(
        alt.Y("model:N", sort=None, title=None),
        color=alt.Color(
            "model:N", scale=model_colours(rows["model"], model), legend=None
        ),
    )
    x = alt.X(
        "value:Q",
        title=f"{metric.upper()}, US dollars, with 95 % interval",
        scale=alt.Scale(zero=False),
        axis=alt.Axis(labelExpr=DOLLARS, tickCount=8),
    )
    label = base.transform_calculate(label=DOLLARS).mark_text(dy=-13)
    return alt.layer(
        interval(base, "x"),
        base.mark_point(**_POINT).encode(x),
        label.encode(alt.X("value:Q"), alt.Text("label:N"), color=alt.value(TEXT)),
    )


def error_by_year_chart(evaluation: pl.DataFrame, model: str, metric: str) -> ChartType:
    """Compare the error of all models in each year; see `error_chart`."""
    rows = evaluation.filter(slice_by="year", metric=metric)
    order = alt.Scale(domain=model_order(rows["model"], model), padding=0.5)
    base = alt.Chart(rows, width=WIDTH, height=300).encode(
        alt.X("slice:O", title="year", scale=alt.Scale(paddingInner=0.35)),
        alt.XOffset("model:N", scale=order),
        alt.Color("model:N", scale=model_colours(rows["model"], model), title=None),
    )
    y = alt.Y(
        "value:Q",
        title=f"{metric.upper()}, US dollars, with 95 % interval",
        scale=alt.Scale(zero=False),
        axis=alt.Axis(labelExpr=DOLLARS, tickCount=6),
    )
    return alt.layer(interval(base, "y"), base.mark_point(**_POINT).encode(y))


def best_reference(comparison: pl.DataFrame) -> str:
    """Name the baseline of least error on all rows, or the first such by name."""
    overall = comparison.filter(slice_by="all").sort("reference_value", "reference")
    return str(overall["reference"][0])


def difference_chart(comparison: pl.DataFrame) -> ChartType:
    """Show how the error differs from the best baseline's, by size of the facility.

    The difference is a share of the baseline's error: in dollars, the largest
    facilities would leave nothing to see of the others.
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
        axis=alt.Axis(format="+.0%", tickCount=6),
    )
    point = base.mark_point(**_POINT).encode(y)
    return alt.layer(level(0), interval(base, "y"), point)


def coverage_chart(evaluation: pl.DataFrame, model: str, coverage: float) -> ChartType:
    """Show which share of the outcomes the model's intervals hold, slice by slice.

    Parameters
    ----------
    evaluation : pl.DataFrame
        See above; what makes more than 12 slices is left out.
    model : str
        The model whose intervals they are.
    coverage : float
        The share that they are meant to hold, between 0 and 1.
    """
    rows = _coverages(evaluation, model)
    shown = [coverage, *(v for c in ("lower", "value", "upper") for v in rows[c])]
    known = [value for value in shown if value is not None]
    scale = alt.Scale(domain=[min(known), max(known)], nice=True, zero=False)
    kinds = rows["slice_by"].unique(maintain_order=True).to_list()
    step = (WIDTH - 70 - 16 * len(kinds)) / (rows.height + len(kinds))
    panels: list[ChartType] = []
    for kind in kinds:
        part = rows.filter(slice_by=kind)
        order = sorted(part["slice"], key=_by_size)
        base = alt.Chart(part, width=step * (part.height + 1), height=220).encode(
            alt.X(
                "slice:N",
                title=_SLICE_TITLES.get(kind, kind),
                sort=order,
                axis=alt.Axis(labelExpr=_SHORT),
            ),
            color=alt.value(BLUE),
        )
        first = kind == kinds[0]
        y = alt.Y(
            "value:Q",
            title="outcomes inside the interval" if first else None,
            scale=scale,
            axis=alt.Axis(format=".0%", tickCount=6, labels=first),
        )
        point = base.mark_point(**_POINT).encode(y)
        line = level(coverage, dashed=True)
        panels.append(alt.layer(line, interval(base, "y"), point))
    return alt.hconcat(*panels, spacing=16)


def has_coverage(evaluation: pl.DataFrame, model: str) -> bool:
    """Tell whether a model has intervals, and slices to show them by."""
    return _coverages(evaluation, model)["value"].count() > 0


def _coverages(evaluation: pl.DataFrame, model: str) -> pl.DataFrame:
    """Keep the coverages of a model in slices that are few of their kind."""
    return evaluation.filter(
        pl.col("slice_by") != "all", model=model, metric="coverage"
    ).filter(pl.len().over("slice_by") <= _MAX_SLICES)


def _by_size(name: str) -> tuple[float, str]:
    """Sort slices by their number, or from low to high and unknown, else by name."""
    levels = ("low", "mid", "high", "unknown")
    number = levels.index(name) if name in levels else 0
    return (float(name) if name.isdecimal() else number, name)


def predicted_actual_chart(predictions: pl.DataFrame) -> ChartType:
    """Count rows by prediction and outcome, on symmetric logarithmic axes."""
    y, prediction = (predictions[c].to_numpy() for c in ("y", "prediction"))
    both = np.concatenate([y, prediction])
    constant = symlog_constant(both)
    low, high = (float(z) for z in symlog(np.sort(both)[[0, -1]], constant))
    counts, *_ = np.histogram2d(
        symlog(prediction, constant),
        symlog(y, constant),
        bins=_N_BINS,
        range=[(low, high)] * 2,
    )
    edges = inverse_symlog(np.linspace(low, high, _N_BINS + 1), constant)
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
    scale, axis = symlog_axis(both, DOLLARS)
    small = alt.Axis(**axis.to_dict(), labelFontSize=10)
    opacity = alt.Scale(type="log", range=[0.15, 1])
    rows = (
        alt.Chart(cells, width=HALF_WIDTH, height=360)
        .mark_rect(color=BLUE)
        .encode(
            alt.X("x:Q", scale=scale, axis=small, title="predicted, US dollars"),
            alt.Y("y:Q", scale=scale, axis=axis, title="actual, US dollars"),
            alt.X2("x2"),
            alt.Y2("y2"),
            opacity=alt.Opacity("n:Q", scale=opacity, legend=None),
        )
    )
    equal = alt.Chart(pl.DataFrame({"x": edges, "y": edges}))
    line = equal.mark_line(color=TEXT, strokeDash=[4, 3], strokeWidth=1)
    return alt.layer(rows, line.encode(alt.X("x:Q"), alt.Y("y:Q")))


def residual_chart(predictions: pl.DataFrame) -> ChartType:
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
    scale, axis = symlog_axis(rows.drop("decile").to_numpy().ravel(), DOLLARS)
    y = alt.Y("p5:Q", scale=scale, axis=axis, title="actual - predicted, US dollars")
    x = alt.X("decile:O", title="decile of the prediction (1 = smallest)")
    base = alt.Chart(rows, width=HALF_WIDTH, height=360).encode(
        x, color=alt.value(BLUE)
    )
    median = base.mark_tick(thickness=2.5, width=16).encode(
        alt.Y("p50:Q"), color=alt.value("white")
    )
    return alt.layer(
        level(0),
        base.mark_rule(strokeWidth=1.5).encode(y, alt.Y2("p95")),
        base.mark_bar(width=16).encode(alt.Y("p25:Q"), alt.Y2("p75")),
        median,
    )
