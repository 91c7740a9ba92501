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

from pipeline.modeling.card import charts
from pipeline.modeling.card.charts import dollars
from pipeline.modeling.records import TrainingRecord
from pipeline.modeling.settings import ModelingSettings

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

_TRAINED_ON = {
    "none": "the target itself",
    "asinh": "asinh(target / {scale:,})",
    "difference": "the target less its known past",
    "growth": "the change of asinh(target / scale) since its known past",
}


@dataclass(frozen=True)
class Card:
    """What a model card says."""

    name: str
    version: str
    created: str
    registered: int | None
    """Its number in the registry, if it has one."""
    purpose: str
    users: str
    model: str
    snapshot: str
    fingerprint: str
    """Of the snapshot."""
    source: str
    parts: Sequence[tuple[str, str, int]]
    """Of the rows, in the order of time: the part's name, its years, how many rows."""
    target: str
    target_transformation: str
    in_dollars: bool
    """Whether it was trained in US dollars, so that SHAP values are."""
    parameters: Mapping[str, Any]
    objective: str
    """What the trials' values are."""
    trials: pl.DataFrame
    """``number``, ``value`` and ``state``; without rows where there was no study."""
    coverage: float
    """The share of outcomes that the intervals are meant to hold."""
    evaluation: pl.DataFrame
    comparison: pl.DataFrame
    predictions: pl.DataFrame
    importance: pl.DataFrame
    shap: pl.DataFrame
    dependence: pl.DataFrame
    limits: Sequence[str]
    """What it should not be used for, one sentence each."""
    commands: Sequence[str]
    """That make it again."""


def card_of(
    settings: ModelingSettings,
    record: TrainingRecord,
    tables: Mapping[str, pl.DataFrame],
    *,
    trials: pl.DataFrame,
    registered: int | None,
) -> Card:
    """Gather what the card of a trained model says.

    `tables` are ``predictions`` of all models, ``evaluation``, ``comparison`` and those
    of `pipeline.modeling.card.explain.explain`.
    """
    modeling, target = settings.modeling, record.config["target"]
    years = modeling.split
    predictions = tables["predictions"].filter(model=record.model)
    return Card(
        name=modeling.name,
        version=f"{record.model} {record.fingerprint[:8]}",
        created=f"{record.created_at:%Y-%m-%d %H:%M} UTC",
        registered=registered,
        purpose=(
            f"Predicts {modeling.target} of a {' and '.join(modeling.entity)} one"
            f" {modeling.time} ahead, with an interval, from what is known before the"
            f" {modeling.time} begins."
        ),
        users="For analysts who plan and compare; not for decisions on single cases.",
        model=record.model,
        snapshot=modeling.features,
        fingerprint=record.features,
        source=str(settings.pipeline.tree["source"]["kind"]),
        parts=[
            ("train", _span(*years.train), record.n_rows["train"]),
            ("validation", str(years.valid), record.n_rows["valid"]),
            ("test", _span(*years.test), predictions.height),
        ],
        target=modeling.target,
        target_transformation=_TRAINED_ON[target["kind"]].format(**target),
        in_dollars=target["kind"] in ("none", "difference"),
        parameters=record.config["params"],
        objective=f"mean {modeling.metric.upper()} over the folds",
        trials=trials,
        coverage=modeling.coverage,
        limits=_limits(
            record.model, modeling.coverage, tables["evaluation"], tables["comparison"]
        ),
        commands=[
            f"just tune {record.model}",
            f"just evaluate {record.model}",
            "just promote",
        ],
        **{**tables, "predictions": predictions},
    )


def _span(first: int, last: int) -> str:
    """Write a span of years."""
    return str(first) if first == last else f"{first}-{last}"


def _limits(
    model: str, coverage: float, evaluation: pl.DataFrame, comparison: pl.DataFrame
) -> list[str]:
    """Say where the figures warn, and what they cannot tell."""
    metric = str(comparison["metric"][0])
    limits = [
        "An average over a year and a category: nothing about a single patient.",
        "One year ahead only; entities without a row in the two years before, and rare"
        " categories, get no prediction.",
        "Errors are those of the test years; a change of policy or prices since then"
        " does not show in them.",
    ]
    own = evaluation.filter(model=model)
    by_size = own.filter(slice_by="size_decile", metric=metric).sort(
        pl.col("slice").cast(pl.Int64, strict=False)
    )
    if by_size.height > 1:
        small, large = by_size["value"][0], by_size["value"][-1]
        limits.append(
            f"Errors grow with size: the {metric.upper()} is {dollars(small)} in the"
            f" smallest tenth of clusters and {dollars(large)} in the largest, so that"
            f" few large rows decide the {metric.upper()} over all."
        )
    gap = (pl.col("value") - coverage).abs()
    missed = own.filter(gap > 0.05, pl.col("n_rows") >= 100, metric="coverage")
    if missed.height:
        worst = missed.sort(gap, descending=True).row(0, named=True)
        limits.append(
            f"Intervals miss their coverage by more than 5 points in {missed.height}"
            f" slices of 100 rows or more, most in {worst['slice_by']}"
            f" {worst['slice']}: {worst['value']:.0%}."
        )
    losing = comparison.filter(pl.col("upper") >= 0, slice_by="all")
    if losing.height:
        names = ", ".join(losing["reference"])
        limits.append(f"Not shown to have a smaller {metric.upper()} than: {names}.")
    return limits


def write_card(card: Card, folder: Path) -> None:
    """Write ``card.html`` and its charts into a folder."""
    figures = draw_figures(card)
    (folder / "charts").mkdir()
    for name, svg in figures.items():
        (folder / "charts" / f"{name}.svg").write_text(svg)
    (folder / "card.html").write_text(page(card, figures))


def draw_figures(card: Card) -> dict[str, str]:
    """Draw the figures of a card that there is something to show in, as SVG by name."""
    metric, model, evaluation = _metrics(card)[0], card.model, card.evaluation
    drawn: dict[str, ChartType] = {
        "error": charts.error_chart(evaluation, model, metric),
        "predicted": charts.predicted_actual_chart(card.predictions),
        "residual": charts.residual_chart(card.predictions),
        "importance": charts.importance_chart(card.importance, metric),
        "dependence": charts.partial_dependence_chart(card.dependence),
    }
    if card.comparison.filter(slice_by="size_decile").height:
        drawn["difference"] = charts.difference_chart(card.comparison)
    if evaluation.filter(slice_by="year")["slice"].n_unique() > 1:
        drawn["year"] = charts.error_by_year_chart(evaluation, model, metric)
    if charts.has_coverage(evaluation, model):
        drawn["coverage"] = charts.coverage_chart(evaluation, model, card.coverage)
    if card.shap.height:
        drawn["shap"] = charts.shap_chart(card.shap, in_dollars=card.in_dollars)
    if card.trials.height:
        drawn["trials"] = charts.trials_chart(card.trials, card.objective)
    return {name: charts.to_svg(chart) for name, chart in drawn.items()}


def page(card: Card, figures: Mapping[str, str]) -> str:
    """Write a card and its figures as a whole HTML document; all texts are escaped.

    Equal cards give equal documents.
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


def _headlines(card: Card) -> list[tuple[str, str, str]]:
    """Say how good the model is: label, figure, and what to hold it against."""
    key = _metrics(card)[0]
    metric, best = _METRICS[key], charts.best_reference(card.comparison)
    overall = card.evaluation.filter(model=card.model, slice_by="all")
    error, coverage = (
        overall.filter(metric=name).row(0, named=True) for name in (key, "coverage")
    )
    share = (
        card.comparison.filter(slice_by="all", reference=best)
        .select(pl.col("difference", "lower", "upper") / pl.col("reference_value"))
        .row(0, named=True)
    )
    shown = [
        (f"{metric} on the test years", key, error["value"], error),
        (f"{metric} against {best}", "share", share["difference"], share),
    ]
    headlines = [
        (label, _figure(kind, value), f"95 % interval {ends}" if ends else "")
        for label, kind, value, cell in shown
        for ends in [_ends(kind, cell)]
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
