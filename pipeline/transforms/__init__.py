"""Transformations: one file each, with a Config and a function of the file's name.

A transformation is a pure function ``name(lf, ..., config) -> LazyFrame``. It never
collects and never reads a file, a clock or a global. Its settings stand beside it, in a
YAML of its name. A project may have own ones, in its folder `transforms/`.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, cast

import polars as pl
from msgspec import Meta

from pipeline.config import BaseConfig
from pipeline.errors import ConfigError, nearest
from pipeline.own import load_module
from pipeline.panel.past import By, as_of_origin, past_of, with_past, with_window
from pipeline.panel.periods import Every

OWN = "transforms"
"""Folder of a project's own transformations, and the package they are imported as."""


class PastOnly(BaseConfig, frozen=True, kw_only=True):
    """Settings of a transformation that must not let a column of its period through.

    `columns` is filled in when the plan is composed, with every column of the input
    that is not known, unless the configuration lists them.
    """

    keys: list[str]
    """Columns that name the entity."""
    time: str
    known: list[str]
    """Columns that are known before their period, though they are not of the past."""
    columns: list[str] | None = None


class PastConfig(BaseConfig, frozen=True, kw_only=True):
    """Settings of a transformation that makes columns of periods before the row's."""

    time: str
    every: Every
    ahead: Annotated[int, Meta(ge=1)] = 1
    """Periods from the newest that is known to the row's own. A forecast of several
    periods sets it: see `pipeline.modeling.horizon`."""

    def back(self, periods: int) -> int:
        """Say how far back that lies which is so far back of one period ahead.

        What is of the row's own period, 0, stays.
        """
        return periods + self.ahead - 1 if periods else 0


class LaggedConfig(PastConfig, frozen=True, kw_only=True):
    """Settings of one that takes figures as of one period before."""

    lag: Annotated[int, Meta(ge=0, le=9999)]
    """Up to so many periods before; 0 leaks the row's own."""
    suffix: str
    """Appended to the names if `lag` is not 0, with ``{}`` for the lag."""


class EntityPastConfig(PastConfig, frozen=True, kw_only=True):
    """Settings of one that looks up columns of the same entity."""

    keys: Annotated[list[str], Meta(min_length=1)]
    columns: list[str]
    by: By

    def back(self, periods: int) -> int:
        """Say how far back that lies; rows are counted from what is known on."""
        return periods if self.by == "row" else super().back(periods)

    def as_of_origin(self, lf: pl.LazyFrame, figures: Sequence[str]) -> pl.LazyFrame:
        """Let figures of rows before know none that is younger than what is known."""
        return as_of_origin(
            lf,
            figures,
            self.ahead if self.by == "row" else 1,
            keys=self.keys,
            time=self.time,
            every=self.every,
        )

    def with_past(self, lf: pl.LazyFrame, distances: Iterable[int]) -> pl.LazyFrame:
        """Add the columns as they were; see `pipeline.panel.past.with_past`."""
        return with_past(
            lf,
            self.columns,
            sorted(set(distances)),
            keys=self.keys,
            time=self.time,
            every=self.every,
            by=self.by,
        )

    def with_window(self, lf: pl.LazyFrame, first: int, last: int) -> pl.LazyFrame:
        """Add all of a window; see `pipeline.panel.past.with_window`."""
        return with_window(
            lf,
            self.columns,
            first,
            last,
            keys=self.keys,
            time=self.time,
            every=self.every,
            by=self.by,
        )

    def drop_past(self, lf: pl.LazyFrame, distances: Iterable[int]) -> pl.LazyFrame:
        """Drop what `with_past` has added."""
        return lf.drop([past_of(c, n) for n in {*distances} for c in self.columns])


@dataclass(frozen=True)
class Transform:
    """A transformation, loaded by name; pickled, it is its name."""

    name: str
    apply: Callable[..., pl.LazyFrame]
    config: type[BaseConfig]
    n_inputs: int
    split: Callable[[Any], object] | None
    """Says how its rows may be split, as it should; None where the file does not."""
    past: Callable[[Any], list[str]] | None
    """Names the columns it makes of periods before the row's own; None if it does not:
    see `pipeline.plan.known`."""
    lookback: Callable[[Any], Mapping[str, range]] | None = None
    """Says how many periods before the row's own those are which a column it makes is
    of; with a setting `by` of 'row', how many rows. Of others, any may matter."""
    lagged: Callable[[Any], Mapping[str, str]] | None = None
    """Names the columns it makes whose values are those of another one, as they are, so
    many periods before as `lookback` says."""
    project: Path | None = None
    """Whose own it is; None of those of the package."""

    def __reduce__(self) -> tuple[object, ...]:
        """Let another process load its own."""
        of = (self.project,) if self.project else ()
        return load_transform, (self.name, *of)

    @property
    def file(self) -> str:
        """Where it is written, from the folder of the project or the package on."""
        return _file_of(self.name, self.project)


def _file_of(name: str, project: Path | None) -> str:
    """Say where a transformation of this name is written, or would be."""
    return f"{OWN if project else 'pipeline/transforms'}/{name}.py"


def transform_names(project: Path | None = None) -> list[str]:
    """List the transformations there are, those of a project among them, sorted.

    Raises
    ------
    ConfigError
        If one of the project's has the name of one of the package's.
    """
    ours = {path.stem for path in Path(__file__).parent.glob("[a-z]*.py")}
    files = project.glob(f"{OWN}/[a-z]*.py") if project else ()
    own = {path.stem for path in files}
    if taken := sorted(ours & own):
        raise ConfigError(
            f"{_file_of(taken[0], project)}: the name of a transformation that the"
            " package has\n"
            f"hint: rename file and function, as to 'own_{taken[0]}', and its stages in"
            " configs/pipeline.yaml"
        )
    return sorted(ours | own)


def home_of(name: str, project: Path | None) -> Path | None:
    """Say whose a transformation is: the project's, or None for the package's."""
    return None if name in transform_names() else project


def defaults_of(name: str, project: Path | None = None) -> Path:
    """Return the YAML that stands beside a transformation, with its settings."""
    folder = project / OWN if project else Path(__file__).parent
    return folder / f"{name}.yaml"


@cache
def load_transform(name: str, project: Path | None = None) -> Transform:
    """Import the transformation of a name, of the package or one of a project's own.

    Raises
    ------
    ConfigError
        If there is no such file, or the file cannot be imported, or lacks the function
        or its Config.
    """
    known = transform_names(project)
    if name not in known:
        raise ConfigError(
            f"no transformation '{name}'{nearest(name, known)}\n"
            f"found: {', '.join(known)}"
        )
    package = OWN if project else __name__
    module = load_module(package, name, [name, "Config"], project)
    function = cast("Callable[..., pl.LazyFrame]", getattr(module, name))
    n_inputs = len(inspect.signature(function).parameters) - 1
    split, past, lookback, lagged = (
        getattr(module, part, None) for part in ("split", "past", "lookback", "lagged")
    )
    return Transform(
        name, function, module.Config, n_inputs, split, past, lookback, lagged, project
    )
