"""Explain a judged model: importances, charts and the card."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from pipeline.modeling.card.card import Card, Split, draw_figures, write_card
from pipeline.modeling.card.charts import dollars
from pipeline.modeling.card.explain import (
    feature_groups,
    mean_abs_shap,
    partial_dependence,
    permutation_importance,
    shap_values,
)
from pipeline.modeling.fit.design import design
from pipeline.modeling.fit.target import Array
from pipeline.modeling.models.lightgbm import LightGBM
from pipeline.modeling.predictor import Predictor, predict_point
from pipeline.modeling.registry.registry import version_in
from pipeline.modeling.settings import ModelingSettings
from pipeline.modeling.study.journal import read_trials
from pipeline.modeling.tracking.tracking import tracking
from pipeline.modeling.tune import journal_of

if TYPE_CHECKING:
    from pipeline.modeling.train import Training

N_EXPLAINED = 4
"""Features whose partial dependence is drawn."""

N_REPEATS = 3
N_ROWS = 10_000
"""Rows, at most, that importances are measured on."""

N_DEPENDENCE_ROWS = 2_000


def describe_model(
    settings: ModelingSettings,
    training: "Training",
    test: pl.DataFrame,
    predictions: pl.DataFrame,
    evaluation: pl.DataFrame,
    comparison: pl.DataFrame,
    folder: Path,
) -> None:
    """Write ``card.html``, its charts, and what the model goes by, into a folder.

    Parameters
    ----------
    settings : ModelingSettings
        The configuration.
    training : Training
        The model.
    test, predictions : pl.DataFrame
        The test rows, and what the model made of them, in the same order.
    evaluation, comparison : pl.DataFrame
        Of `pipeline.modeling.judge.metrics` and `pipeline.modeling.judge.comparison`.
    folder : Path
        Where to.
    """
    predictor = training.load()
    seed = settings.modeling.seed

    def predict(df: pl.DataFrame) -> Array:
        record = predictor.record
        return predict_point(
            df, record.schema, predictor.model, record.target, record.past
        )

    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(test.height)[:N_ROWS])
    sample, y = test[rows], predictions["y"].to_numpy()[rows]
    features = list(predictor.record.schema.dtypes)
    groups = feature_groups(features, settings.bases)
    importance = permutation_importance(
        predict,
        sample,
        y,
        groups,
        metric=settings.modeling.metric,
        n_repeats=N_REPEATS,
        seed=seed,
    )
    shap = _shap(predictor, sample, seed)
    strongest = _strongest(shap, importance, groups, predictor)
    few = sample[:: -(-sample.height // N_DEPENDENCE_ROWS)]
    dependence = pl.concat(
        partial_dependence(predict, few, column) for column in strongest
    )
    importance.write_parquet(folder / "importance.parquet")
    dependence.write_parquet(folder / "dependence.parquet")
    shap.write_parquet(folder / "shap.parquet")
    card = _card(
        settings,
        training,
        predictions,
        evaluation,
        comparison,
        importance,
        shap,
        dependence,
    )
    figures = draw_figures(card)
    (folder / "charts").mkdir()
    for name, svg in figures.items():
        (folder / "charts" / f"{name}.svg").write_text(svg)
    (folder / "card.html").write_text(write_card(card, figures))


def _registered(settings: ModelingSettings, training: "Training") -> int | None:
    """Look up the number of the model's version, if it is registered already."""
    with tracking(settings) as store:
        version = version_in(store, settings, training.record.fingerprint)
    return None if version is None else version.number


def _shap(predictor: Predictor, sample: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Explain the trees; a model without trees has no rows."""
    if not isinstance(predictor.model, LightGBM):
        return pl.DataFrame(
            schema={
                "row": pl.Int64,
                "feature": pl.String,
                "value": pl.Float64,
                "shap": pl.Float64,
                "base": pl.Float64,
            }
        )
    X = design(sample, predictor.record.schema)
    booster = predictor.model.boosters["point"]
    return shap_values(booster, X.values, X.columns, seed=seed)


def _strongest(
    shap: pl.DataFrame,
    importance: pl.DataFrame,
    groups: dict[str, list[str]],
    predictor: Predictor,
) -> list[str]:
    """Name the numeric features that move the predictions most."""
    if shap.height:
        names = mean_abs_shap(shap)["feature"].to_list()
    else:
        names = [name for group in importance["group"] for name in groups[group]]
    categories = predictor.record.schema.vocabulary
    return [name for name in names if name not in categories][:N_EXPLAINED]


def _card(
    settings: ModelingSettings,
    training: "Training",
    predictions: pl.DataFrame,
    evaluation: pl.DataFrame,
    comparison: pl.DataFrame,
    importance: pl.DataFrame,
    shap: pl.DataFrame,
    dependence: pl.DataFrame,
) -> Card:
    """Gather what the card says."""
    record, modeling = training.record, settings.modeling
    split, target = modeling.split, record.config["target"]
    return Card(
        name=modeling.name,
        version=f"{record.model} {record.fingerprint[:8]}",
        registered=_registered(settings, training),
        created=f"{record.created_at:%Y-%m-%d %H:%M} UTC",
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
        splits=[
            Split("train", _years(*split.train), record.n_rows["train"]),
            Split(
                "validation", _years(split.valid, split.valid), record.n_rows["valid"]
            ),
            Split("test", _years(*split.test), predictions.height),
        ],
        target=modeling.target,
        target_transformation=_words(target),
        in_dollars=target["kind"] in ("none", "difference"),
        parameters=record.config["params"],
        objective=f"mean {modeling.metric.upper()} over the folds",
        trials=_trials(settings, record.study),
        coverage=modeling.coverage,
        evaluation=evaluation,
        comparison=comparison,
        predictions=predictions,
        importance=importance,
        shap=shap,
        dependence=dependence,
        limits=_limits(record.model, modeling.coverage, evaluation, comparison),
        commands=[
            f"just tune {record.model}",
            f"just evaluate {record.model}",
            "just promote",
        ],
    )


def _years(first: int, last: int) -> str:
    """Write a span of years."""
    return str(first) if first == last else f"{first}-{last}"


def _words(target: dict[str, Any]) -> str:
    """Say what the model was fitted to."""
    return {
        "none": "the target itself",
        "asinh": f"asinh(target / {target.get('scale'):,})"
        if "scale" in target
        else "",
        "difference": "the target less its known past",
        "growth": "the change of asinh(target / scale) since its known past",
    }[target["kind"]]


def _trials(settings: ModelingSettings, study: str | None) -> pl.DataFrame:
    """List the trials of a study; none if there was none."""
    trials = read_trials(journal_of(settings, study), study) if study else []
    return pl.DataFrame(
        [(t.number, t.value, t.state.name) for t in trials],
        schema={"number": pl.Int64, "value": pl.Float64, "state": pl.String},
        orient="row",
    )


def _limits(
    model: str, coverage: float, evaluation: pl.DataFrame, comparison: pl.DataFrame
) -> Sequence[str]:
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
    squares = own.filter(slice_by="size_decile", metric=metric).sort(
        pl.col("slice").cast(pl.Int64, strict=False)
    )
    if squares.height > 1:
        small, large = squares["value"][0], squares["value"][-1]
        limits.append(
            f"Errors grow with size: the {metric.upper()} is {dollars(small)} in the"
            f" smallest tenth of clusters and {dollars(large)} in the largest, so that"
            f" few large rows decide the {metric.upper()} over all."
        )
    missed = own.filter(
        pl.col("metric") == "coverage",
        pl.col("n_rows") >= 100,
        (pl.col("value") - coverage).abs() > 0.05,
    )
    if missed.height:
        worst = missed.sort((pl.col("value") - coverage).abs(), descending=True).row(
            0, named=True
        )
        limits.append(
            f"Intervals miss their coverage by more than 5 points in {missed.height}"
            f" slices of 100 rows or more, most in {worst['slice_by']}"
            f" {worst['slice']}: {worst['value']:.0%}."
        )
    losing = comparison.filter(slice_by="all").filter(pl.col("upper") >= 0)
    if losing.height:
        names = ", ".join(losing["reference"])
        limits.append(f"Not shown to have a smaller {metric.upper()} than: {names}.")
    return limits
