"""The model card: one page that says what a model is, how good, and what it is not for.

After Mitchell et al., "Model Cards for Model Reporting", FAT* 2019. The page is one
HTML file with its style and its figures; it needs no script and no network.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.modeling.card import charts
from pipeline.modeling.fit.amount import amount
from pipeline.modeling.judge.slices import SIZE_DECILE
from pipeline.modeling.judge.totals import TOTAL
from pipeline.modeling.records import TrainingRecord, span
from pipeline.modeling.settings import STEP, UNKNOWN_UNIT, WINDOW, Modeling
from pipeline.progress import doing

if TYPE_CHECKING:
    from altair.typing import ChartType

_METRICS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "wape": "WAPE",
    "r2": "R²",
    "pinball": "pinball loss",
    "coverage": "coverage",
    "bias": "bias",
    "mase": "MASE",
    TOTAL: "WAPE of totals",
}
_AMOUNTS = ("rmse", "mae", "pinball")
_FORMATS = {"r2": ".3f", "mase": ".2f", "bias": "+.1%", "share": "+.1%"}

_TRAINED_ON = {
    "none": "the target itself",
    "asinh": "asinh(target / {scale:,})",
    "difference": "the target less its known past",
    "growth": "the change of asinh(target / scale) since its known past",
    "relative": "the change since its known past, as a part of it",
}


@dataclass(frozen=True)
class Card:
    """What a model card is made of."""

    modeling: Modeling
    record: TrainingRecord
    source: str
    """The kind of the source."""
    registered: int | None
    """Its number in the registry, if it has one."""
    trials: pl.DataFrame
    """``number``, ``value`` and ``state``; without rows where there was no study."""
    evaluation: pl.DataFrame
    comparison: pl.DataFrame
    predictions: pl.DataFrame
    """Of the model alone."""
    importance: pl.DataFrame
    shap: pl.DataFrame
    dependence: pl.DataFrame
    windows: Sequence[tuple[str, TrainingRecord]] = ()
    """The periods that each window judges, and what judges them; the newest first."""

    @property
    def is_backtest(self) -> bool:
        """Whether several windows judge it."""
        return len(self.windows) > 1


def name_of(metric: str) -> str:
    """Write the name of a metric."""
    by = metric.removeprefix("wape_by_")
    return _METRICS.get(metric) or f"WAPE of totals by {by}"


def _metrics(modeling: Modeling) -> list[str]:
    """Name the metrics, first the one that models are compared by."""
    first = modeling.metric
    by = [f"wape_by_{name}" for name in modeling.totals]
    return [first, *(metric for metric in _METRICS if metric != first), *by]


@doing("drawing the card")
def write_card(card: Card, folder: Path) -> None:
    """Write ``card.html`` and its charts into a folder."""
    figures = draw_figures(card)
    (folder / "charts").mkdir()
    for name, svg in figures.items():
        (folder / "charts" / f"{name}.svg").write_text(svg)
    (folder / "card.html").write_text(page(card, figures))


def draw_figures(card: Card) -> dict[str, str]:
    """Draw the figures of a card that there is something to show in, as SVG by name."""
    metric, time, model = card.modeling.metric, card.modeling.time, card.record.model
    evaluation, unit = card.evaluation, card.modeling.unit
    drawn: dict[str, ChartType] = {
        "error": charts.error_chart(evaluation, model, metric, unit),
        "predicted": charts.predicted_actual_chart(card.predictions, unit),
        "residual": charts.residual_chart(card.predictions, unit),
        "importance": charts.importance_chart(card.importance, metric, unit),
        "dependence": charts.partial_dependence_chart(card.dependence, unit),
    }
    if card.comparison.filter(slice_by=SIZE_DECILE).height:
        drawn["difference"] = charts.difference_chart(card.comparison)
    for name, column in (("period", time), ("step", STEP), ("window", WINDOW)):
        if evaluation.filter(slice_by=column)["slice"].n_unique() > 1:
            drawn[name] = charts.error_by_period_chart(
                evaluation, model, metric, column, unit
            )
    if charts.coverages(evaluation, model)["value"].count():
        coverage = card.modeling.coverage
        drawn["coverage"] = charts.coverage_chart(evaluation, model, coverage)
    if card.shap.height:
        is_target = card.record.config["target"]["kind"] in ("none", "difference")
        drawn["shap"] = charts.shap_chart(card.shap, unit if is_target else None)
    if card.trials.height:
        drawn["trials"] = charts.trials_chart(
            card.trials, _objective(card.modeling), unit
        )
    return {name: charts.to_svg(chart) for name, chart in drawn.items()}


def page(card: Card, figures: Mapping[str, str]) -> str:
    """Write a card and its figures as a whole HTML document; all texts are escaped.

    Equal cards give equal documents.
    """
    record, spans = card.record, card.record.spans
    target = record.config["target"]
    return render(
        "card.html.j2",
        figures,
        registered=card.registered,
        source=card.source,
        modeling=card.modeling,
        record=record,
        headlines=_headlines(card),
        limits=list(_limits(card)),
        metric=_METRICS[card.modeling.metric],
        metrics=[name_of(metric) for metric in _metrics(card.modeling)],
        objective=_objective(card.modeling),
        parts=[
            ("train", span(spans["train"]), record.n_rows["train"]),
            ("validation", span(spans["valid"]), record.n_rows["valid"]),
            ("test", span(spans["test"]), _n_judged(card)),
        ],
        windows=_windows(card),
        rows=_metric_rows(card),
        study=_study(card.trials, card.modeling.unit),
        thirds=_thirds(card.modeling),
        trained_on=_TRAINED_ON[target["kind"]].format(**target),
    )


def _n_judged(card: Card) -> int:
    """Count the rows of the newest window."""
    if not card.is_backtest:
        return card.predictions.height
    return card.predictions.filter(pl.col(WINDOW) == card.windows[0][0]).height


def _windows(card: Card) -> list[list[str]]:
    """Say of each window of a backtest what was learned from, and how good that was.

    Cells are as the heads in ``card.html.j2``; none where there is one window.
    """
    if not card.is_backtest:
        return []
    key, unit = card.modeling.metric, card.modeling.unit
    own = card.evaluation.filter(model=card.record.model, slice_by=WINDOW)
    best = charts.best_reference(card.comparison)
    compared = card.comparison.filter(slice_by=WINDOW, reference=best)
    rows: list[list[str]] = []
    for name, record in card.windows:
        of = {r["metric"]: r for r in own.filter(slice=name).iter_rows(named=True)}
        against = compared.filter(slice=name).row(0, named=True)
        share = {
            end: against[end] and against[end] / against["reference_value"]
            for end in ("difference", "lower", "upper")
        }
        rows.append(
            [
                name,
                span(record.spans["train"]),
                span(record.spans["valid"]),
                f"{of[key]['n_rows']:,}",
                *(
                    figure_text(metric, of[metric]["value"], unit)
                    for metric in (key, "bias", "coverage")
                ),
                figure_text("share", share["difference"], unit),
                ends_text("share", share, unit),
            ]
        )
    return rows


def render(template: str, figures: Mapping[str, str], **values: object) -> str:
    """Fill in a template of this folder with SVG by name, and texts to be escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The SVG writer has escaped their texts.
    drawn = {name: Markup(svg) for name, svg in figures.items()}
    return environment.get_template(template).render(figures=drawn, **values)


def _objective(modeling: Modeling) -> str:
    """Say what the trials' values are."""
    return f"mean {modeling.metric.upper()} over the folds"


def _thirds(modeling: Modeling) -> str:
    """Say which slices are thirds of the rows, and by what."""
    cut = [f"{name}: by {' + '.join(by)}" for name, by in modeling.slices.cut.items()]
    if not cut:
        return ""
    unknown = "'?' (unknown): not known, as without a row in the period before"
    return f"Thirds of the rows: {'; '.join(cut)}; {unknown}."


def _occurrence(card: Card) -> str:
    """Say of which entities all of it is."""
    given = (
        "All of it given that the entity has rows in the period; one without counts in"
        " no figure."
    )
    own = card.evaluation.filter(model=card.record.model, slice_by="all")
    found = dict(own.select("metric", "value").iter_rows())
    if "brier" not in found:
        return f"{given} Whether it will is not predicted."
    skill, bias = found["brier_skill"], found["bias_expected"]
    return (
        f"{given} Whether it will, says `probability`: its Brier score is"
        f" {found['brier']:.3f}"
        + (f", {skill:.0%} below that of the mean rate" if skill is not None else "")
        + (f"; by it, the sum of all is {bias:+.1%} off." if bias is not None else ".")
    )


def _limits(card: Card) -> Iterator[str]:
    """Say where the figures warn, and what they cannot tell."""
    metric, coverage = card.modeling.metric, card.modeling.coverage
    unit = card.modeling.unit
    if not unit:
        yield f"Its amounts are of an unknown unit: {UNKNOWN_UNIT}."
    yield "An average over a period and a category: nothing about a single case."
    yield (
        "One period ahead only; entities without a row in the periods that the features"
        " look back, and those that stages leave out, as rare ones, get no prediction."
    )
    yield _occurrence(card)
    if card.is_backtest:
        yield (
            f"It is judged on {len(card.windows)} windows, of which it is the newest:"
            " the others judge its recipe, learned from the periods before them."
        )
    yield (
        "Forecasts are made by the same recipe, fitted to all periods known as it was"
        " registered: that fit has seen the test periods, so it is not judged."
    )
    yield from card.record.on_trust
    yield (
        "Errors are those of the test periods; a change of policy or prices since then"
        " does not show in them."
    )
    own = card.evaluation.filter(model=card.record.model)
    by_size = own.filter(slice_by=SIZE_DECILE, metric=metric).sort(
        pl.col("slice").cast(pl.Int64, strict=False)
    )
    if by_size.height > 1:
        small, large = by_size["value"][0], by_size["value"][-1]
        yield (
            f"Errors grow with size: the {metric.upper()} is {amount(small, unit)}"
            f" in the smallest tenth of clusters and {amount(large, unit)} in the"
            f" largest, so that few large rows decide the {metric.upper()} over all."
        )
    gap = (pl.col("value") - coverage).abs()
    missed = own.filter(gap > 0.05, pl.col("n_rows") >= 100, metric="coverage")
    if missed.height:
        worst = missed.sort(gap, descending=True).row(0, named=True)
        yield (
            f"Intervals miss their coverage by more than 5 points in {missed.height}"
            f" slices of 100 rows or more, most in {worst['slice_by']}"
            f" {worst['slice']}: {worst['value']:.0%}."
        )
    losing = card.comparison.filter(pl.col("upper") >= 0, slice_by="all")
    if losing.height:
        names = ", ".join(losing["reference"])
        yield f"Not shown to have a smaller {metric.upper()} than: {names}."


def _headlines(card: Card) -> list[tuple[str, str, str]]:
    """Say how good the model is: label, figure, and what to hold it against."""
    unit, key = card.modeling.unit, card.modeling.metric
    metric, best = _METRICS[key], charts.best_reference(card.comparison)
    overall = card.evaluation.filter(model=card.record.model, slice_by="all")
    error, coverage, bias = (
        overall.filter(metric=name).row(0, named=True)
        for name in (key, "coverage", "bias")
    )
    share = (
        card.comparison.filter(slice_by="all", reference=best)
        .select(pl.col("difference", "lower", "upper") / pl.col("reference_value"))
        .row(0, named=True)
    )
    shown = [
        (f"{metric} on the test periods", key, error["value"], error),
        (f"{metric} against {best}", "share", share["difference"], share),
        ("sum of predictions against outcomes", "bias", bias["value"], bias),
    ]
    headlines = [
        (label, figure_text(kind, value, unit), f"95 % interval {ends}" if ends else "")
        for label, kind, value, cell in shown
        for ends in [ends_text(kind, cell, unit)]
    ]
    if coverage["value"] is not None:
        reached, meant = (
            figure_text("coverage", value, unit)
            for value in (coverage["value"], card.modeling.coverage)
        )
        headlines.append(("outcomes inside the intervals", reached, f"meant: {meant}"))
    return headlines


def _metric_rows(card: Card) -> list[tuple[str, list[tuple[str, str]]]]:
    """List each model, by the first metric, with each and its interval as text."""
    metrics, unit = _metrics(card.modeling), card.modeling.unit
    overall = card.evaluation.filter(slice_by="all")
    models = overall.filter(metric=metrics[0]).sort("value", "model")["model"]
    rows = overall.iter_rows(named=True)
    cells = {(row["model"], row["metric"]): row for row in rows}
    return [
        (
            model,
            [
                (
                    figure_text(metric, cell["value"], unit),
                    ends_text(metric, cell, unit),
                )
                for metric in metrics
                for cell in [cells[model, metric]]
            ],
        )
        for model in models
    ]


def figure_text(metric: str, value: float | None, unit: str) -> str:
    """Write a metric in its unit; nothing where there is none."""
    if value is None:
        return ""
    if metric in _AMOUNTS:
        return amount(value, unit)
    return format(value, _FORMATS.get(metric, ".1%"))


def ends_text(metric: str, cell: Mapping[str, Any], unit: str) -> str:
    """Write the ends of a metric's interval; nothing where there is none."""
    if cell["lower"] is None or cell["upper"] is None:
        return ""
    lower, upper = (figure_text(metric, cell[end], unit) for end in ("lower", "upper"))
    return f"{lower} to {upper}"


def _study(trials: pl.DataFrame, unit: str) -> str:
    """Say how many trials there were, and which was the best."""
    complete = trials.filter(state="COMPLETE").sort("value", "number")
    if complete.is_empty():
        return ""
    n_pruned = trials.filter(state="PRUNED").height
    number, value = complete.select("number", "value").row(0)
    return (
        f"{trials.height} trials, {n_pruned} of them pruned; "
        f"the best is number {number} with {amount(value, unit)}"
    )
