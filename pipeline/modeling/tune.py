"""Search a model's parameters on training periods that the periods before predict."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from pipeline.errors import ConfigError, ModelError, nearest
from pipeline.files.state import State
from pipeline.modeling.audit.guard import learnable_features
from pipeline.modeling.data import Features, Span, between, folds, forecast_since
from pipeline.modeling.fit.amount import amount
from pipeline.modeling.fit.loss import Metric, mean_error
from pipeline.modeling.models import load_kind
from pipeline.modeling.predictor import (
    Lesson,
    lesson,
    target_of,
    varying_target_of,
)
from pipeline.modeling.records import fingerprint
from pipeline.modeling.settings import ModelConfig, Modeling, ModelingSettings, plain
from pipeline.modeling.shared import fetch, push
from pipeline.modeling.tracking.tracking import log_study
from pipeline.progress import doing

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.trial import FrozenTrial

MODULE = "pipeline/modeling/tune.py"


@dataclass(frozen=True)
class Tuning:
    """What a study found."""

    name: str
    """Of the study: model and fingerprint."""
    trials: "list[FrozenTrial]"
    """Those that have ended, in order."""
    n_new: int
    """How many of them ended now."""


@dataclass(frozen=True)
class Fold:
    """What is learned from the periods before, and judged on those after."""

    lesson: Lesson
    valid: pl.DataFrame
    target: str
    metric: Metric

    def error(self, params: Mapping[str, Any]) -> float:
        """Give the mean error with some parameters, in units of the target."""
        predictor = self.lesson.fit(params)
        error = target_of(self.valid, self.target) - predictor.point(self.valid)
        return mean_error(error, self.metric)


def fold_of(
    df: pl.DataFrame, config: ModelConfig, modeling: Modeling, spans: tuple[Span, Span]
) -> Fold:
    """Take the rows of one of `folds`, once for all trials."""
    learned, judged = spans
    return Fold(
        lesson(between(df, modeling, learned), config, modeling),
        forecast_since(df, modeling, judged, learned[1]),
        modeling.target,
        modeling.metric,
    )


def tune(
    settings: ModelingSettings,
    model: str,
    on_trial: "Callable[[FrozenTrial], None] | None" = None,
    features: Features | None = None,
) -> Tuning:
    """Run a model's study to its number of trials, or go on where it was stopped.

    `on_trial` is called with each trial that ends. Features that are not given are
    brought up to date, as `learnable_features` does.
    If a trial fails, what is done stays done.
    """
    from pipeline.modeling.study.study import best_trial, read_trials, run_study

    features = features or learnable_features(settings)
    modeling, config = settings.modeling, model_config(settings, model)
    if not config.space:
        raise ConfigError(
            f"configs/models/{model}.yaml: nothing to tune, `space` is empty\n"
            "hint: name parameters and their ranges there, as in lightgbm.yaml"
        )
    df = features.read(modeling)
    judged = folds(df, modeling)
    for train, _ in judged:
        varying_target_of(between(df, modeling, train), modeling.target)
    params = msgspec.convert(config.params, load_kind(config.kind).Params)
    name = study_name(model, features, config, modeling)
    journal = studied(settings, name)
    ended = read_trials(journal)
    n_before = len(ended)

    @cache
    def made(fold: int) -> Fold:
        return fold_of(df, config, modeling, judged[fold])

    def objective(params: dict[str, Any], fold: int) -> float:
        best = best_trial(ended)
        so_far = f", the best {amount(best.value)}" if best and best.value else ""
        number, of = len(ended) + 1, modeling.study.trials
        step.say(f"trial {number} of {of}, fold {fold + 1} of {len(judged)}{so_far}")
        return made(fold).error(config.params | params)

    def tell(trial: "FrozenTrial") -> None:
        ended.append(trial)
        log_study(settings, name, model, ended, is_over=False)
        if on_trial:
            on_trial(trial)

    with doing(f"tuning {model}") as step:
        trials = run_study(
            journal,
            config.space,
            msgspec.to_builtins(params),
            objective,
            n_folds=len(judged),
            n_trials=modeling.study.trials,
            seed=modeling.seed,
            on_trial=tell,
        )
    # Always: an earlier call may have ended before it could.
    log_study(settings, name, model, trials, is_over=True)
    if len(trials) > n_before:
        push(settings, f"studies/{name}", journal)
    return Tuning(name, trials, max(0, len(trials) - n_before))


def tunable(settings: ModelingSettings, model: str) -> list[str]:
    """Name what has a space: a baseline that is left as it is would be none."""
    names = dict.fromkeys([*settings.modeling.baselines, model])
    return [name for name in names if model_config(settings, name).space]


def best_params(
    settings: ModelingSettings, model: str, features: Features
) -> tuple[ModelConfig, str | None]:
    """Return a model with the best parameters of its study, and the study's name.

    Without a study of these features the parameters are the YAML's, and the name None.
    """
    from pipeline.modeling.study.study import best_trial, read_trials

    config = model_config(settings, model)
    name = study_name(model, features, config, settings.modeling)
    best = best_trial(read_trials(studied(settings, name)))
    return (with_params(config, best.params), name) if best else (config, None)


def trials_of(settings: ModelingSettings, study: str | None) -> pl.DataFrame:
    """List ``number``, ``value`` and ``state`` of a study's trials, in order."""
    from pipeline.modeling.study.study import read_trials

    trials = read_trials(journal_of(settings, study)) if study else []
    return pl.DataFrame(
        [(trial.number, trial.value, trial.state.name) for trial in trials],
        schema={"number": pl.Int64, "value": pl.Float64, "state": pl.String},
        orient="row",
    )


def has_other_study(settings: ModelingSettings, model: str, features: Features) -> bool:
    """Tell whether a model that can be tuned was, with other data, settings or code."""
    config = model_config(settings, model)
    own = study_name(model, features, config, settings.modeling)
    journals = journal_of(settings, own).parent.glob(f"{model}-*.jsonl")
    return bool(config.space) and any(path.stem != own for path in journals)


def model_config(settings: ModelingSettings, model: str) -> ModelConfig:
    """Find a model's configuration."""
    if model not in settings.models:
        known = ", ".join(settings.models)
        raise ConfigError(
            f"no model '{model}'{nearest(model, settings.models)}\nfound: {known}\n"
            "hint: a model is a file of configs/models/"
        )
    return settings.models[model]


def with_params(config: ModelConfig, params: dict[str, Any]) -> ModelConfig:
    """Replace parameters of a model."""
    return msgspec.structs.replace(config, params=config.params | params)


def study_name(
    model: str, features: Features, config: ModelConfig, modeling: Modeling
) -> str:
    """Name a study by all that it depends on but the number of trials."""
    what = (modeling.key, modeling.target, modeling.past, modeling.seed)
    judged = (modeling.study.folds, modeling.backtest.windows)
    how = (modeling.metric, plain(modeling.split), judged)
    parts = (features.fingerprint, plain(config), what, how)
    hashed = fingerprint(MODULE, *parts, kinds=[config.kind])
    return f"{model}-{hashed[:16]}"


def studied(settings: ModelingSettings, name: str) -> Path:
    """Name the file of a study; one that only clones have is taken from them."""
    from pipeline.modeling.study.study import read_trials

    def is_it(journal: Path) -> bool:
        try:
            return bool(read_trials(journal))
        except ModelError:
            return False

    journal = journal_of(settings, name)
    if not journal.exists():
        fetch(settings, f"studies/{name}", journal, is_it)
    return journal


def journal_of(settings: ModelingSettings, name: str) -> Path:
    """Name the file of a study."""
    return State(settings.root).studies / f"{name}.jsonl"
