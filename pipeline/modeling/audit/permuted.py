"""Train on outcomes that are not the entities' own: nothing may be left to learn.

In each period, all raw rows of an entity are given to another one, at random. Then no
entity's past says anything about its next outcome, and a model that predicts it all the
same has been told by a feature of the same period: a permutation test [1]_ of the whole
way from raw rows to predictions.

What tells is the rank correlation of prediction and outcome. A model of the change
since the past starts from another entity's past, which is noise, and noise in a few
large rows hides a leak from R2: one that is the target itself left an R2 of 0.32, and a
rank correlation of 0.995.

References
----------
.. [1] Ojala and Garriga, "Permutation Tests for Studying Classifier Performance", JMLR
   11, 2010.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from pipeline.modeling.audit.worlds import ground_of_source, real_world
from pipeline.modeling.data import train_and_valid
from pipeline.modeling.predictor import fit_model, target_of
from pipeline.modeling.settings import ModelingSettings

N_DEVIATIONS = 4
"""Chance leaves a rank correlation of 0, with a deviation of 1 / sqrt(n_rows - 1)."""


@dataclass(frozen=True)
class Permuted:
    """What a model has learned of nothing."""

    model: str
    correlation: float
    """Of the ranks of predictions and outcomes in the validation year (Spearman's); 0
    if all predictions are the same."""
    n_rows: int
    """Of that year."""

    @property
    def bound(self) -> float:
        """What chance stays below."""
        return N_DEVIATIONS / (self.n_rows - 1) ** 0.5

    @property
    def is_leak(self) -> bool:
        """Whether it knows what it cannot know."""
        return self.correlation > self.bound


def audit_permuted(settings: ModelingSettings) -> Permuted:
    """Train the default model, with its YAML's parameters, on permuted rows.

    Nothing is published.

    Raises
    ------
    PipelineError
        If the source cannot be read, or the rows do not suit the model.
    """
    modeling = settings.modeling
    config = settings.models[modeling.model]
    ground = ground_of_source(settings)
    rows = permute(ground.rows, ground.time, ground.entity, seed=modeling.seed)
    df = real_world(replace(ground, rows=rows)).features.sort(modeling.key)
    train, valid = train_and_valid(df, modeling)
    predictor = fit_model(train, config, modeling)
    prediction, y = predictor.point(valid), target_of(valid, modeling.target)
    both = pl.DataFrame({"y": y, "prediction": prediction})
    correlation = both.select(
        pl.corr("y", "prediction", method="spearman").fill_nan(0)
    ).item()
    return Permuted(modeling.model, correlation, valid.height)


def permute(
    rows: pl.DataFrame, time: str, entity: Sequence[str], *, seed: int
) -> pl.DataFrame:
    """Give all rows of each entity to a random one of the same period.

    There may be any number of rows per entity and period. They stay in their order, and
    each entity is there in the same periods as before.
    """
    blocks = rows.select(time, *entity).unique().sort(time, *entity)
    rank = pl.int_range(pl.len()).shuffle(seed=seed)
    other = blocks.sort(time, rank).select(pl.col(entity).name.prefix("_other_"))
    return (
        rows.join(blocks.hstack(other), on=[time, *entity], maintain_order="left")
        .with_columns(pl.col(f"_other_{name}").alias(name) for name in entity)
        .select(rows.columns)
    )


def describe_permuted(found: Permuted) -> str:
    """Say in a line what was found."""
    fault = "the target says something to a model that should know nothing: "
    return (
        f"{fault if found.is_leak else ''}{found.model} on permuted rows: a rank"
        f" correlation of {found.correlation:+.3f} in {found.n_rows:,} rows, expected"
        f" at most {found.bound:.3f}"
    )
