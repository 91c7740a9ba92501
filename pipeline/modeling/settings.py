"""The settings of modelling: what is learned, how it is judged, and every model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, field

from pipeline.config import (
    BaseConfig,
    Layer,
    Mistake,
    Tree,
    check,
    load_layer,
    origin_of,
    refuse,
    yaml_files,
)
from pipeline.errors import nearest
from pipeline.modeling.fit.loss import Metric
from pipeline.modeling.fit.target import NoneTarget, TargetConfig, Weight
from pipeline.modeling.models import OCCURRENCE, kind_names, load_kind
from pipeline.modeling.study.space import Range, mistakes_in
from pipeline.panel.periods import Every
from pipeline.plan.code import PACKAGE
from pipeline.plan.settings import Settings, Stage, load_settings

DEFAULTS = Path(__file__).parent / "modeling.yaml"
"""What a project's ``configs/modeling.yaml`` need not say."""

NAME = "[a-z][a-z0-9_]*"
"""Of a model, which is a folder's too."""

BESIDE_THE_KEY = (
    *("model", "y", "prediction", "lower", "upper", "size_decile", "naive_error"),
    *("probability", "fitted_through", "target", "unit", "model_version", "run"),
)
"""Columns that stand beside the key where predictions are judged and published."""

STEP = "step"
"""Column of features and forecasts of more than one period: how many ahead one is."""

WINDOW = "window"
"""Column of judged rows of more than one window: the periods it judges, in words."""

UNKNOWN_UNIT = "name that of the target under `modeling.units`"
"""What helps where an amount has no unit."""

Label = int | str
"""Of a period: a number, or a date or datetime as ISO writes it."""
Span = tuple[Label, Label]
"""First and last, both included."""
Share = Annotated[float, Meta(gt=0, lt=1)]
Count = Annotated[int, Meta(ge=1)]


class SplitConfig(BaseConfig, frozen=True, kw_only=True):
    """Which periods are learned from, calibrate the intervals, and judge.

    So many of the newest, each before the next one; or from when to when.
    """

    # NOTE: beside a tuple, an integer with a bound crashes msgspec 0.22.
    train: int | Span
    valid: Label | Span
    test: int | Span

    @property
    def is_counted(self) -> bool:
        """Whether periods are counted back from the newest."""
        return isinstance(self.train, int)

    @property
    def spans(self) -> tuple[Span, Span, Span]:
        """The first and the last period of each, where they are named."""
        parts = (self.train, self.valid, self.test)
        first, second, third = (p if isinstance(p, tuple) else (p, p) for p in parts)
        return first, second, third

    def __post_init__(self) -> None:
        """Refuse periods that overlap or run backwards, and both ways at once."""
        parts = (self.train, self.valid, self.test)
        if self.is_counted:
            if all(isinstance(part, int) and part > 0 for part in parts):
                return
            expected = "three numbers of periods, each at least 1, or periods by name"
        else:
            (a, b), (c, d), (e, f) = cast("Any", self.spans)
            try:
                rises = a <= b < c <= d < e <= f
            except TypeError:
                rises = False
            if rises:
                return
            expected = "train before valid before test, all of them by name"
        shown = msgspec.to_builtins(parts)
        found = ", ".join(
            f"{name} {part}"
            for name, part in zip(("train", "valid", "test"), shown, strict=True)
        )
        raise ValueError(f"expected {expected}, found {found}")


class Study(BaseConfig, frozen=True, kw_only=True):
    """How much is searched: `folds` of the training periods judge a trial."""

    trials: Count
    folds: Count


class Backtest(BaseConfig, frozen=True, kw_only=True):
    """How many windows judge a model: splits, each before the next newer one."""

    windows: Count
    refit: bool
    """Fit a model for each; else those before the newest share that of the oldest."""


class Bootstrap(BaseConfig, frozen=True, kw_only=True):
    """How often the clusters are drawn again."""

    samples: Annotated[int, Meta(ge=100)]


class Slices(BaseConfig, frozen=True, kw_only=True):
    """What the figures are given by, beside the period; null or empty is not at all."""

    size: str | None = None
    """Feature whose sum over a cluster is its size, cut into deciles."""
    columns: list[str] = field(default_factory=list[str])
    """Each by its values, such as an entity's or a month's."""
    thirds: dict[str, list[str] | None] = field(
        default_factory=dict[str, list[str] | None]
    )
    """By name, features whose sum cuts the rows into thirds."""

    @property
    def cut(self) -> dict[str, list[str]]:
        """The thirds that are not switched off."""
        return {name: features for name, features in self.thirds.items() if features}


class Promotion(BaseConfig, frozen=True, kw_only=True):
    """What a model must hold to become champion, besides beating the others."""

    max_bias: Share
    """Of the sum of the predictions, as a part of the outcomes'."""
    max_coverage_gap: Share
    max_slice_loss: Share


class Question(msgspec.Struct, frozen=True):
    """What a model answers; a champion of another one is not asked."""

    target: str
    unit: str
    """What the target is counted in: it is said, and nothing else."""
    entity: list[str]
    time: str
    metric: str
    """How good an answer is; to be judged otherwise makes no other question."""
    horizon: int = 1
    """Periods from the last one that is known to the one that is asked about."""

    def differences(self, other: "Question") -> list[str]:
        """Say what of a question is asked otherwise by another one."""
        return [
            f"{name}: found {ours}, expected {theirs}"
            for name in ("target", "entity", "time", "horizon")
            if (ours := getattr(self, name)) != (theirs := getattr(other, name))
        ]


class Modeling(BaseConfig, frozen=True, kw_only=True):
    """``configs/modeling.yaml`` over `DEFAULTS`; see the comments there."""

    name: Annotated[
        str,
        Meta(
            pattern=f"^{NAME}$",
            description="a name of lower case letters, digits and underscores",
        ),
    ]
    panel: str
    features: str
    time: str
    every: Every = 1
    horizon: Count = 1
    season: Annotated[int, Meta(ge=2)] | None = None
    entity: Annotated[list[str], Meta(min_length=1)]
    target: str
    units: dict[str, str] = field(default_factory=dict[str, str])
    known: list[str] = field(default_factory=list[str])
    leaks: list[str] = field(default_factory=list[str])
    past: Annotated[list[str], Meta(min_length=1)]
    cluster: str
    totals: list[str] = field(default_factory=list[str])
    split: SplitConfig
    backtest: Backtest
    model: str
    baselines: Annotated[list[str], Meta(min_length=1)]
    metric: Metric
    coverage: Share
    seed: Annotated[int, Meta(ge=0, lt=2**31)]
    study: Study
    bootstrap: Bootstrap
    slices: Slices
    promotion: Promotion

    @property
    def key(self) -> list[str]:
        """The columns that name a row of the features."""
        return [*self.entity, *self.asked]

    @property
    def asked(self) -> list[str]:
        """The columns that say what is forecast of an entity: period, and step."""
        return [self.time, *([STEP] if self.horizon > 1 else [])]

    @property
    def windowed(self) -> list[str]:
        """The column that says which window judges a row, if there are several."""
        return [WINDOW] if self.backtest.windows > 1 else []

    @property
    def distance(self) -> str:
        """How far ahead is forecast, in words."""
        if self.horizon == 1:
            return f"one {self.time} ahead"
        return f"1 to {self.horizon} periods ahead, by `{self.time}`"

    @property
    def unit(self) -> str:
        """What the target is counted in; empty if `units` does not say it."""
        return self.units.get(self.target, "")

    def described(self, model: str) -> str:
        """Name a model, and say so if it is a baseline."""
        return f"{model}, a baseline" if model in self.baselines else model

    @property
    def question(self) -> "Question":
        """What a model answers that is made by these settings."""
        of = (self.target, self.unit, self.entity, self.time, self.metric)
        return Question(*of, self.horizon)


class ModelConfig(BaseConfig, frozen=True, kw_only=True):
    """``configs/models/<model>.yaml``."""

    kind: str
    """Module of `pipeline.modeling.models` that fits it."""
    target: TargetConfig = NoneTarget()
    """What is fitted instead of the target."""
    weight: Weight | None = None
    """What a row counts; None: all the same."""
    categorical: list[str] = field(default_factory=list[str])
    """Columns of the entity that are given to the model as categories, as texts are
    that are features."""
    occurrence: dict[str, Any] | None = None
    """Params of `OCCURRENCE`, the trees that say how probable a row is; None: all is
    given that there is one."""
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the kind's Params."""
    space: dict[str, Range] = field(default_factory=dict[str, Range])
    """What a study searches; empty for a model without a choice."""

    @property
    def kinds(self) -> list[str]:
        """Name the modules that fit it."""
        trees = [] if self.occurrence is None else [OCCURRENCE]
        return list(dict.fromkeys([self.kind, *trees]))


@dataclass(frozen=True)
class ModelingSettings:
    """All that modelling needs to know."""

    pipeline: Settings
    """Those of the run; its tree holds the sections below as well."""
    modeling: Modeling
    models: dict[str, ModelConfig]

    @property
    def root(self) -> Path:
        """The project folder."""
        return self.pipeline.root

    @property
    def bases(self) -> list[str]:
        """The values whose past the features are, if the configuration names them."""
        return self.pipeline.tree.get("panel", {}).get("values", [])


def load_modeling(
    root: Path, *, profile: str | None = None, overrides: tuple[str, ...] = ()
) -> ModelingSettings:
    """Compose, resolve and check the configuration, that of every model included.

    `overrides` are words of the form ``dotted.path=value``, as ``modeling.seed=1``. All
    mistakes are one `ConfigError`.
    """
    configs = root / "configs"
    files = yaml_files(configs / "models")

    def below() -> Iterator[Layer]:
        yield load_layer(DEFAULTS, PACKAGE.parent, under="modeling")
        yield load_layer(configs / "modeling.yaml", root, under="modeling")
        for path in files:
            layer = load_layer(path, root)
            yield Layer(layer.name, {"models": {path.stem: layer.tree}})

    settings = load_settings(root, profile=profile, overrides=overrides, below=below)
    tree, layers = settings.tree, settings.layers
    modeling: Modeling | None
    modeling, mistakes = check(tree.get("modeling"), Modeling, "modeling", layers)
    models: dict[str, ModelConfig] = {}
    known = [path.stem for path in files]
    for name, model_tree in cast("Tree", tree.get("models") or {}).items():
        if name not in known:
            mistakes.append(
                _mistake(f"models.{name}", _not_one_of(name, known), layers)
            )
            continue
        config, found = _check_model(name, model_tree, layers, modeling)
        mistakes += found
        if config is not None:
            models[name] = config
    if modeling is not None:
        mistakes += _wrong_names(modeling, list(tree.get("models") or {}), settings)
        mistakes += _beyond_horizon(modeling, models, layers)
    refuse(mistakes)
    assert modeling is not None, "what is None has a mistake"
    return ModelingSettings(settings, modeling, models)


def load_whole(
    root: Path, *, profile: str | None = None, overrides: tuple[str, ...] = ()
) -> Settings:
    """Load the settings with the sections of the models, if there are any."""
    if not (root / "configs" / "modeling.yaml").exists():
        return load_settings(root, profile=profile, overrides=overrides)
    return load_modeling(root, profile=profile, overrides=overrides).pipeline


def _check_model(
    name: str, tree: Any, layers: tuple[Layer, ...], modeling: Modeling | None
) -> tuple[ModelConfig | None, list[Mistake]]:
    """Decode one model, its parameters and its search space."""
    at = f"models.{name}"
    config, mistakes = check(tree, ModelConfig, at, layers)
    if config is None:
        return None, mistakes
    if not re.fullmatch(NAME, name):
        text = "expected a name of lower case letters, digits and underscores"
        mistakes.append(_mistake(at, text, layers))
    if config.kind not in kind_names():
        text = _not_one_of(config.kind, kind_names())
        return None, [*mistakes, _mistake(f"{at}.kind", text, layers)]
    params = load_kind(config.kind).Params
    mistakes += check(config.params, params, f"{at}.params", layers)[1]
    if config.occurrence is not None:
        trees = load_kind(OCCURRENCE).Params
        mistakes += check(config.occurrence, trees, f"{at}.occurrence", layers)[1]
    for path, text in mistakes_in(config.space, params):
        mistakes.append(_mistake(f"{at}.space.{path}", text, layers))
    for column in config.categorical:
        if modeling is not None and column not in modeling.entity:
            text = (
                f"expected one of {', '.join(modeling.entity)}, found '{column}'; a"
                " feature that is a text is a category by itself"
            )
            mistakes.append(_mistake(f"{at}.categorical", text, layers))
    return config, mistakes


def _mistake(path: str, text: str, layers: tuple[Layer, ...]) -> Mistake:
    """Say what is wrong, and which file says so."""
    return Mistake(origin_of(path, layers), path, text)


def _not_one_of(name: str, known: Sequence[str]) -> str:
    """Say that a name is not known, and which was probably meant."""
    expected = f"expected one of {', '.join(known)}"
    return f"{expected}, found '{name}'{nearest(name, known)}"


def _wrong_names(
    modeling: Modeling, models: list[str], settings: Settings
) -> list[Mistake]:
    """Find models and snapshots that are named, but are not there."""
    published = [stage.snapshot for stage in settings.stages if stage.snapshot]
    faults: list[tuple[str, str]] = []
    if {modeling.panel, modeling.features} <= set(published) and not _is_made_of(
        settings.stages, modeling.features, modeling.panel
    ):
        text = (
            "expected a snapshot that is made of `modeling.panel`,"
            f" '{modeling.panel}', found '{modeling.features}'"
        )
        faults.append(("features", text))
    if modeling.target in (*modeling.key, *modeling.past):
        text = f"'{modeling.target}' is `time`, or of `entity` or `past`, already"
        faults.append(("target", text))
    if modeling.target in modeling.known:
        text = (
            f"'{modeling.target}' is `modeling.target`, too: what is forecast is not"
            " known before its period"
        )
        faults.append(("known", text))
    for path, name in (
        ("time", modeling.time),
        *(("entity", name) for name in modeling.entity),
    ):
        beside = (*BESIDE_THE_KEY, *modeling.asked[1:], *modeling.windowed)
        beside = (*beside, *modeling.slices.cut)
        if name in beside:
            text = f"'{name}' is a column of every forecast, expected another name"
            faults.append((path, text))
    faults += [
        ("slices.columns", f"'{name}' is a column of every forecast")
        for name in modeling.slices.columns
        if name in BESIDE_THE_KEY
    ]
    by = {"columns": modeling.slices.columns, "thirds": modeling.slices.cut}
    faults += [
        (f"slices.{of}", f"'{name}' is what tells the windows of `backtest` apart")
        for of, names in by.items()
        for name in modeling.windowed
        if name in names
    ]
    for path, name, known in (
        ("model", modeling.model, models),
        *(("baselines", name, models) for name in modeling.baselines),
        ("panel", modeling.panel, published),
        ("features", modeling.features, published),
        ("cluster", modeling.cluster, modeling.entity),
        *(("totals", name, modeling.entity) for name in modeling.totals),
    ):
        if name not in known:
            faults.append((path, _not_one_of(name, known)))
    return [
        _mistake(f"modeling.{path}", text, settings.layers) for path, text in faults
    ]


def _beyond_horizon(
    modeling: Modeling, models: Mapping[str, ModelConfig], layers: tuple[Layer, ...]
) -> list[Mistake]:
    """Find what does not go with so many periods ahead."""
    horizon, split = modeling.horizon, modeling.split
    faults = [
        (
            f"modeling.split.{name}",
            f"expected at least {horizon} periods, as many as `horizon`, found {n}",
        )
        for name, n in (("valid", split.valid), ("test", split.test))
        if split.is_counted and isinstance(n, int) and n < horizon
    ]
    faults += [
        (
            f"models.{name}.occurrence",
            f"expected null, as it is of the next period, and `horizon` is {horizon}",
        )
        for name, model in models.items()
        if horizon > 1 and model.occurrence is not None
    ]
    return [_mistake(path, text, layers) for path, text in faults]


def _is_made_of(stages: Sequence[Stage], snapshot: str, panel: str) -> bool:
    """Tell whether a snapshot is made of another one, and is not it."""
    by_snapshot = {stage.snapshot: stage for stage in stages}
    needed = set(by_snapshot[snapshot].inputs)
    for stage in reversed(stages):
        if stage.name in needed:
            needed |= set(stage.inputs)
    return by_snapshot[panel].name in needed


def plain(config: msgspec.Struct) -> Any:
    """Return a configuration as JSON has it, to store or to hash."""
    return msgspec.json.decode(msgspec.json.encode(config))
