"""All models in one table: how good each is, and how far it is from the best."""

from collections.abc import Sequence

import polars as pl

from pipeline.modeling.evaluate import evaluate
from pipeline.modeling.judge.comparison import compare
from pipeline.modeling.judge.slices import resampling_of
from pipeline.modeling.judge.totals import TOTAL
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.tune import model_config


def compare_models(settings: ModelingSettings, models: Sequence[str]) -> pl.DataFrame:
    """Judge models on the same test rows; trains and evaluates what has not been.

    Returns
    -------
    pl.DataFrame
        A row per model, the best by `modeling.metric` first: that metric with its
        bounds, `behind` (how much more it is than the best's, paired row by row, with
        bounds; null of the best), `bias`, the errors of totals, `r2` and `coverage`.
    """
    modeling = settings.modeling
    tables: list[pl.DataFrame] = []
    predictions: list[pl.DataFrame] = []
    for model in models:
        model_config(settings, model)  # before any is trained
    for model in dict.fromkeys(models):
        evaluation = evaluate(settings, model)
        figures = evaluation.table("evaluation").filter(model=model, slice_by="all")
        tables.append(figures)
        predictions.append(evaluation.table("predictions").filter(model=model))
    figures = pl.concat(tables)
    main = figures.filter(metric=modeling.metric).sort("value", "model")
    by = [f"wape_by_{name}" for name in modeling.totals]
    others = figures.pivot("metric", index="model", values="value").select(
        "model", "bias", TOTAL, *by, "r2", "coverage"
    )
    return (
        main.select("model", pl.col("value").alias(modeling.metric), "lower", "upper")
        .join(_behind(predictions, main["model"][0], settings), on="model", how="left")
        .join(others, on="model", how="left", maintain_order="left")
    )


def _behind(
    predictions: Sequence[pl.DataFrame], best: str, settings: ModelingSettings
) -> pl.DataFrame:
    """Say how much more than the best's the error of each other model is."""
    names = ("behind", "behind_lower", "behind_upper")
    if len(predictions) == 1:
        return pl.DataFrame(
            schema={"model": pl.String} | dict.fromkeys(names, pl.Float64)
        )
    modeling = settings.modeling
    paired = compare(
        pl.concat(predictions, how="diagonal"),
        best,
        modeling.metric,
        resampling_of(modeling),
        key=modeling.key,
    ).filter(slice_by="all")
    ends = zip(names, ("difference", "upper", "lower"), strict=True)
    return paired.select(
        pl.col("reference").alias("model"), *(-pl.col(end).alias(n) for n, end in ends)
    )
