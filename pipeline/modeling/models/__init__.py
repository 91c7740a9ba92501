"""Kinds of models: one file each, with Params, a fit and a load.

A kind learns from a `Design` and is written to a folder without pickles, so that what
it predicts can be told from text.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol, Self, cast

import msgspec

from pipeline.config import BaseConfig
from pipeline.errors import ModelError
from pipeline.modeling.fit.design import Design
from pipeline.modeling.fit.target import Array

OCCURRENCE = "lightgbm"
"""The kind whose ``fit_binary`` says whether a row will be there at all."""


class Regressor(Protocol):
    """A fitted model.

    Methods take a `Design` of any number of rows, and give each row the same value in
    whatever company it is.
    """

    def predict(self, X: Design) -> Array:
        """Predict the fitted target, one value per row."""
        ...

    def quantiles(self, X: Design) -> tuple[Array, Array] | None:
        """Predict its lower and upper quantile; None for a kind without."""
        ...

    def save(self, folder: Path) -> None:
        """Write it into an empty folder."""
        ...


class Kind(Protocol):
    """A module of this package."""

    Params: type[BaseConfig]

    def fit(
        self,
        X: Design,
        y: Array,
        params: BaseConfig,
        *,
        weight: Array | None,
        quantiles: Sequence[float],
        seed: int,
        n_threads: int,
    ) -> Regressor:
        """Fit to the rows of a design, which are in a fixed order.

        `quantiles` are the levels of the interval, the lower first; empty if only the
        point prediction is wanted. The result does not depend on `n_threads`.
        """
        ...

    def load(self, folder: Path) -> Regressor:
        """Read what ``save`` wrote."""
        ...


class BinaryKind(Kind, Protocol):
    """A kind that also fits probabilities."""

    def fit_binary(
        self, X: Design, y: Array, params: BaseConfig, *, seed: int, n_threads: int
    ) -> Regressor:
        """Fit the probability that `y` is 1 and not 0."""
        ...


class JsonModel(msgspec.Struct, frozen=True):
    """A model of numbers and names alone: one JSON file, and no quantiles."""

    def quantiles(self, X: Design) -> None:
        """Give none: the residuals of the validation periods make the intervals."""

    def save(self, folder: Path) -> None:
        """Write it into an empty folder."""
        (folder / "model.json").write_bytes(msgspec.json.encode(self))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        return msgspec.json.decode((folder / "model.json").read_bytes(), type=cls)


def kind_names() -> list[str]:
    """List the kinds there are, sorted; a folder is none."""
    modules = pkgutil.iter_modules(__path__)
    return sorted(module.name for module in modules if not module.ispkg)


@cache
def load_kind(name: str) -> Kind:
    """Import a kind by its name, one of `kind_names`."""
    return cast("Kind", importlib.import_module(f"{__name__}.{name}"))


def takes_categories(name: str) -> bool:
    """Tell whether a kind takes categories, as its ``TAKES_CATEGORIES`` says."""
    return getattr(load_kind(name), "TAKES_CATEGORIES", False)


def libraries_of(name: str) -> tuple[str, ...]:
    """Name the libraries of a kind, as its ``LIBRARIES`` does, if it has any.

    Raises
    ------
    ModelError
        If one is not installed.
    """
    libraries: tuple[str, ...] = getattr(load_kind(name), "LIBRARIES", ())
    for library in libraries:
        try:
            version(library)
        except PackageNotFoundError:
            raise ModelError(
                f"pipeline/modeling/models/{name}.py: needs {library}, which is not"
                f" installed\nhint: add it to pyproject.toml, then `just lock`"
            ) from None
    return libraries
