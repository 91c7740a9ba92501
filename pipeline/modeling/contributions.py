"""What a prediction is made of: base, contributions of the features, interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from pipeline.errors import ModelError
from pipeline.modeling.fit.design import Design, design
from pipeline.modeling.fit.target import (
    Array,
    AsinhTarget,
    GrowthTarget,
    NoneTarget,
    TargetConfig,
)
from pipeline.modeling.models import Regressor
from pipeline.modeling.models.known_value import KnownValue
from pipeline.modeling.models.lightgbm import LightGBM
from pipeline.modeling.models.ridge import Ridge
from pipeline.modeling.predictor import Predictor, past_of
from pipeline.modeling.settings import STEP

if TYPE_CHECKING:
    from pipeline.modeling.bundle.bundle import Bundle


@dataclass(frozen=True)
class Contribution:
    """What a feature adds to a prediction."""

    feature: str
    value: Any
    amount: float


@dataclass(frozen=True)
class Interval:
    """What the bounds of a prediction are made of, in units of the target."""

    lower: float
    upper: float
    own_lower: float
    """What the model itself takes for its lower quantile, or its prediction."""
    own_upper: float
    lower_moved: float
    """By how much a period that it has not seen moves that; less is wider."""
    upper_moved: float
    sizes: tuple[float, float | None]
    """Predictions of so much, up to so much, are moved alike."""


@dataclass(frozen=True)
class Explained:
    """A prediction, and what it is made of."""

    key: Mapping[str, Any]
    prediction: float
    past: Contribution | None
    """The column of the target's past to which a change is added, and what is that of
    the base; 0 where the base is not in units of the target."""
    base: float
    """What the contributions are added to, the past among it."""
    contributions: Sequence[Contribution]
    """The largest first."""
    fitted: str
    """What base and contributions are in, if not in units of the target."""
    interval: Interval


def explain(bundle: "Bundle", rows: pl.DataFrame) -> list[Explained]:
    """Explain what a bundle predicts of raw rows, in the order of the entities.

    Those of which nothing is predicted are not there.
    """
    horizon, predictor = bundle.record.horizon, bundle.predictor
    features = bundle.asked_features(rows)
    return [
        explained(predictor, one, [*horizon.entity, *horizon.asked])
        for one in features.iter_slices(1)
    ]


def explained(
    predictor: Predictor, features: pl.DataFrame, key: Sequence[str]
) -> Explained:
    """Explain the prediction of the only row of some features."""
    X = design(features, predictor.record.schema)
    past = past_of(features, predictor.record.past)
    base, amounts, fitted = in_units(predictor, X, past)
    made = [
        Contribution(name, features[name].item(), float(amount))
        for name, amount in zip(X.columns, amounts, strict=True)
    ]
    made.sort(key=lambda one: (-abs(one.amount), one.feature))
    return Explained(
        features.select(key).row(0, named=True),
        float(predictor.point(features)[0]),
        past_added(predictor.record.target, predictor.record.past, features),
        base,
        made,
        fitted,
        interval_of(predictor, features, X, past),
    )


def past_added(
    target: TargetConfig, names: Sequence[str], features: pl.DataFrame
) -> Contribution | None:
    """Find the past of the only row to which a change is added; None if none is.

    It is the first of the named columns that is not null.
    """
    if isinstance(target, NoneTarget | AsinhTarget):
        return None
    name = next(name for name in names if features[name].item() is not None)
    value = features[name].item()
    return Contribution(
        name, value, 0.0 if isinstance(target, GrowthTarget) else float(value)
    )


def in_units(predictor: Predictor, X: Design, past: Array) -> tuple[float, Array, str]:
    """Share out a prediction, in units of the target where sums of it stay sums.

    Else the text says what they are in.
    """
    base, amounts = contributions(predictor.model, X)
    target = predictor.record.target
    if isinstance(target, AsinhTarget | GrowthTarget):
        tag = target.__struct_config__.tag
        return base, amounts, f"the {tag} of the target, which the model is fitted to"
    start, end = (target.backward(np.full(1, z), past)[0] for z in (0.0, 1.0))
    return float(start + base * (end - start)), amounts * (end - start), ""


def contributions(model: Regressor, X: Design) -> tuple[float, Array]:
    """Share out the raw prediction of a design's only row: a base, and by column.

    Base and contributions add up to what `predict` gives: of trees by TreeSHAP, of a
    plane its weights times the standardized values; a known value is all of it.
    """
    match model:
        case LightGBM():
            booster = model.boosters["point"]
            found = np.asarray(booster.predict(X.values, pred_contrib=True))[0]
            return float(found[-1]), found[:-1]
        case Ridge():
            filled = np.where(np.isnan(X.values[0]), model.median, X.values[0])
            scaled = (filled - np.array(model.mean)) / np.array(model.scale)
            return model.intercept, scaled * np.array(model.weight)
        case KnownValue():
            amounts = np.zeros(len(X.columns))
            known = [c for c in model.columns if not np.isnan(X.column(c)[0])]
            amounts[X.columns.index(known[0])] = X.column(known[0])[0]
            return 0.0, amounts
        case _:
            raise ModelError(f"why: a {type(model).__name__} does not say what adds up")


def interval_of(
    predictor: Predictor, features: pl.DataFrame, X: Design, past: Array
) -> Interval:
    """Take an interval apart."""
    step = features[STEP].item() - 1 if STEP in features.columns else 0
    calibration = predictor.record.calibrations[step]
    prediction, ends = predictor.uncalibrated(X, past)
    size = abs(float(prediction[0]))
    place = int(np.searchsorted(calibration.edges, size, side="right"))
    edges = [0.0, *calibration.edges, None]
    own = [float(predictor.record.target.backward(end, past)[0]) for end in ends]
    moved = [
        float(predictor.record.target.backward(end, past)[0])
        for end in calibration.widen(prediction, *ends)
    ]
    bounds = predictor.predict(features).row(0, named=True)
    return Interval(
        bounds["lower"],
        bounds["upper"],
        own[0],
        own[1],
        moved[0] - own[0],
        moved[1] - own[1],
        (float(edges[place] or 0), edges[place + 1]),
    )
