"""The settings of a run: source, stages, and one Config per stage."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, cast

import msgspec
import polars as pl
from msgspec import Meta, field

from pipeline.config import (
    BaseConfig,
    Layer,
    Mistake,
    Resolved,
    Tree,
    check,
    empty_overrides,
    load_layer,
    load_named_layer,
    merge,
    origin_of,
    parse_overrides,
    refuse,
    resolve,
    unknown_section,
    yaml_files,
)
from pipeline.contracts.contract import Contract
from pipeline.errors import ConfigError, mask_tree, nearest
from pipeline.files.shared import Shared
from pipeline.lineage.graph import SOURCE
from pipeline.log import LOG
from pipeline.panel.periods import Every
from pipeline.plan.code import PACKAGE, forget_racy_bytecode
from pipeline.plan.content import Memo
from pipeline.plan.misspelt import remember_names
from pipeline.plan.notify import Notify
from pipeline.plan.orchestrate import Orchestrate
from pipeline.plan.serving import Serving
from pipeline.snapshots.records import FORECASTS, QUARANTINE, Description
from pipeline.sources import SourceConfig, kinds_of, type_of
from pipeline.sources.columns import Declared
from pipeline.sources.made import OWN as OWN_SOURCES
from pipeline.transforms import (
    OWN,
    Transform,
    defaults_of,
    home_of,
    load_transform,
    transform_names,
)

RESERVED = (
    *("version", SOURCE, "sources", "columns", "panel", "stages", "checks", "history"),
    *("engine", "store", "docs", "notify", "modeling", "models", "orchestrate"),
    "serving",
)
"""Top-level sections that are not a stage's."""

FORMAT = 1
"""Of configurations, which a project says as ``version``; one that does not is of 1."""

COLUMNS_FILE = "columns.yaml"
"""What columns mean, in ``configs/`` of a project that says so."""

SCHEMAS = (
    *("main", "meta", "previous", "temp", "system"),
    *("information_schema", "pg_catalog"),
)
"""Of the catalog, DuckDB's own and ours; no snapshot may be called so."""

_NAME = "a name of lower case letters, digits and underscores, a letter first"

_SIZE = r"^(?=.*[1-9])[0-9]+(\.[0-9]+)?(MiB|GiB)$"

_NUMBER = "[1-9][0-9]*"

# As Spark's own SparkContext tells them apart.
_MASTER = (
    rf"^(local(\[({_NUMBER}|\*)( *, *{_NUMBER})?\])?"
    rf"|local-cluster\[ *{_NUMBER} *, *{_NUMBER} *, *{_NUMBER} *\]"
    r"|spark://[^:/, ]+:[0-9]+(,[^:/, ]+:[0-9]+)*|yarn|k8s://.+)$"
)


class StageConfig(BaseConfig, frozen=True, kw_only=True):
    """An entry of ``stages`` in ``configs/pipeline.yaml``."""

    transform: str | None = None
    inputs: list[str] | None = None
    snapshot: (
        Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$", description=_NAME)] | None
    ) = None
    key: list[str] = field(default_factory=list[str])
    may_be_empty: bool = False

    def __post_init__(self) -> None:
        """Refuse a snapshot without an order of its rows."""
        if (self.snapshot is None) == bool(self.key):
            raise ValueError(
                "expected a snapshot and the key that sorts it, or neither"
            )


@dataclass(frozen=True)
class Stage:
    """One use of a transformation."""

    name: str
    transform: Transform
    inputs: tuple[str, ...]
    """Stages before this one, ``source``, or others of ``sources``."""
    config: BaseConfig
    """The transformation's settings."""
    snapshot: str | None = None
    """Name under which the output is published."""
    key: tuple[str, ...] = ()
    """Columns that sort the snapshot; empty without one."""
    may_be_empty: bool = False
    """Whether it may leave none of the rows it is given."""

    @property
    def file(self) -> str:
        """Where its settings begin, for messages."""
        return self.transform.file.replace(".py", ".yaml")

    @property
    def place(self) -> str:
        """What messages call it."""
        return f"stage '{self.name}' ({self.transform.file})"

    def apply(self, *inputs: pl.LazyFrame) -> pl.LazyFrame:
        """Apply the transformation with these settings."""
        return self.transform.apply(*inputs, self.config)


class Periods(BaseConfig, frozen=True, kw_only=True):
    """What the section ``panel`` says of time; its other names are the stages'.

    What a project does not say of it is so for its stages, too.
    """

    time: str | None = None
    """Column of whole numbers, dates or datetimes that says the period."""
    every: Every = 1
    """From one period to the next."""
    missing_periods: Annotated[
        list[int | str] | Literal["any"], Meta(description="a list of periods, or any")
    ] = field(default_factory=list[int | str])
    """Periods that no unit has, and need not."""
    sparse_periods: list[int | str] = field(default_factory=list[int | str])
    """First and last periods that may have next to no rows."""
    known: list[str] = field(default_factory=list[str])
    """Columns that are known before their period."""


_PERIODS = Layer(
    "pipeline/plan/settings.py",
    {"panel": {k: v for k, v in msgspec.to_builtins(Periods()).items() if k != "time"}},
)
"""What a project does not say of time."""


class History(BaseConfig, frozen=True, kw_only=True):
    """The section ``history``: what is kept to be queried, compared and restored."""

    runs: Annotated[int, Meta(ge=1)] = 10
    """The newest runs, so many."""
    variants: Annotated[int, Meta(ge=1, le=100)] = 20
    """The newest variants, and so many of one sweep at most."""


class EngineSettings(BaseConfig, frozen=True, kw_only=True):
    """The section ``engine`` of ``configs/pipeline.yaml``."""

    use: Literal["polars", "spark"] = "polars"
    """Who does the work: this process, or the workers of a cluster, part by part.
    ``engine=spark`` is short for ``engine.use=spark``."""
    partitions: Annotated[
        Annotated[int, Meta(ge=1, le=9999)] | Literal["auto"],
        Meta(description="a number from 1 to 9999, or auto"),
    ] = "auto"
    """Parts that the rows are split into, to be computed one after the other; 1 is one
    pass over all, and auto as few as fit in memory."""
    memory: Annotated[
        Annotated[str, Meta(pattern=_SIZE)] | None,
        Meta(description="a size above 0, such as 700MiB or 6GiB, or null"),
    ] = None
    """What a run may take; None is two thirds of the machine's."""
    master: Annotated[
        str,
        Meta(
            pattern=_MASTER,
            description="a Spark master, such as local[2], local[*],"
            " local-cluster[2,1,2048], spark://host:7077, yarn or k8s://https://host",
        ),
    ] = "local[2]"
    folder: Annotated[
        Annotated[str, Meta(pattern="^(/|s3://.)")] | None,
        Meta(
            description="an absolute path, such as /mnt/parts, or s3://bucket/prefix,"
            " or null"
        ),
    ] = None
    """Where parts are exchanged, and every worker sees them; None is
    ``.pipeline/parts``."""
    spark: dict[str, str | int | float | bool] = field(
        default_factory=dict[str, str | int | float | bool]
    )
    """More of Spark's settings, such as ``spark.executor.memory``."""

    def __post_init__(self) -> None:
        """Refuse a second place to name the master."""
        if "spark.master" in self.spark:
            raise ValueError("expected engine.master instead of spark.master")


class StoreSettings(BaseConfig, frozen=True, kw_only=True):
    """The section ``store``: where clones of the project share what they have made."""

    remote: Annotated[
        Annotated[str, Meta(pattern="^(/|s3://[^/@?]+(/[^?]*)?$)")] | None,
        Meta(
            description="an absolute path, such as /mnt/team, or s3://bucket/prefix,"
            " or null"
        ),
    ] = None
    """Credentials come from the environment."""
    push: bool = False
    """Whether what a run, a training or a study has made goes there at once."""

    def __post_init__(self) -> None:
        """Refuse to push nowhere."""
        if self.push and self.remote is None:
            raise ValueError("expected store.remote, where store.push is true")


class Docs(BaseConfig, frozen=True, kw_only=True):
    """The section ``docs``: what `pipeline.pages` may show; no row depends on it."""

    samples: Annotated[int, Meta(ge=0, le=100)] = 0
    """First rows of each snapshot that stand on its page; else no value of a row does,
    but for extremes and quantiles of columns."""


@dataclass(frozen=True)
class Settings:
    """All that a run needs to know."""

    root: Path
    """Project folder: holds ``configs/`` and ``.pipeline/``."""
    profile: str | None
    """The overlay in use, or several, with commas between."""
    source: SourceConfig
    others: dict[str, SourceConfig]
    """Sources beside it, by name: small tables, which are read whole."""
    stages: tuple[Stage, ...]
    """In the order of the configuration, inputs before users."""
    contracts: dict[str, Contract]
    """By the snapshot's name."""
    periods: Periods
    history: History
    engine: EngineSettings
    store: StoreSettings
    docs: Docs
    notify: Notify
    orchestrate: Orchestrate
    serving: Serving
    tree: Tree
    """The resolved configuration, plain."""
    shown: Tree
    """The same, fit to be seen: see `Resolved`."""
    environment: frozenset[str]
    """Variables of the environment that it asks for."""
    layers: tuple[Layer, ...]
    """What it was composed of, to say where a value comes from."""
    descriptions: dict[str, Description]
    """What `COLUMNS_FILE` says, by name; see `pipeline.plan.descriptions`."""
    is_as_written: bool
    """Whether it is the project's, without profile and words of the command line."""

    @cached_property
    def shared(self) -> Shared | None:
        """The store that clones share, if one is named; asked nothing until it is."""
        remote = self.store.remote
        return Shared(remote, LOG.warning, pushes=self.store.push) if remote else None

    @property
    def sources(self) -> dict[str, SourceConfig]:
        """All sources, by name."""
        return {SOURCE: self.source, **self.others}

    @property
    def configs(self) -> dict[str, BaseConfig]:
        """What is said of each stage, and in the sections of fixed names."""
        parts = {name: getattr(self, name, None) for name in RESERVED}
        fixed = {name: of for name, of in parts.items() if isinstance(of, BaseConfig)}
        return {**fixed, **{stage.name: stage.config for stage in self.stages}}

    def shown_of(self, stage: Stage) -> Tree:
        """Return a stage's settings, fit to be seen."""
        config = cast("Tree", msgspec.to_builtins(stage.config))
        trees = (self.shown, self.tree)
        shown, real = (cast("Tree", tree.get(stage.name) or {}) for tree in trees)
        return {
            name: shown[name] if shown.get(name) != real.get(name) else value
            for name, value in config.items()
        }


class _Composed(msgspec.Struct, frozen=True):
    """A configuration as it was composed, before types are looked at.

    It is kept only where nothing in it came from the environment or is masked.
    """

    layers: list[Layer]
    others: list[str]
    """Names of the sources beside the source."""
    said: Layer | None
    """What columns mean."""
    resolved: Resolved

    @property
    def may_be_kept(self) -> bool:
        """Tell whether no layer has what is masked, overridden by another or not."""
        layers = [*self.layers, *([self.said] if self.said else [])]
        return not self.resolved.environment and all(
            mask_tree(tree) == tree
            for tree in (self.resolved.tree, *(layer.tree for layer in layers))
        )


def load_settings(
    root: Path,
    *,
    profile: str | None = None,
    overrides: tuple[str, ...] = (),
    below: Callable[[], Iterable[Layer]] | None = None,
) -> Settings:
    """Compose, resolve and check the configuration of a project.

    The profile names a file in ``configs/profiles/``; of several, with commas between,
    a later one wins. Overrides are ``dotted.path=value`` words of the command line.
    `below` gives layers of sections that a run has no use for.

    Raises
    ------
    ConfigError
        With all mistakes: file, path, what was expected, what was found.
    """
    memo = Memo(root, "modeling" if below else "settings", profile, overrides)
    kept = memo.recall(_Composed)
    composed = kept or _compose(root, profile, overrides, below() if below else ())
    settings = _decode(root, profile, composed)
    if kept is None and composed.may_be_kept:
        memo.remember(composed)
        if not overrides:
            sections = _sections_of(settings.tree)
            remember_names(root, profile, sections, settings.configs)
    return replace(settings, is_as_written=not (profile or overrides))


def _compose(
    root: Path,
    profile: str | None,
    overrides: tuple[str, ...],
    below: Iterable[Layer],
) -> _Composed:
    """Read, merge and resolve all layers; what leads nowhere is said by `_decode`."""
    configs = root / "configs"
    choices = [word for word in overrides if word.startswith(f"{SOURCE}=")]
    others = [word for word in overrides if word not in choices]
    profiles = [] if profile is None else profile.split(",")
    top = [
        load_layer(configs / "pipeline.yaml", root),
        *(load_named_layer(configs / "profiles", name, root) for name in profiles),
        parse_overrides(re.sub("^engine=", "engine.use=", word) for word in others),
    ]
    for layer in top:
        _require_format(layer)
    source = _choose_source(top, choices)
    kinds = _choose_others(top)
    stage_trees = _stage_trees(top)
    layers = [
        _PERIODS,
        *below,
        *_source_layers(source, kinds, root),
        *_transform_layers(stage_trees, root),
        *_check_layers(configs / "checks", root),
        *top,
    ]
    said = _read_descriptions(root)
    return _Composed(layers, [*kinds], said, resolve(merge(layers), layers))


class Load(Protocol):
    """`load_settings`, or what loads the settings of models with it."""

    def __call__(
        self,
        root: Path,
        *,
        profile: str | None = None,
        overrides: tuple[str, ...] = (),
    ) -> Settings:
        """Raise ConfigError with all mistakes."""
        ...


def recorded_settings(root: Path, tree: Tree, name: str) -> Settings:
    """Decode a configuration that a run recorded, as `shown`, with the code of now.

    What came from the environment is what that says now; what was masked is not known.

    Raises
    ------
    ConfigError
        If the code of now does not take it; `name` says what it is of.
    """
    layers = [Layer(name, deepcopy(tree))]
    resolved = resolve(merge(layers), layers)
    others = [*_mapping(tree, "sources")]
    return _decode(root, None, _Composed(layers, others, None, resolved))


def _read_descriptions(root: Path) -> Layer | None:
    """Read what columns mean, if it is said; no run records it as configuration."""
    path = root / "configs" / COLUMNS_FILE
    return load_layer(path, root) if path.exists() else None


def _descriptions_of(layer: Layer) -> tuple[dict[str, Description], list[Mistake]]:
    """Decode what columns mean: a text, or a text and a unit."""
    found: dict[str, Description] = {}
    mistakes: list[Mistake] = []
    for name, value in layer.tree.items():
        is_text = not isinstance(value, dict)
        type_ = Annotated[str, Meta(min_length=1)] if is_text else Description
        what, wrong = check(value, type_, name, [layer])
        mistakes += wrong
        if what:
            found[name] = Description(what) if is_text else what
    return found, mistakes


def _decode(root: Path, profile: str | None, composed: _Composed) -> Settings:
    """Check what was composed, and give it types."""
    for folder in (OWN, OWN_SOURCES):
        forget_racy_bytecode(root / folder)
    layers, resolved, said = composed.layers, composed.resolved, composed.said
    tree, mistakes = resolved.tree, [*resolved.mistakes]
    unresolved = [mistake.path for mistake in mistakes]

    def checked(value: Any, type_: Any, section: str) -> Any:
        found, wrong = check(value, type_, section, layers)
        mistakes.extend(wrong)
        return found

    mistakes += empty_overrides(layers)
    mistakes += _unknown_sections(tree, layers)
    for name in ("panel", "checks"):
        checked(tree.get(name), dict[str, Any] | None, name)
    all_sources = [tree.get(SOURCE), *_mapping(tree, "sources").values()]
    kinds = [cast("Tree", s).get("kind") for s in all_sources if isinstance(s, dict)]
    source_type = type_of(kinds, root)
    source_config = checked(tree.get(SOURCE), source_type, SOURCE)
    other_configs = checked(tree.get("sources", {}), dict[str, source_type], "sources")
    mistakes += _wrong_names(composed.others, tree, layers)
    checked(tree.get("columns"), dict[str, Declared], "columns")
    periods = checked(_periods_of(tree), Periods, "panel")
    mistakes += _known_target(tree, layers)
    history = checked(tree.get("history", {}), History, "history")
    engine = checked(tree.get("engine", {}), EngineSettings, "engine")
    store = checked(tree.get("store", {}), StoreSettings, "store")
    docs = checked(tree.get("docs", {}), Docs, "docs")
    notify = checked(tree.get("notify", {}), Notify, "notify")
    orchestrate = checked(tree.get("orchestrate", {}), Orchestrate, "orchestrate")
    serving = checked(tree.get("serving", {}), Serving, "serving")
    stages, wrong = check_stages(tree, layers, root)
    mistakes += wrong
    contracts, wrong = check_contracts(tree, layers)
    mistakes += wrong
    descriptions, wrong = _descriptions_of(said) if said else ({}, [])
    mistakes += wrong
    # What could not be resolved is absent from the tree: one message is enough.
    n_unresolved = len(unresolved)
    rest = [m for m in mistakes[n_unresolved:] if m.path not in unresolved]
    refuse([*mistakes[:n_unresolved], *rest])
    return Settings(
        root,
        profile,
        source_config,
        other_configs,
        tuple(stages),
        contracts,
        periods,
        history,
        engine,
        store,
        docs,
        notify,
        orchestrate,
        serving,
        tree,
        resolved.shown,
        resolved.environment,
        tuple(layers),
        descriptions,
        is_as_written=False,
    )


def _require_format(layer: Layer) -> None:
    """Refuse a project of another format before its other mistakes would be listed.

    A ConfigError that says who has to change.
    """
    found = layer.tree.get("version", FORMAT)
    if type(found) is int and found == FORMAT:
        return
    hint = f"write `version: {FORMAT}`, or leave it out"
    if type(found) is int and found > FORMAT:
        hint = (
            "the project was made for a newer version of pipeline: install that, or"
            f" undo what its CHANGELOG names since format {FORMAT}, then {hint}"
        )
    raise ConfigError(
        f"{layer.name}: version: expected {FORMAT}, the format of configurations that"
        f" this version of pipeline reads, found {found!r}\nhint: {hint}"
    )


def _choose_source(layers: list[Layer], choices: list[str]) -> str:
    """Take the name of the source out of the layers; the last one counts.

    ``source: csv`` is a name alone; ``source: {use: csv, path: ...}`` changes values of
    it, too, and a mapping without ``use`` changes values of whatever is chosen.
    """
    source = ""
    for layer in layers:
        value = layer.tree.get(SOURCE)
        if isinstance(value, str):
            source = layer.tree.pop(SOURCE)
        elif isinstance(value, dict):
            source = str(cast("Tree", value).pop("use", source))
    return choices[-1].partition("=")[2] if choices else source


def _choose_others(layers: list[Layer]) -> dict[str, str]:
    """Take the kinds of the other sources out of the layers; the last one counts."""
    kinds: dict[str, str] = {}
    for layer in layers:
        for name, value in _mapping(layer.tree, "sources").items():
            if isinstance(value, dict):
                kinds[name] = str(cast("Tree", value).pop("use", kinds.get(name, "")))
    return kinds


def _source_layers(source: str, others: dict[str, str], root: Path) -> Iterator[Layer]:
    """Load the defaults of each source; those beside `source` have own columns."""
    for layer in _defaults_of(source, root):
        yield Layer(layer.name, {SOURCE: layer.tree})
    for name, use in others.items():
        for layer in _defaults_of(use, root):
            tree = {key: value for key, value in layer.tree.items() if key != "columns"}
            yield Layer(layer.name, {"sources": {name: tree}})


def _defaults_of(use: str, root: Path) -> list[Layer]:
    """Load the defaults of a kind of source, then the project's file of the name.

    A name that is no kind has such a file, which says the kind.
    """
    folder, kinds = root / "configs" / "sources", kinds_of(root)
    layers: list[Layer] = []
    if use not in kinds or (folder / f"{use}.yaml") in yaml_files(folder):
        layers = [load_named_layer(folder, use, root, kinds)]
    kind = layers[0].tree.get("kind", use) if layers else use
    # What is no kind is reported with the other mistakes.
    if path := kinds.get(str(kind)):
        home = root if path.is_relative_to(root / OWN_SOURCES) else PACKAGE.parent
        layers.insert(0, load_layer(path, home))
    return layers


def _wrong_names(
    names: Iterable[str], tree: Tree, layers: Sequence[Layer]
) -> Iterator[Mistake]:
    """Find other sources that are named as something else is, or as nothing can be."""
    taken = {*RESERVED, *_mapping(tree, "stages")}
    for name in names:
        if name in taken:
            text = "a stage or a section has this name"
            yield _mistake(f"sources.{name}", text, layers)
        elif not re.fullmatch("[a-z][a-z0-9_]*", name):
            text = "expected a name of lower case letters, digits and underscores"
            yield _mistake(f"sources.{name}", text, layers)


def _stage_trees(layers: Sequence[Layer]) -> dict[str, Tree]:
    """Read which stages there are; one set to null by a later layer is left out."""
    from omegaconf import OmegaConf

    merged = merge(
        [Layer(la.name, {"stages": la.tree.get("stages", {})}) for la in layers]
    )
    stages = cast("Tree", OmegaConf.to_container(merged))["stages"]
    if not isinstance(stages, dict) or not stages:
        raise ConfigError(f"stages: expected a mapping of stages, found {stages!r}")
    tree = cast("Tree", stages)
    return {name: stage for name, stage in tree.items() if stage is not None}


def _transform_layers(stages: dict[str, Tree], root: Path) -> list[Layer]:
    """Load the defaults of each stage's transformation, under the stage's name.

    Those of the transformation itself, then those of the project, where it has some.
    """
    folder = root / "configs" / "transforms"
    known = transform_names(root)
    there = {path.stem for path in yaml_files(folder)}
    layers: list[Layer] = []
    for name, tree in stages.items():
        transform = str(_transform_of(name, tree))
        # What has another name is reported with the other mistakes.
        if transform in known:
            home = home_of(transform, root)
            defaults = defaults_of(transform, home)
            if home and not defaults.exists():
                raise _without_yaml(defaults.relative_to(home))
            layers.append(load_layer(defaults, home or PACKAGE.parent, under=name))
        if transform in known and transform in there:
            layers.append(load_layer(folder / f"{transform}.yaml", root, under=name))
    return layers


def _without_yaml(path: Path) -> ConfigError:
    """Say what belongs beside a transformation of a project's own."""
    return ConfigError(
        f"{path.as_posix()}: no such file\n"
        f"expected: the settings of '{path.stem}', a line for each field of its Config;"
        " an empty file if it has none\n"
        "hint: `just new-transform NAME` writes all files of a new transformation"
    )


def _check_layers(folder: Path, root: Path) -> list[Layer]:
    """Load the contracts, each under its snapshot's name."""
    loaded = {path.stem: load_layer(path, root) for path in yaml_files(folder)}
    return [Layer(la.name, {"checks": {name: la.tree}}) for name, la in loaded.items()]


def _transform_of(name: str, stage: Any) -> Any:
    """Name a stage's transformation: its own name unless it says otherwise."""
    return (
        cast("Tree", stage).get("transform", name) if isinstance(stage, dict) else name
    )


def _sections_of(tree: Tree) -> list[str]:
    """Name the top-level sections that there may be."""
    return [*RESERVED, *_mapping(tree, "stages")]


def _unknown_sections(tree: Tree, layers: Sequence[Layer]) -> list[Mistake]:
    """Find top-level sections that belong to nothing, such as a misspelt stage."""
    known = _sections_of(tree)
    return [
        _mistake(name, unknown_section(name, known), layers)
        for name in tree
        if name not in known
    ]


def _mistake(path: str, text: str, layers: Sequence[Layer]) -> Mistake:
    """Say what is wrong with a value, and which file it comes from."""
    return Mistake(origin_of(path, layers), path, text)


def _mapping(tree: Tree, section: str) -> Tree:
    """Take a section; one that is no mapping is a mistake, and empty."""
    value = tree.get(section)
    return cast("Tree", value) if isinstance(value, dict) else {}


def _periods_of(tree: Tree) -> Tree:
    """Take what is about time out of the section ``panel``."""
    panel = _mapping(tree, "panel")
    return {name: panel[name] for name in Periods.__struct_fields__ if name in panel}


def _known_target(tree: Tree, layers: Sequence[Layer]) -> Iterator[Mistake]:
    """Find a target that is said to be known before its period."""
    panel = _mapping(tree, "panel")
    target, known = panel.get("target"), panel.get("known")
    if target is not None and isinstance(known, list) and target in known:
        text = (
            f"'{target}' is `panel.target`, too: what is forecast is not known before"
            " its period, expected it in one of the two"
        )
        yield _mistake("panel.known", text, layers)


def check_stages(
    tree: Tree, layers: Sequence[Layer], project: Path | None
) -> tuple[list[Stage], list[Mistake]]:
    """Decode every stage of a resolved tree; its inputs must stand above it.

    The project is that whose own transformations are known beside the package's.
    """
    stages: list[Stage] = []
    mistakes: list[Mistake] = []
    above = [*_mapping(tree, "sources"), SOURCE]
    for name, stage_tree in _mapping(tree, "stages").items():
        if stage_tree is not None:
            stage, found = _check_stage(name, stage_tree, above, tree, layers, project)
            stages += [stage] if stage else []
            mistakes += found
            above.append(name)
    return stages, mistakes + _wrong_snapshots(stages, layers)


def _check_stage(
    name: str,
    stage_tree: Any,
    above: list[str],
    tree: Tree,
    layers: Sequence[Layer],
    project: Path | None,
) -> tuple[Stage | None, list[Mistake]]:
    """Decode one stage and the section of its name."""
    at = f"stages.{name}"
    entry, mistakes = check(stage_tree, StageConfig, at, layers)
    if name in RESERVED:
        text = "a stage cannot have the name of a section"
        mistakes.append(_mistake(at, text, layers))
    transform = _transform_of(name, stage_tree)
    if transform not in (known := transform_names(project)):
        text = f"no such transformation, found {transform!r}"
        text += nearest(str(transform), known)
        mistakes.append(_mistake(at, text, layers))
    if mistakes:
        return None, mistakes
    loaded = load_transform(transform, home_of(transform, project))
    inputs = tuple(entry.inputs or above[-1:])
    mistakes += _wrong_inputs(inputs, loaded.n_inputs, above, at, layers)
    config, found = check(tree.get(name, {}), loaded.config, name, layers)
    key = tuple(entry.key)
    stage = Stage(name, loaded, inputs, config, entry.snapshot, key, entry.may_be_empty)
    return stage, mistakes + found


def check_contracts(
    tree: Tree, layers: Sequence[Layer]
) -> tuple[dict[str, Contract], list[Mistake]]:
    """Decode the contract of every snapshot; those of no snapshot are mistakes."""
    trees = _mapping(tree, "checks")
    published = _snapshots_of(tree)
    taken_out = {name for layer in layers for name in _snapshots_of(layer.tree)}
    contracts: dict[str, Contract] = {}
    mistakes: list[Mistake] = []
    for name, contract_tree in trees.items():
        at = f"checks.{name}"
        if contract_tree is None or (name in taken_out and name not in published):
            continue
        if name not in published:
            text = f"no stage publishes '{name}'{nearest(name, published)}"
            mistakes.append(_mistake(at, text, layers))
            continue
        contract, found = check(contract_tree, Contract, at, layers)
        mistakes += found
        if contract is not None:
            contracts[name] = contract
    return contracts, mistakes


def _snapshots_of(tree: Tree) -> list[str]:
    """Name the snapshots that the stages of a tree publish."""
    stages = _mapping(tree, "stages").values()
    entries = [cast("Tree", stage) for stage in stages if isinstance(stage, dict)]
    return [str(entry["snapshot"]) for entry in entries if entry.get("snapshot")]


def _wrong_snapshots(stages: list[Stage], layers: Sequence[Layer]) -> list[Mistake]:
    """Find snapshots of the same name, or of a name that is taken."""
    mistakes: list[Mistake] = []
    taken = {QUARANTINE: "the rows set aside"}
    taken |= dict.fromkeys(FORECASTS, "what a model forecasts")
    taken |= dict.fromkeys(SCHEMAS, "a schema of the catalog")
    for stage in stages:
        if stage.snapshot in taken:
            at = f"stages.{stage.name}.snapshot"
            text = f"'{stage.snapshot}' names {taken[stage.snapshot]} already"
            mistakes.append(_mistake(at, text, layers))
        elif stage.snapshot:
            taken[stage.snapshot] = f"the output of stage '{stage.name}'"
    return mistakes


def _wrong_inputs(
    inputs: tuple[str, ...],
    n_inputs: int,
    above: list[str],
    at: str,
    layers: Sequence[Layer],
) -> list[Mistake]:
    """Find inputs that are not above, or are not as many as the function takes."""
    path = f"{at}.inputs"
    expected = f"expected a stage above or '{SOURCE}'"
    mistakes = [
        _mistake(path, f"{expected}, found '{name}'{nearest(name, above)}", layers)
        for name in inputs
        if name not in above
    ]
    if len(inputs) != n_inputs:
        text = f"expected {n_inputs} input{'s' * (n_inputs != 1)}, found {len(inputs)}"
        mistakes.append(_mistake(path, text, layers))
    return mistakes
