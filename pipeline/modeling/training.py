"""A trained model: read as it was judged, or fitted again to all that is known."""

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from pipeline.modeling.candidates import candidates
from pipeline.modeling.data import Features
from pipeline.modeling.predictor import (
    Predictor,
    fit_occurrence_of,
    load_predictor,
    refitted,
)
from pipeline.modeling.records import TrainingRecord
from pipeline.modeling.settings import ModelConfig, ModelingSettings


@dataclass(frozen=True)
class Training:
    """A trained model, and what it learned from."""

    folder: Path
    record: TrainingRecord
    features: Features
    is_new: bool
    is_logged: bool
    """MLflow was told of it just now: it is new, or its run was lost."""

    def load(self) -> Predictor:
        """Read the model."""
        return load_predictor(self.folder / "predictor")

    @property
    def config(self) -> ModelConfig:
        """The model's configuration, with the parameters it was fitted with."""
        return msgspec.convert(self.record.config, ModelConfig)


def refit(settings: ModelingSettings, training: Training) -> Predictor:
    """Fit a trained model again, to all periods that are known.

    What was judged stays what it is: this one has seen the test periods, and nothing is
    left to judge it on.
    """
    judged, modeling = training.load(), settings.modeling
    df = training.features.read(modeling)
    predictor = refitted(judged, df, training.config, modeling)
    if judged.occurrence is None:
        return predictor
    seen = candidates(settings, training.features, df[modeling.time].unique().sort())
    again = fit_occurrence_of(seen, training.config, modeling)
    return replace(predictor, occurrence=judged.occurrence.refitted(again))
