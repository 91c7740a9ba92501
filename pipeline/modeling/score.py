"""Forecast from a file of raw rows, through the registered bundle."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from pipeline import sources
from pipeline.errors import ModelError, some
from pipeline.modeling.forecast import champion_of, of_version
from pipeline.modeling.registry.apart import forecast_apart
from pipeline.modeling.registry.registry import Version, packed
from pipeline.modeling.settings import ModelingSettings
from pipeline.sources.source import FileSource, kind_of

if TYPE_CHECKING:
    from pipeline.sources.columns import Declared


@dataclass(frozen=True)
class Scores:
    """What came of a file."""

    version: Version
    """The champion that was asked."""
    predictions: pl.DataFrame
    """A row per good row of the file, in its order, with what is predicted by whom; see
    `pipeline.modeling.bundle.bundle.Bundle.forecast`."""
    bad: pl.DataFrame
    """The cells of rows that were left out: ``file``, ``line`` (of Parquet the row,
    counted from 1), ``column``, ``value`` and ``reason``."""

    @property
    def n_left_out(self) -> int:
        """The number of rows that were left out."""
        return self.bad.select("file", "line").n_unique()


def score(settings: ModelingSettings, file: Path, *, alone: bool = False) -> Scores:
    """Forecast the period after the last one of a file of any kind.

    Names, renames and how many bad rows are allowed are those of the settings' source,
    and so is how its files are written, if it is of the same kind;
    `alone` says that the file is a whole panel.
    """
    version = champion_of(settings)
    source = source_of(settings, version, str(file.resolve()), kind_of(file))
    rows, bad = read_given(source, settings.root)
    predictions = forecast_apart(settings, version, rows, alone=alone)
    of = of_version(version, settings.modeling)
    return Scores(version, predictions.with_columns(**of), bad)


def read_given(source: FileSource, root: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the good rows of a file, and the cells of those that are left out.

    A PipelineError if it has too many of these, or no other.
    """
    rows, bad = sources.read(source, root)
    sources.refuse_too_many(bad, source, root)
    if rows.is_empty():
        raise ModelError(
            f"{source.path}: no good rows to forecast from\n"
            "hint: give at least one raw row of each entity that is asked about"
        )
    return rows, bad


def source_of(
    settings: ModelingSettings, version: Version, path: str, kind: type[FileSource]
) -> FileSource:
    """Say how a file of raw rows is read, and which columns a version takes of it."""
    given = settings.pipeline.source
    wanted = packed(version).columns
    missing = [name for name in wanted if name not in given.columns]
    if missing:
        raise ModelError(
            f"{version.uri}: takes columns that are not declared: {some(missing)}\n"
            f"found: {some(given.columns)}\n"
            "hint: see `columns` in configs/pipeline.yaml, or train and promote anew"
        )
    columns: dict[str, Declared] = {name: given.columns[name] for name in wanted}
    if isinstance(given, kind):
        return msgspec.structs.replace(given, path=path, columns=columns)
    return kind(
        path=path,
        columns=columns,
        rename=given.rename,
        max_bad_rows=given.max_bad_rows,
    )
