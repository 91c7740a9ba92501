"""A model as it is used: from a frame of features to predictions with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.errors import ModelError, some
from pipeline.modeling.fit.design import Design, FeatureSchema, design, feature_schema
from pipeline.modeling.fit.drift import Learned, distributions
from pipeline.modeling.fit.intervals import UNCALIBRATED, Calibration, calibrate
from pipeline.modeling.fit.target import Array, TargetConfig
from pipeline.modeling.models import OCCURRENCE, Regressor, load_kind, takes_categories
from pipeline.modeling.occurrence import (
    OCCURS,
    Occurrence,
    fit_occurrence,
    load_occurrence,
)
from pipeline.modeling.settings import STEP, ModelConfig, Modeling
from pipeline.panel.periods import number


class PredictorRecord(msgspec.Struct, frozen=True):
    """What a predictor is, but for the fitted model itself."""

    kind: str
    """Module that loads the model."""
    target: TargetConfig
    past: list[str]
    """Features that hold the target's past, the best known first."""
    schema: FeatureSchema
    calibrations: list[Calibration]
    """One per period ahead, the next one's first."""
    learned: Learned | None = None
    """How the features were distributed; None of a model that is not to be kept."""


@dataclass(frozen=True)
class Predictor:
    """A fitted model with all that it needs to be used."""

    record: PredictorRecord
    model: Regressor
    occurrence: Occurrence | None = None
    """Whether a row will be there at all, if the model has this part, too."""

    def predict(self, df: pl.DataFrame) -> pl.DataFrame:
        """Predict the target of each row, with an interval that holds the prediction.

        Gives ``prediction``, ``lower`` and ``upper``, Float64 in units of the target,
        in the order of the rows. Columns that are no features are left out.
        """
        past = past_of(df, self.record.past)
        prediction, ends = self.uncalibrated(design(df, self.record.schema), past)
        widened = (np.empty_like(prediction), np.empty_like(prediction))
        calibrations = self.record.calibrations
        parts = by_step(df, len(calibrations))
        for calibration, part in zip(calibrations, parts, strict=True):
            moved = calibration.widen(prediction[part], *(end[part] for end in ends))
            for whole, end in zip(widened, moved, strict=True):
                whole[part] = end
        lower, upper = (self.record.target.backward(end, past) for end in widened)
        together = np.stack([prediction, lower, upper])
        return pl.DataFrame(
            {
                "prediction": prediction,
                "lower": together.min(axis=0),
                "upper": together.max(axis=0),
            }
        )

    def point(self, df: pl.DataFrame) -> Array:
        """Predict the target of each row without an interval; see `predict`."""
        past = past_of(df, self.record.past)
        z = self.model.predict(design(df, self.record.schema))
        return self.record.target.backward(z, past)

    def uncalibrated(self, X: Design, past: Array) -> tuple[Array, tuple[Array, Array]]:
        """Predict the target, and both ends in units of what the model is fitted to."""
        z = self.model.predict(X)
        return self.record.target.backward(z, past), self.model.quantiles(X) or (z, z)

    def save(self, folder: Path) -> None:
        """Write it into an empty folder."""
        (folder / "predictor.json").write_bytes(msgspec.json.encode(self.record))
        model = folder / "model"
        model.mkdir()
        self.model.save(model)
        if self.occurrence is not None:
            self.occurrence.save(folder / "occurrence")


def load_predictor(folder: Path) -> Predictor:
    """Read what `Predictor.save` wrote."""
    raw = (folder / "predictor.json").read_bytes()
    record = msgspec.json.decode(raw, type=PredictorRecord)
    model = load_kind(record.kind).load(folder / "model")
    part = folder / "occurrence"
    return Predictor(record, model, load_occurrence(part) if part.is_dir() else None)


def fit_predictor(
    train: pl.DataFrame, valid: pl.DataFrame, config: ModelConfig, modeling: Modeling
) -> Predictor:
    """Fit a model to the training rows, and its intervals to the validation rows.

    Both hold features, key and target, sorted by the key.
    """
    fitted = fit_model(train, config, modeling, quantiles=tails(modeling))
    past = past_of(valid, modeling.past)
    z = config.target.forward(target_of(valid, modeling.target), past)
    X = design(valid, fitted.record.schema)
    prediction, ends = fitted.uncalibrated(X, past)
    calibrations = [
        calibrate(
            z[part],
            prediction[part],
            *(end[part] for end in ends),
            coverage=modeling.coverage,
        )
        for part in by_step(valid, modeling.horizon)
    ]
    return _kept(fitted, train, calibrations, modeling)


def refitted(
    judged: Predictor, df: pl.DataFrame, config: ModelConfig, modeling: Modeling
) -> Predictor:
    """Fit the same model to all rows there are, and keep the calibration.

    How far the quantiles of a period are off that the model has not seen can be told of
    the judged one only; the other sees one period more, and forecasts the next as well.
    """
    fitted = fit_model(df, config, modeling, quantiles=tails(modeling))
    return _kept(fitted, df, judged.record.calibrations, modeling)


def _kept(
    fitted: Predictor,
    df: pl.DataFrame,
    calibrations: list[Calibration],
    modeling: Modeling,
) -> Predictor:
    """Add what a model that is kept knows beside what it predicts."""
    forecast = _forecast_of(modeling, df.schema[modeling.time])
    learned = distributions(df, fitted.record.schema, forecast)
    record = msgspec.structs.replace(
        fitted.record, calibrations=calibrations, learned=learned
    )
    return Predictor(record, fitted.model)


def _forecast_of(modeling: Modeling, dtype: pl.DataType) -> pl.Expr:
    """Count periods to the last one that a row knows; null if it lacks steps."""
    made_in = number(modeling.time, modeling.every, dtype)
    if modeling.horizon == 1:
        return made_in
    known = made_in.cast(pl.Int64) - pl.col(STEP)
    n_steps = pl.col(STEP).n_unique().over(known)
    return pl.when(n_steps == modeling.horizon).then(known)


def fit_occurrence_of(
    candidates: pl.DataFrame, config: ModelConfig, modeling: Modeling
) -> Occurrence:
    """Fit whether the candidates occur; see `pipeline.modeling.candidates`."""
    assert config.occurrence is not None
    given = candidates.drop(OCCURS)
    trees = msgspec.structs.replace(config, kind=OCCURRENCE)
    return fit_occurrence(
        candidates,
        *inputs_of(given, trees, modeling),
        config.occurrence,
        seed=modeling.seed,
        n_threads=pl.thread_pool_size(),
    )


def tails(modeling: Modeling) -> tuple[float, float]:
    """Return the levels of both ends of an interval."""
    tail = (1 - modeling.coverage) / 2
    return tail, 1 - tail


def fit_model(
    train: pl.DataFrame,
    config: ModelConfig,
    modeling: Modeling,
    *,
    quantiles: tuple[float, ...] = (),
) -> Predictor:
    """Fit the model alone, for point predictions; see `fit_predictor`."""
    return lesson(train, config, modeling).fit(config.params, quantiles)


@dataclass(frozen=True)
class Lesson:
    """Rows as a kind of model learns from them, with whatever parameters."""

    untaught: PredictorRecord
    X: Design
    z: Array
    """What is fitted."""
    weight: Array | None
    seed: int

    def fit(
        self, params: Mapping[str, Any], quantiles: tuple[float, ...] = ()
    ) -> Predictor:
        """Fit a model; what it makes of the rows alone it makes once."""
        kind = load_kind(self.untaught.kind)
        model = kind.fit(
            self.X,
            self.z,
            msgspec.convert(params, kind.Params),
            weight=self.weight,
            quantiles=quantiles,
            seed=self.seed,
            n_threads=pl.thread_pool_size(),
        )
        return Predictor(self.untaught, model)


def lesson(train: pl.DataFrame, config: ModelConfig, modeling: Modeling) -> Lesson:
    """Take of a model's configuration all but its parameters; see `fit_model`."""
    schema = feature_schema(train, *inputs_of(train, config, modeling))
    past = past_of(train, modeling.past)
    y = varying_target_of(train, modeling.target)
    uncalibrated = [UNCALIBRATED] * modeling.horizon
    return Lesson(
        PredictorRecord(
            config.kind, config.target, modeling.past, schema, uncalibrated
        ),
        design(train, schema),
        config.target.forward(y, past),
        config.weight and config.weight.of(past),
        modeling.seed,
    )


def by_step(df: pl.DataFrame, n_steps: int) -> list[npt.NDArray[np.bool_]]:
    """Tell which rows are one period ahead, which are two, and so on."""
    if n_steps == 1:
        return [np.full(df.height, True)]
    return [(df[STEP] == step).to_numpy() for step in range(1, n_steps + 1)]


def features_of(df: pl.DataFrame, modeling: Modeling) -> list[str]:
    """Name the features of a frame: all but entity, period and target."""
    other = {*modeling.entity, modeling.time, modeling.target}
    return [name for name in df.columns if name not in other]


def inputs_of(
    df: pl.DataFrame, config: ModelConfig, modeling: Modeling
) -> tuple[list[str], list[str]]:
    """Name the features that a model takes as they are, and its categories.

    Features that are strings are categories as well; a kind that takes none goes
    without them.
    """
    names = features_of(df, modeling)
    texts = [name for name in names if df.schema[name] == pl.String]
    labels = texts if takes_categories(config.kind) else []
    return [name for name in names if name not in texts], [*config.categorical, *labels]


def past_of(df: pl.DataFrame, past: list[str]) -> Array:
    """Return the target's past as it is known in each row."""
    missing = [name for name in past if name not in df.columns]
    if missing:
        raise ModelError(
            f"features: no column {some(missing)}, which holds the target's past\n"
            f"found: {some(df.columns)}\n"
            "hint: see `past` in configs/modeling.yaml"
        )
    value = df.select(pl.coalesce(pl.col(past).cast(pl.Float64))).to_series()
    if value.null_count():
        raise ModelError(
            f"features: {value.null_count()} rows have none of {some(past)}\n"
            "hint: name more columns of the target's past under `past` in"
            " configs/modeling.yaml"
        )
    return value.to_numpy()


def varying_target_of(train: pl.DataFrame, target: str) -> Array:
    """Return what is learned; see `target_of`."""
    y = target_of(train, target)
    if y.min() == y.max():
        raise ModelError(
            f"{target}: found {y[0]} in all {len(y)} training rows, expected a"
            " target that varies\nhint: see `split.train` in configs/modeling.yaml"
        )
    return y


def target_of(df: pl.DataFrame, target: str) -> Array:
    """Return the target."""
    if df.is_empty():
        raise ModelError(
            "features: no rows to learn from or to judge by\n"
            "hint: see `split` in configs/modeling.yaml"
        )
    y = df[target].cast(pl.Float64)
    n_wrong = df.height - y.is_finite().fill_null(value=False).sum()
    if n_wrong:
        raise ModelError(
            f"{target}: {n_wrong} of {df.height} rows are null or not finite\n"
            f"hint: `not_null` and `finite` in configs/checks/ name such rows"
        )
    return y.to_numpy()
