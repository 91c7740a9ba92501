"""What a model goes by, and how it was found, in charts."""

import altair as alt
import numpy as np
import polars as pl
from altair.typing import ChartType

from pipeline.modeling.card.charts import (
    BLUE,
    DOLLARS,
    GREY,
    ORANGE,
    TEXT,
    WIDTH,
    dollars,
    interval,
    inverse_symlog,
    symlog,
    symlog_axis,
    symlog_constant,
)
from pipeline.modeling.card.explain import mean_abs_shap

_N_STRONGEST = 10
_LONGEST = 2.0
"""Of the second longest bar; a longer one is cut off."""

_N_BINS = 110
_N_TICKS = 4
_PLAIN = "abs(datum.value) < 1 ? format(datum.value, '~g') : format(datum.value, '~s')"


def importance_chart(importance: pl.DataFrame, metric: str) -> ChartType:
    """Rank the ten groups of features the model would miss most.

    The axis ends where the others can be seen beside the strongest, whose label says
    how long its bar would be.

    Parameters
    ----------
    importance : pl.DataFrame
        As of `pipeline.modeling.card.explain.permutation_importance`, in US dollars.
    metric : {'rmse', 'mae'}
        Of which error.
    """
    end = _end_of_bars(importance)
    strongest = importance.head(_N_STRONGEST)
    figures = strongest.select("increase", "share").iter_rows()
    rows = strongest.with_columns(
        pl.col("increase", "lower", "upper").clip(0, end),
        label=pl.Series([f"{dollars(cost)} ({share:.0%})" for cost, share in figures]),
    )
    base = alt.Chart(rows, width=WIDTH, height=30 * rows.height + 60).encode(
        alt.Y("group:N", sort=None, title=None)
    )
    x = alt.X(
        "increase:Q",
        title=f"increase of the {metric.upper()} by shuffling the group, US dollars",
        scale=alt.Scale(domain=[0, end], nice=False),
        axis=alt.Axis(labelExpr=DOLLARS, tickCount=8),
    )
    label = base.mark_text(align="left", dx=8).encode(
        alt.X("upper:Q"), alt.Text("label:N")
    )
    line = interval(base, "x").encode(color=alt.value(TEXT))
    return alt.layer(base.mark_bar(color=BLUE, height=14).encode(x), line, label)


def _end_of_bars(importance: pl.DataFrame) -> float:
    """End the axis at the longest bar, or before it if it would hide the next."""
    first, second = [*importance["upper"].head(2), 0.0, 0.0][:2]
    return _LONGEST * second if first > _LONGEST * second > 0 else max(first, 1.0)


def shap_chart(shap: pl.DataFrame, *, in_dollars: bool) -> ChartType:
    """Show how the ten strongest features move single predictions, up and down.

    As a beeswarm of all rows, but with a stroke for each bin of SHAP values: its length
    goes with the root of the number of rows, its colour with their mean rank by the
    value of the feature.

    Parameters
    ----------
    shap : pl.DataFrame
        As of `pipeline.modeling.card.explain.shap_values`.
    in_dollars : bool
        Whether the model was trained in US dollars; otherwise SHAP values have the unit
        of the transformed target. The axis is symmetric and logarithmic.
    """
    order = mean_abs_shap(shap)["feature"].head(_N_STRONGEST).to_list()
    strongest = shap.filter(pl.col("feature").is_in(order))
    values = strongest["shap"].to_numpy()
    constant = symlog_constant(values)
    z = symlog(values, constant)
    edges = np.linspace(float(z.min()), float(z.max()), _N_BINS + 1)
    bin_of = np.searchsorted(edges[1:-1], z, side="right")
    middles = inverse_symlog((edges[:-1] + edges[1:]) / 2, constant)
    rank = (pl.col("value").rank() - 1) / (pl.col("value").count() - 1)
    bins = (
        strongest.with_columns(x=middles[bin_of], rank=rank.over("feature"))
        .group_by("feature", "x")
        .agg(n=pl.len(), rank=pl.col("rank").sort().mean().fill_nan(None))
        .sort("feature", "x")
    )
    scale, axis = symlog_axis(values, DOLLARS if in_dollars else _PLAIN)
    unit = "US dollars" if in_dollars else "in the unit of the transformed target"
    legend = alt.Legend(
        values=[0, 1], labelExpr="datum.value ? 'high' : 'low'", gradientLength=160
    )
    return (
        alt.Chart(bins, width=WIDTH, height=34 * len(order) + 100)
        .mark_tick(orient="vertical", thickness=5, opacity=1)
        .encode(
            alt.X(
                "x:Q", scale=scale, axis=axis, title=f"change of the prediction, {unit}"
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


def partial_dependence_chart(dependence: pl.DataFrame) -> ChartType:
    """Show the mean prediction over the values of the first four columns.

    Parameters
    ----------
    dependence : pl.DataFrame
        As of `pipeline.modeling.card.explain.partial_dependence`, one below the other;
        predictions in US dollars.
    """
    columns = dependence["column"].unique(maintain_order=True).head(4).to_list()
    rows = dependence.filter(pl.col("column").is_in(columns))
    ends = rows.select(low=pl.col("prediction").min(), high=pl.col("prediction").max())
    scale = alt.Scale(domain=[*ends.row(0)], nice=True)
    panels = [
        _dependence_panel(rows.filter(column=column), scale, titled=i % 2 == 0)
        for i, column in enumerate(columns)
    ]
    return alt.concat(*panels, columns=2, spacing=24)


def _dependence_panel(
    rows: pl.DataFrame, scale: alt.Scale, *, titled: bool
) -> ChartType:
    """Draw one column's partial dependence; money and counts have long tails."""
    values = rows["value"].to_numpy()
    constant = float(np.median(np.abs(values))) or 1.0
    ticks = [
        float(f"{v:.1g}") for v in np.quantile(values, np.linspace(0, 1, _N_TICKS))
    ]
    base = alt.Chart(rows, width=(WIDTH - 100) / 2, height=150).encode(
        alt.X(
            "value:Q",
            title=str(rows["column"][0]),
            scale=alt.Scale(type="symlog", constant=constant, nice=False, zero=False),
            axis=alt.Axis(values=sorted(set(ticks)), labelExpr=_PLAIN),
        ),
        alt.Y(
            "prediction:Q",
            title="mean prediction" if titled else None,
            scale=scale,
            axis=alt.Axis(labelExpr=DOLLARS, tickCount=4, labels=titled),
        ),
    )
    point = base.mark_point(color=BLUE, filled=True, size=22, opacity=1)
    return alt.layer(base.mark_line(color=BLUE, strokeWidth=2), point)


def trials_chart(trials: pl.DataFrame, objective: str) -> ChartType:
    """Show the value of each trial of a study, and the best so far.

    Parameters
    ----------
    trials : pl.DataFrame
        ``number``, ``value`` (US dollars, the less the better; null where there is
        none) and ``state`` in Optuna's words; only COMPLETE ones can be the best.
    objective : str
        What the value is, for the axis.
    """
    complete = pl.col("state") == "COMPLETE"
    rows = trials.sort("number").with_columns(
        best=pl.when(complete).then("value").cum_min().forward_fill()
    )
    base = alt.Chart(rows, width=WIDTH, height=240).encode(
        alt.X("number:Q", title="trial", axis=alt.Axis(tickMinStep=1, grid=False))
    )
    y = alt.Y(
        "value:Q",
        title=f"{objective}, US dollars",
        scale=alt.Scale(zero=False),
        axis=alt.Axis(labelExpr=DOLLARS, tickCount=6),
    )
    states = alt.Color(
        "state:N",
        title=None,
        scale=alt.Scale(domain=["COMPLETE", "PRUNED"], range=[BLUE, GREY]),
        legend=alt.Legend(labelExpr="lower(datum.label)"),
    )
    shape = alt.Shape(
        "state:N",
        title=None,
        scale=alt.Scale(domain=["COMPLETE", "PRUNED"], range=["circle", "cross"]),
    )
    trial = base.transform_filter("datum.value !== null").mark_point(
        filled=True, size=45, opacity=1
    )
    best = base.mark_line(color=ORANGE, strokeWidth=2, interpolate="step-after")
    return alt.layer(best.encode(alt.Y("best:Q")), trial.encode(y, states, shape))
