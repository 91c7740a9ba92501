"""Features as the matrix a model takes: fixed columns and categories, NaN for null."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import msgspec
import numpy as np
import polars as pl
import polars.selectors as cs

from pipeline.errors import ModelError, nearest, some

_Made = TypeVar("_Made")

Matrix: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.float64]]

_SHOWN = 10
"""Columns that do not fit, at most, a line each."""


@dataclass(frozen=True)
class Design:
    """What a model is given."""

    values: Matrix
    """Of shape (n_rows, n_columns), NaN for null; a category is the position in its
    vocabulary, and NaN if it is not in it."""
    columns: tuple[str, ...]
    categorical: tuple[str, ...]
    """Those of the columns that are categories."""
    _made: dict[Hashable, Any] = field(
        default_factory=dict[Hashable, Any], init=False, repr=False, compare=False
    )

    def column(self, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return one column."""
        return self.values[:, self.columns.index(name)]

    @property
    def categories(self) -> list[int]:
        """The positions of the columns that are categories."""
        return [self.columns.index(name) for name in self.categorical]

    def once(self, what: Hashable, make: Callable[[], _Made]) -> _Made:
        """Make something of the values, unless it has been; it lasts as they do."""
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]


class FeatureSchema(msgspec.Struct, frozen=True):
    """Which columns a model was trained on, and what it knows of their values."""

    dtypes: dict[str, str]
    """Of every feature, in the order of the design's columns, categories first."""
    vocabulary: dict[str, list[Any]]
    """The categories of each categorical feature, sorted."""


def feature_schema(
    df: pl.DataFrame, features: Sequence[str], categorical: Sequence[str]
) -> FeatureSchema:
    """Learn columns and categories of a training frame.

    Features are numbers or Booleans; `categorical` are more columns, whole numbers or
    strings.
    """
    numbers = df.select(cs.numeric() | cs.boolean()).columns
    codes = df.select(cs.integer() | cs.string()).columns
    wrong = [f"{name}: {df.schema[name]}" for name in features if name not in numbers]
    wrong += [f"{name}: {df.schema[name]}" for name in categorical if name not in codes]
    if wrong:
        raise ModelError(
            f"features: {len(wrong)} columns are of no use to a model\n"
            f"found: {some(wrong)}\n"
            "expected: numbers or Booleans; whole numbers or strings as categories\n"
            "hint: a model takes every column of the snapshot that `features` in"
            " configs/modeling.yaml names, but `entity`, `time` and `target`, and those"
            " that its `categorical` in configs/models/ names; drop these in a stage"
            " before that snapshot, or name others"
        )
    return FeatureSchema(
        {name: str(df.schema[name]) for name in [*categorical, *features]},
        {name: df[name].drop_nulls().unique().sort().to_list() for name in categorical},
    )


def design(df: pl.DataFrame, schema: FeatureSchema) -> Design:
    """Turn a frame into the matrix of a schema; other columns are left out."""
    found = df.schema
    mistakes = [
        f"  {name}: expected {dtype}, found {found.get(name, 'no such column')}"
        + ("" if name in found else nearest(name, df.columns))
        for name, dtype in schema.dtypes.items()
        if str(found.get(name)) != dtype
    ]
    if mistakes:
        lines = "\n".join(mistakes[:_SHOWN])
        if len(mistakes) > _SHOWN:
            lines += f"\n  and {len(mistakes) - _SHOWN} more"
        raise ModelError(
            f"features: {len(mistakes)} columns do not fit the model\n{lines}\n"
            "hint: train again (`just train`) if the features have changed on purpose"
        )
    values = df.select(_encoded(name, schema) for name in schema.dtypes)
    matrix = values.fill_null(float("nan")).to_numpy(order="fortran")
    columns = zip(schema.dtypes, matrix.T, strict=True)
    if names := [name for name, column in columns if np.isinf(column).any()]:
        raise ModelError(
            f"features: infinite values in {some(names)}\n"
            "hint: `finite: true` in configs/checks/ finds their rows"
        )
    return Design(matrix, tuple(schema.dtypes), tuple(schema.vocabulary))


def _encoded(name: str, schema: FeatureSchema) -> pl.Expr:
    """Write a feature as Float64."""
    if name not in schema.vocabulary:
        return pl.col(name).cast(pl.Float64)
    known = schema.vocabulary[name]
    return pl.col(name).replace_strict(
        known, range(len(known)), default=None, return_dtype=pl.Float64
    )
