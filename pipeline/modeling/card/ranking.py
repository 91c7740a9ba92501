"""All models on one page: which is best, by how much, and how long it takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.modeling.card import charts
from pipeline.modeling.card.card import ends_text, figure_text, name_of, render
from pipeline.modeling.fit.amount import amount
from pipeline.modeling.records import span
from pipeline.modeling.settings import Modeling

if TYPE_CHECKING:
    from altair.typing import ChartType


@dataclass(frozen=True)
class Ranking:
    """What the page is made of."""

    modeling: Modeling
    source: str
    """The kind of the source."""
    table: pl.DataFrame
    """As of `pipeline.modeling.compare.compare_models`."""
    evaluation: pl.DataFrame
    """The figures of these models, by slice."""
    cards: Mapping[str, str]
    """Where the card of each model is, as seen from the page."""


def write_ranking(ranking: Ranking, path: Path) -> None:
    """Write the page, one HTML file as a card is."""
    path.write_text(page(ranking, draw_figures(ranking)))


def draw_figures(ranking: Ranking) -> dict[str, str]:
    """Draw the errors of the models, as SVG by name."""
    modeling, evaluation = ranking.modeling, ranking.evaluation
    best, metric = str(ranking.table["model"][0]), modeling.metric
    drawn: dict[str, ChartType] = {
        "error": charts.error_chart(evaluation, best, metric, modeling.unit)
    }
    if evaluation.filter(slice_by=modeling.time)["slice"].n_unique() > 1:
        drawn["period"] = charts.error_by_period_chart(
            evaluation, best, metric, modeling.time, modeling.unit
        )
    return {name: charts.to_svg(chart) for name, chart in drawn.items()}


def page(ranking: Ranking, figures: Mapping[str, str]) -> str:
    """Write the table and its figures as a whole HTML document."""
    modeling, table = ranking.modeling, ranking.table
    metrics = [name for name in table.columns if f"{name}_lower" in table.columns]
    overall = ranking.evaluation.filter(slice_by="all", metric=modeling.metric)
    periods = ranking.evaluation.filter(slice_by=modeling.time)["slice"].sort()
    return render(
        "ranking.html.j2",
        figures,
        modeling=modeling,
        source=ranking.source,
        metric=modeling.metric.upper(),
        models=table["model"].to_list(),
        n_rows=f"{overall['n_rows'][0]:,}",
        periods=span((periods[0], periods[-1])),
        names=[
            *("behind" if name == "behind" else name_of(name) for name in metrics),
            *("fit", "predicts"),
        ],
        cards=ranking.cards,
        rows=[
            (
                row["model"],
                [
                    *(_cell(row, name, modeling) for name in metrics),
                    (amount(row["fit_s"], "s"), ""),
                    (amount(row["rows_per_s"], "rows/s"), ""),
                ],
            )
            for row in table.iter_rows(named=True)
        ],
    )


def _cell(row: Mapping[str, Any], name: str, modeling: Modeling) -> tuple[str, str]:
    """Write a figure and its interval; what is behind is of the metric's unit."""
    metric = modeling.metric if name == "behind" else name
    ends = {end: row[f"{name}_{end}"] for end in ("lower", "upper")}
    return (
        figure_text(metric, row[name], modeling.unit),
        ends_text(metric, ends, modeling.unit),
    )
