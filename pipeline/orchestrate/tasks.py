"""The coarse tasks of a project, and what comes after what: from its configuration.

All stages are one task, as they are one plan and one pass: a task per stage would write
and read what is now handed on in memory. Models that do not need each other are tasks
side by side.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from functools import partial
from glob import has_magic
from itertools import takewhile
from pathlib import Path

from pipeline.config import Mistake, origin_of, refuse
from pipeline.errors import ConfigError, mask_tree, nearest
from pipeline.files.remote import is_remote
from pipeline.modeling.settings import ModelingSettings, load_modeling
from pipeline.modeling.tune import tunable
from pipeline.plan.code import PACKAGE
from pipeline.plan.orchestrate import SECTION, Orchestrate, TaskSettings
from pipeline.plan.settings import Settings, load_settings
from pipeline.sources import SourceConfig
from pipeline.sources.download import DownloadSource
from pipeline.sources.made import MadeSource

_REFERENCE = r"\$\{(?:oc\.select:)?(\w+)"
"""To a section, in a value."""


@dataclass(frozen=True)
class Task:
    """One command of ours, run by another program."""

    name: str
    """Of lower case letters, digits and underscores."""
    words: tuple[str, ...]
    """The command, without ``just`` and what all are given."""
    after: tuple[str, ...]
    """Tasks that must be done before it."""
    about: str
    """What it does, as a sentence."""
    reads: tuple[str, ...]
    """Files and folders that it depends on, relative to the project."""
    sections: Mapping[str, tuple[str, ...]] = attribute(
        default_factory=dict[str, tuple[str, ...]]
    )
    """Of other files, the sections that it depends on."""
    is_last: bool = False
    """Whether nothing follows it; all others leave an outcome."""
    retries: int = 0
    retry_delay_s: int = 0
    timeout_s: int = 0

    @property
    def outcome(self) -> str:
        """Name the file in which its command says what came of it."""
        return f".pipeline/outcomes/{self.name}.json"


@dataclass(frozen=True)
class Tasks:
    """All tasks of a project, each behind those that it comes after."""

    name: str
    settings: Orchestrate
    tasks: tuple[Task, ...]
    given: tuple[str, ...]
    """Profile and overrides, as words of every command."""
    asked: tuple[str, ...]
    """All of these, also those that say how tasks are run."""
    is_seen: bool
    """Whether all that they depend on are files of this machine."""


def tasks_of(
    root: Path, *, profile: str | None = None, overrides: Sequence[str] = ()
) -> Tasks:
    """Describe the tasks of a project; each is given the profile and the overrides.

    Raises
    ------
    ConfigError
        If the configuration is wrong, or an override holds what is secret.
    """
    words = tuple(overrides)
    _refuse_secrets(words)
    models: ModelingSettings | None = None
    if (root / "configs" / "modeling.yaml").exists():
        models = load_modeling(root, profile=profile, overrides=words)
    settings = (
        models.pipeline
        if models
        else load_settings(root, profile=profile, overrides=words)
    )
    section = settings.orchestrate
    asked = tuple(_options(profile, words))
    given = tuple(word for word in asked if not word.startswith(f"{SECTION}."))
    tasks = [
        replace(task, words=_waiting(task.words), **_limits_of(task, section))
        for task in _listed(root, settings, models)
    ]
    _require_tasks(section, [task.name for task in tasks], settings)
    name = section.name or (models.modeling.name if models else "pipeline")
    return Tasks(
        name,
        section,
        tuple(tasks),
        given,
        asked,
        _is_seen(settings),
    )


def _listed(
    root: Path, settings: Settings, models: ModelingSettings | None
) -> Iterator[Task]:
    """List the tasks, each behind those that it comes after, without their limits."""
    profiles = [name for name in (settings.profile or "").split(",") if name]
    of_all = (
        "configs/pipeline.yaml",
        *(f"configs/profiles/{name}.yaml" for name in profiles),
    )
    yield Task(
        "run",
        ("run",),
        (),
        "Make all snapshots: their stages are one plan, computed in one pass.",
        (*of_all, *_read_by_run(root, settings)),
    )
    about = "Write pages of what there is."
    pages = tuple(_there(root, "queries", "configs/columns.yaml"))
    if models is None:
        yield Task("docs", ("docs",), ("run",), about, pages, is_last=True)
        return
    yield from _of_models(models, _sections_of_models(of_all, models))
    after = ("promote", "forecast")
    yield Task("docs", ("docs",), after, about, pages, is_last=True)


def _of_models(
    models: ModelingSettings, sections: Mapping[str, tuple[str, ...]]
) -> Iterator[Task]:
    """List the tasks from the features to a forecast."""
    default, read = models.modeling.model, ("configs/modeling.yaml",)
    task = partial(Task, sections=sections)
    names = list(dict.fromkeys([*models.modeling.baselines, default]))
    tuned = tunable(models, default)
    for model in names:
        own = (*read, f"configs/models/{model}.yaml")
        after = ("run",)
        if model in tuned:
            about = f"Search the parameters of {model}."
            yield task(f"tune_{model}", ("tune", model), after, about, own)
            after = (f"tune_{model}",)
        yield task(f"train_{model}", ("train", model), after, f"Fit {model}.", own)
    trained = tuple(f"train_{model}" for model in names)
    about = f"Judge {default} on periods it has not seen, against the baselines."
    yield task("evaluate", ("evaluate", default), trained, about, read)
    about = f"Make {default} champion if it has earned it; else the champion stays."
    promote = ("promote", "--challenge", default)
    yield task("promote", promote, ("evaluate",), about, read)
    about = "Publish the champion's predictions of what comes next."
    yield task("forecast", ("forecast",), ("run", "promote"), about, read)
    about = "Hold past forecasts to what came; fail if the champion is no longer good."
    yield task("monitor", ("monitor",), ("forecast",), about, read, is_last=True)


def _sections_of_models(
    files: Sequence[str], models: ModelingSettings
) -> dict[str, tuple[str, ...]]:
    """Name the sections of the pipeline's files that models depend on, too.

    That are those of models, and what the values of these refer to.
    """
    layers = models.pipeline.layers
    text = str([layer.tree for layer in layers if "model" in layer.name])
    wanted = {"panel", "modeling", "models", *re.findall(_REFERENCE, text)}
    found = {
        layer.name: tuple(name for name in layer.tree if name in wanted)
        for layer in layers
        if layer.name in files
    }
    return {file: names for file, names in found.items() if names}


def _waiting(words: tuple[str, ...]) -> tuple[str, ...]:
    """Let a command wait for a task beside it; pages only read."""
    return words if words == ("docs",) else (*words, "--wait")


def _limits_of(task: Task, section: Orchestrate) -> dict[str, int]:
    """Say how often and how long a task is tried."""
    own = section.tasks.get(task.name, TaskSettings())
    found: dict[str, int] = {}
    for name in TaskSettings.__struct_fields__:
        value = getattr(own, name)
        found[name] = getattr(section, name) if value is None else value
    return found


def _options(profile: str | None, overrides: Iterable[str]) -> Iterator[str]:
    """Write profile and overrides as words of a command."""
    for name in (profile or "").split(","):
        if name:
            yield from ("--profile", name)
    yield from overrides


def _refuse_secrets(overrides: Iterable[str]) -> None:
    """Refuse words that hold what may stand in no file."""
    for word in overrides:
        path, _, value = word.partition("=")
        last = path.rpartition(".")[2]
        if mask_tree({last: value}) != {last: value}:
            raise ConfigError(
                f"command line: {path}: what is secret stands in no file that is"
                " written\n"
                "hint: write ${oc.env:NAME} in configs/pipeline.yaml, and give the"
                " variable to whatever runs the tasks"
            )


def _require_tasks(
    section: Orchestrate, known: Sequence[str], settings: Settings
) -> None:
    """Refuse limits of tasks that there are not."""
    refuse(
        [
            Mistake(
                origin_of(f"{SECTION}.tasks.{name}", settings.layers),
                f"{SECTION}.tasks.{name}",
                f"expected one of {', '.join(known)}{nearest(name, known)}",
            )
            for name in section.tasks
            if name not in known
        ]
    )


def _read_by_run(root: Path, settings: Settings) -> Iterator[str]:
    """Name what a run depends on beside ``configs/pipeline.yaml`` and profiles."""
    places = ("columns.yaml", "checks", "sources", "transforms")
    yield from _there(root, *(f"configs/{place}" for place in places))
    yield from _there(root, "transforms", "sources", "requirements.lock", "uv.lock")
    if PACKAGE.parent == root:
        yield PACKAGE.name
    yield from (place for place in map(_place_of, settings.sources.values()) if place)


def _place_of(source: SourceConfig) -> str | None:
    """Name the file of a source, or the folder of all that its pattern can find.

    None if that is elsewhere, or the project itself.
    """
    path: str | None = getattr(source, "path", None)
    if path is None or is_remote(path):
        return None
    place = Path(*takewhile(lambda part: not has_magic(part), Path(path).parts))
    return None if place == Path() else place.as_posix()


def _there(root: Path, *paths: str) -> Iterator[str]:
    """Name those that there are."""
    yield from (path for path in paths if (root / path).exists())


def _is_seen(settings: Settings) -> bool:
    """Tell whether all that a run depends on are files, or never change."""
    return not settings.environment and all(
        isinstance(source, DownloadSource | MadeSource) or _place_of(source)
        for source in settings.sources.values()
    )
