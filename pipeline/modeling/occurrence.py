"""Whether an entity will have a row at all: the other half of what is to come.

Boosted trees for the odds, and isotonic regression [1]_ on a period they have not seen,
so that of ten rows of 0.3 three come.

References
----------
.. [1] Zadrozny & Elkan, "Transforming Classifier Scores into Accurate Multiclass
   Probability Estimates", KDD 2002.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

import msgspec
import numpy as np
import polars as pl

from pipeline.errors import ModelError
from pipeline.modeling.fit.design import FeatureSchema, design, feature_schema
from pipeline.modeling.fit.target import Array
from pipeline.modeling.models import OCCURRENCE, BinaryKind, Regressor, load_kind

OCCURS = "occurs"
"""Column of candidates: whether there was such a row."""


class OccurrenceRecord(msgspec.Struct, frozen=True):
    """What is known beside the trees."""

    schema: FeatureSchema
    scores: list[float]
    """What the trees say, rising; between two of them the probability is on a line."""
    probabilities: list[float]
    """What it is then."""


@dataclass(frozen=True)
class Occurrence:
    """A fitted model of whether rows occur."""

    record: OccurrenceRecord
    trees: Regressor

    def probability(self, df: pl.DataFrame) -> Array:
        """Say of each candidate how probable it is that it has a row, 0 to 1."""
        scores = self.trees.predict(design(df, self.record.schema))
        return np.interp(scores, self.record.scores, self.record.probabilities)

    def refitted(self, other: "Occurrence") -> Self:
        """Take the trees of another fit, and keep the calibration."""
        record = msgspec.structs.replace(self.record, schema=other.record.schema)
        return replace(self, record=record, trees=other.trees)

    def save(self, folder: Path) -> None:
        """Write it into a new folder."""
        folder.mkdir()
        (folder / "occurrence.json").write_bytes(msgspec.json.encode(self.record))
        self.trees.save(folder)


def load_occurrence(folder: Path) -> Occurrence:
    """Read what `Occurrence.save` wrote."""
    raw = (folder / "occurrence.json").read_bytes()
    record = msgspec.json.decode(raw, type=OccurrenceRecord)
    return Occurrence(record, load_kind(OCCURRENCE).load(folder))


def fit_occurrence(
    candidates: pl.DataFrame,
    features: Sequence[str],
    categorical: Sequence[str],
    params: dict[str, Any],
    *,
    seed: int,
    n_threads: int,
) -> Occurrence:
    """Learn from candidates, which hold features and `OCCURS`; not calibrated yet."""
    occurs = candidates[OCCURS]
    if occurs.n_unique() < 2:
        raise ModelError(
            f"occurrence: {'all' if occurs.any() else 'none'} of {len(occurs):,}"
            " entities have a row in every training period, so there is nothing to"
            " learn\nhint: remove `occurrence` from the model in configs/models/"
        )
    schema = feature_schema(candidates, features, categorical)
    kind = cast("BinaryKind", load_kind(OCCURRENCE))
    trees = kind.fit_binary(
        design(candidates, schema),
        occurs.cast(pl.Float64).to_numpy(),
        msgspec.convert(params, kind.Params),
        seed=seed,
        n_threads=n_threads,
    )
    return Occurrence(OccurrenceRecord(schema, [0.0, 1.0], [0.0, 1.0]), trees)


def calibrated(fitted: Occurrence, candidates: pl.DataFrame) -> Occurrence:
    """Learn from candidates of another period what the scores are worth."""
    from sklearn.isotonic import (  # pyright: ignore[reportMissingTypeStubs]
        IsotonicRegression,
    )

    scores = fitted.probability(candidates)
    came = candidates[OCCURS].cast(pl.Float64).to_numpy()
    line: Any = IsotonicRegression(y_min=0, y_max=1)
    line.fit(scores, came)
    record = msgspec.structs.replace(
        fitted.record,
        scores=line.X_thresholds_.tolist(),
        probabilities=line.y_thresholds_.tolist(),
    )
    return replace(fitted, record=record)
