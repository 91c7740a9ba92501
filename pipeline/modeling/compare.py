"""All models side by side: how good each is, how far it is from the best, how fast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

import polars as pl

from pipeline.files.state import State
from pipeline.modeling.audit.guard import learnable_features
from pipeline.modeling.evaluate import Evaluation, evaluate
from pipeline.modeling.judge.comparison import compare
from pipeline.modeling.judge.slices import resampling_of
from pipeline.modeling.judge.totals import TOTAL
from pipeline.modeling.settings import Modeling, ModelingSettings
from pipeline.modeling.tune import model_config


@dataclass(frozen=True)
class Comparison:
    """Models side by side."""

    table: pl.DataFrame
    """See `compare_models`."""
    page: Path
    """The same as an HTML page."""


def compare_models(settings: ModelingSettings, models: Sequence[str]) -> Comparison:
    """Judge models on the same test rows; trains and evaluates what has not been.

    The table has a row per model, the best by `modeling.metric` first: that metric,
    `behind` (how much more it is than the best's, paired row by row; null of the best),
    `bias`, the errors of totals, `r2` and `coverage`, each with its ``_lower`` and
    ``_upper`` bound; `fit_s`, the seconds that it was fitted in, and `rows_per_s`, how
    many test rows it predicted in one, as it was when it was trained and judged.
    """
    from pipeline.modeling.card.ranking import Ranking, write_ranking

    modeling = settings.modeling
    for model in models:
        model_config(settings, model)  # before any is trained
    features = learnable_features(settings)
    judged = {
        model: evaluate(settings, model, features) for model in dict.fromkeys(models)
    }
    figures = pl.concat(
        evaluation.table("evaluation").filter(model=model)
        for model, evaluation in judged.items()
    )
    ranked = _with_bounds(figures, [modeling.metric]).sort(modeling.metric, "model")
    totals = [TOTAL, *(f"wape_by_{name}" for name in modeling.totals)]
    table = ranked
    for columns in (
        _behind(judged, ranked["model"][0], modeling),
        _with_bounds(figures, ["bias", *totals, "r2", "coverage"]),
        _times(judged),
    ):
        table = table.join(columns, on="model", how="left", maintain_order="left")
    page = State(settings.root).models / f"{modeling.name}.html"
    cards = {
        model: Path(relpath(evaluation.folder / "card.html", page.parent)).as_posix()
        for model, evaluation in judged.items()
    }
    source = str(settings.pipeline.tree["source"]["kind"])
    write_ranking(Ranking(modeling, source, table, figures, cards), page)
    return Comparison(table, page)


def _with_bounds(figures: pl.DataFrame, metrics: Sequence[str]) -> pl.DataFrame:
    """Lay figures over all rows side by side, a row per model."""
    wide = figures.filter(slice_by="all").pivot(
        "metric", index="model", values=["value", "lower", "upper"]
    )
    named = {"value": "", "lower": "_lower", "upper": "_upper"}
    return wide.select(
        "model",
        *(
            pl.col(f"{end}_{metric}").alias(f"{metric}{suffix}")
            for metric in metrics
            for end, suffix in named.items()
        ),
    )


def _behind(
    judged: Mapping[str, Evaluation], best: str, modeling: Modeling
) -> pl.DataFrame:
    """Say how much more than the best's the error of each other model is."""
    names = {"behind": "difference", "behind_lower": "upper", "behind_upper": "lower"}
    if len(judged) == 1:
        return pl.DataFrame(
            schema={"model": pl.String} | dict.fromkeys(names, pl.Float64)
        )
    predictions = [
        evaluation.table("predictions").filter(model=model)
        for model, evaluation in judged.items()
    ]
    paired = compare(
        pl.concat(predictions, how="diagonal"),
        best,
        modeling.metric,
        resampling_of(modeling),
        key=modeling.key,
    ).filter(slice_by="all")
    return paired.select(
        pl.col("reference").alias("model"),
        **{name: -pl.col(end) for name, end in names.items()},
    )


def _times(judged: Mapping[str, Evaluation]) -> pl.DataFrame:
    """Say how long each model took when it was trained and judged."""
    return pl.DataFrame(
        {
            "model": list(judged),
            "fit_s": [each.training.record.fit_s for each in judged.values()],
            "rows_per_s": [
                each.record.n_rows / each.record.predict_s for each in judged.values()
            ],
        }
    )
