"""The model card: one page that says what a model is, how good, and what it is not for.

After Mitchell et al., "Model Cards for Model Reporting", FAT* 2019. The page is one
HTML file with its style and its figures; it needs no script and no network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.modeling.card.charts import dollars, to_svg
from pipeline.modeling.card.evaluation_charts import (
    best_reference,
    coverage_chart,
    difference_chart,
    error_by_year_chart,
    error_chart,
    has_coverage,
    predicted_actual_chart,
    residual_chart,
)
from pipeline.modeling.card.explanation_charts import (
    importance_chart,
    partial_dependence_chart,
    shap_chart,
    trials_chart,
)

if TYPE_CHECKING:
    from altair.typing import ChartType

_METRICS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "wape": "WAPE",
    "r2": "R²",
    "pinball": "pinball loss",
    "coverage": "coverage",
}
_IN_DOLLARS = ("rmse", "mae", "pinball")
_FORMATS = {"r2": ".3f", "share": "+.1%"}


@dataclass(frozen=True)
class Split:
    """A part of the rows: its name (``train``), its years and how many rows."""

    name: str
    years: str
    n_rows: int


@dataclass(frozen=True)
class Card:
    """What a model card says.

    Attributes
    ----------
    name, version, created : str
        The title: the model's name, its version or fingerprint, and when it was made.
    registered : int or None
        Its number in the registry, if it has one.
    purpose, users : str
        What it predicts, and for whom.
    model : str
        Its name in `evaluation`.
    snapshot, fingerprint, source : str
        The data it was made from.
    splits : sequence of Split
        In the order of time.
    target, target_transformation : str
        The column that is predicted, and what it was trained on.
    in_dollars : bool
        Whether that is US dollars, so that SHAP values are.
    parameters : mapping of str to any
        Of the model.
    objective : str
        What the trials' values are.
    trials : pl.DataFrame
        Of the study, see `trials_chart`; without rows where there was none.
    coverage : float
        The share of outcomes that the intervals are meant to hold.
    evaluation, comparison, predictions : pl.DataFrame
        See `pipeline.modeling.card.evaluation_charts`.
    importance, shap, dependence : pl.DataFrame
        See `permutation_importance`, `shap_values`, and `partial_dependence` of up to
        four columns. `shap` is without rows for a
        model that is not made of trees.
    limits : sequence of str
        What it should not be used for, one sentence each.
    commands : sequence of str
        That make it again.
    """

    name: str
    version: str
    created: str
    registered: int | None
    purpose: str
    users: str
    model: str
    snapshot: str
    fingerprint: str
    source: str
    splits: Sequence[Split]
    target: str
    target_transformation: str
    in_dollars: bool
    parameters: Mapping[str, Any]
    objective: str
    trials: pl.DataFrame
    coverage: float
    evaluation: pl.DataFrame
    comparison: pl.DataFrame
    predictions: pl.DataFrame
    importance: pl.DataFrame
    shap: pl.DataFrame
    dependence: pl.DataFrame
    limits: Sequence[str]
    commands: Sequence[str]


def write_card(card: Card, figures: Mapping[str, str]) -> str:
    """Write a model card as a page of HTML.

    Parameters
    ----------
    card : Card
        What it says. All texts are escaped.
    figures : mapping of str to str
        What `draw_figures` made of it.

    Returns
    -------
    str
        A whole HTML document; equal cards give equal documents.
    """
    metrics = _metrics(card)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("card.html.j2").render(
        card=card,
        # The SVG writer has escaped their texts.
        figures={name: Markup(svg) for name, svg in figures.items()},
        headlines=_headlines(card),
        metric=_METRICS[metrics[0]],
        metrics=[_METRICS[metric] for metric in metrics],
        rows=_metric_rows(card.evaluation, metrics),
        study=_study(card.trials),
    )


def draw_figures(card: Card) -> dict[str, str]:
    """Draw the figures of a card that there is something to show in, as SVG by name."""
    metric = _metrics(card)[0]
    charts: dict[str, ChartType] = {
        "error": error_chart(card.evaluation, card.model, metric),
        "predicted": predicted_actual_chart(card.predictions),
        "residual": residual_chart(card.predictions),
        "importance": importance_chart(card.importance, metric),
        "dependence": partial_dependence_chart(card.dependence),
    }
    if card.comparison.filter(slice_by="size_decile").height:
        charts["difference"] = difference_chart(card.comparison)
    if card.evaluation.filter(slice_by="year")["slice"].n_unique() > 1:
        charts["year"] = error_by_year_chart(card.evaluation, card.model, metric)
    if has_coverage(card.evaluation, card.model):
        charts["coverage"] = coverage_chart(card.evaluation, card.model, card.coverage)
    if card.shap.height:
        charts["shap"] = shap_chart(card.shap, in_dollars=card.in_dollars)
    if card.trials.height:
        charts["trials"] = trials_chart(card.trials, card.objective)
    return {name: to_svg(chart) for name, chart in charts.items()}


def _headlines(card: Card) -> list[tuple[str, str, str]]:
    """Say how good the model is: label, figure, and what to hold it against."""
    key = _metrics(card)[0]
    error, coverage = _overall(card, key), _overall(card, "coverage")
    best = best_reference(card.comparison)
    metric = _METRICS[key]
    differences = pl.col("difference", "lower", "upper") / pl.col("reference_value")
    share = (
        card.comparison.filter(slice_by="all", reference=best)
        .select(differences)
        .row(0, named=True)
    )
    headlines = [
        (f"{metric} on the test years", dollars(error["value"]), _ends(key, error)),
        (
            f"{metric} against {best}",
            _figure("share", share["difference"]),
            _ends("share", share),
        ),
    ]
    headlines = [
        (label, figure, f"95 % interval {ends}" if ends else "")
        for label, figure, ends in headlines
    ]
    if coverage["value"] is not None:
        reached, meant = (
            _figure("coverage", value) for value in (coverage["value"], card.coverage)
        )
        headlines.append(("outcomes inside the intervals", reached, f"meant: {meant}"))
    return headlines


def _metrics(card: Card) -> list[str]:
    """Name the metrics, first the one that the model is compared by."""
    first = str(card.comparison["metric"][0])
    return [first, *(metric for metric in _METRICS if metric != first)]


def _overall(card: Card, metric: str) -> dict[str, Any]:
    """Look up a metric of the model over all test rows."""
    rows = card.evaluation.filter(model=card.model, slice_by="all", metric=metric)
    return rows.row(0, named=True)


def _metric_rows(
    evaluation: pl.DataFrame, metrics: Sequence[str]
) -> list[tuple[str, list[tuple[str, str]]]]:
    """List each model, by the first metric, with each and its interval as text."""
    overall = evaluation.filter(slice_by="all")
    models = overall.filter(metric=metrics[0]).sort("value", "model")["model"]
    cells = {
        (row["model"], row["metric"]): row for row in overall.iter_rows(named=True)
    }
    return [
        (
            model,
            [
                (_figure(metric, cell["value"]), _ends(metric, cell))
                for metric in metrics
                for cell in [cells[model, metric]]
            ],
        )
        for model in models
    ]


def _figure(metric: str, value: float | None) -> str:
    """Write a metric in its unit; nothing where there is none."""
    if value is None:
        return ""
    if metric in _IN_DOLLARS:
        return dollars(value)
    return format(value, _FORMATS.get(metric, ".1%"))


def _ends(metric: str, cell: Mapping[str, Any]) -> str:
    """Write the ends of a metric's interval; nothing where there is none."""
    if cell["lower"] is None or cell["upper"] is None:
        return ""
    return f"{_figure(metric, cell['lower'])} to {_figure(metric, cell['upper'])}"


def _study(trials: pl.DataFrame) -> str:
    """Say how many trials there were, and which was the best."""
    complete = trials.filter(state="COMPLETE").sort("value", "number")
    if complete.is_empty():
        return ""
    n_pruned = trials.filter(state="PRUNED").height
    number, value = complete.select("number", "value").row(0)
    return (
        f"{trials.height} trials, {n_pruned} of them pruned; "
        f"the best is number {number} with {dollars(value)}"
    )
