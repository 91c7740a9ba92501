"""Diff two Parquet objects of a snapshot: their schemas, rows and values.

Rows are matched by the key. Objects that are sorted by it, as published ones are, go
through a merge join a batch at a time, so that memory does not grow with their length;
otherwise one side is held in memory.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import SnapshotError, nearest
from pipeline.files.parquet import scan_parquet
from pipeline.snapshots.diff.rows import diff_rows
from pipeline.snapshots.diff.values import ColumnDiff, Sample, Tally

_TEXT = (pl.String, pl.Categorical, pl.Enum)
_INSTANT = (pl.Date, pl.Datetime)
_NESTED = (pl.List, pl.Array, pl.Struct)

_Schema = dict[str, pl.DataType]


class Column(msgspec.Struct, frozen=True):
    """A column one side has, with the name of its Polars dtype."""

    name: str
    dtype: str


class DtypeChange(msgspec.Struct, frozen=True):
    """A column whose dtype changed."""

    name: str
    before: str
    after: str
    is_compared: bool
    """Whether its values were, as the dtype both fit in: numbers with numbers, text
    with text, dates with timestamps, timestamps at the coarser unit."""


class Renamed(msgspec.Struct, frozen=True):
    """A column that was removed and one that was added, of the same values."""

    before: str
    after: str


class SchemaDiff(msgspec.Struct, frozen=True):
    """How the columns differ."""

    added: tuple[Column, ...]
    removed: tuple[Column, ...]
    changed: tuple[DtypeChange, ...]
    is_reordered: bool
    """Whether the columns both sides have come in another order."""
    renamed: tuple[Renamed, ...] = ()
    """Pairs of those removed and added whose values are the same in all rows; where
    several are alike, nothing tells which is which."""

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.changed or self.is_reordered)


class RowCounts(msgspec.Struct, frozen=True):
    """How many rows there are, and what became of them.

    ``before == removed + changed + unchanged`` and
    ``after == added + changed + unchanged``. Rows whose key is not unique on their side
    are `repeated_before` and `repeated_after`: they are compared as whole rows, equal
    ones cancel out, one against one, and the others are added or removed.
    """

    before: int
    after: int
    added: int
    removed: int
    changed: int
    unchanged: int
    repeated_before: int
    repeated_after: int


class Diff(msgspec.Struct, frozen=True):
    """How two objects of a snapshot differ."""

    key: tuple[str, ...]
    tolerance: float
    schema: SchemaDiff
    rows: RowCounts
    columns: tuple[ColumnDiff, ...]
    """Every compared column outside the key, also those without a change, in the order
    of the side before."""
    added: tuple[dict[str, Any], ...]
    """The first added rows in the order of the key: value by column, those of the key
    first, then the other compared columns."""
    removed: tuple[dict[str, Any], ...]
    """The first removed rows, likewise."""

    @property
    def is_equal(self) -> bool:
        """Whether columns, dtypes and rows are the same; the rows' order is free."""
        rows = self.rows
        return self.schema.is_equal and not (rows.added or rows.removed or rows.changed)


def diff(
    before: Path,
    after: Path,
    key: Sequence[str],
    *,
    tolerance: float = 0.0,
    n_samples: int = 5,
) -> Diff:
    """Tell how two Parquet objects of one snapshot differ.

    Nulls are equal to each other and to nothing else, NaN to NaN, -0.0 to 0.0, in the
    key too. A column that only one side has is a change of the schema and takes no
    part in the comparison of rows. Which of the rows of a repeated key became which
    cannot be known, so they are added, removed or unchanged, and never changed.

    Parameters
    ----------
    before, after : Path
        The objects. Memory is bounded if both are sorted by the key, nulls first;
        else it grows with the rows.
    key : sequence of str
        Columns that name a row, at least one.
    tolerance : float
        Numbers are equal if ``|a - b| <= tolerance * max(|a|, |b|)``; at least 0 and
        below 1. It is not for the key, nor for numbers inside of lists and structs,
        nor for rows that are compared as a whole.
    n_samples : int
        Rows to keep as samples of those added and removed, and values of each column.

    Raises
    ------
    SnapshotError
        If an object is missing or damaged, lacks a column of the key or has it with a
        dtype that cannot be matched, or the tolerance is out of its range.
    """
    if not (math.isfinite(tolerance) and 0 <= tolerance < 1):
        raise SnapshotError(
            f"tolerance: expected at least 0 and below 1, found {tolerance}\n"
            "hint: it is a part of the larger number; 0.01 is one in a hundred"
        )
    schemas = _read_schema(before), _read_schema(after)
    dtypes = _common_dtypes(*schemas)
    _require_key(key, (before, after), schemas, dtypes)
    keys = {name: dtypes[name] for name in key}
    values = {name: dtype for name, dtype in dtypes.items() if name not in keys}
    tally = Tally(list(keys), values, tolerance=tolerance, n_samples=n_samples)
    try:
        n_before, n_after = _n_rows(before), _n_rows(after)
        repeated_before, repeated_after = diff_rows(before, after, keys, values, tally)
        schema = _schema_diff(*schemas, dtypes)
        if not (tally.added.n or tally.removed.n):
            renamed = _renamed(schema, before, after)
            schema = msgspec.structs.replace(schema, renamed=renamed)
    except (PolarsError, OSError) as error:
        raise SnapshotError(
            f"{before} and {after}: cannot be compared\nfound: {error}\n"
            "hint: one of them may be damaged; `just run` makes new ones"
        ) from error
    return Diff(
        key=tuple(keys),
        tolerance=tolerance,
        schema=schema,
        rows=RowCounts(
            before=n_before,
            after=n_after,
            added=tally.added.n,
            removed=tally.removed.n,
            changed=tally.n_changed,
            unchanged=n_before - tally.removed.n - tally.n_changed,
            repeated_before=repeated_before,
            repeated_after=repeated_after,
        ),
        columns=tally.columns(),
        added=_named(tally.added, [*keys, *values]),
        removed=_named(tally.removed, [*keys, *values]),
    )


def _renamed(schema: SchemaDiff, before: Path, after: Path) -> tuple[Renamed, ...]:
    """Pair columns that one side has, of objects that have the same rows."""
    if not (schema.added and schema.removed):
        return ()
    come = _by_values(schema.added, after)
    return tuple(
        Renamed(old, new)
        for values, (old, *others) in _by_values(schema.removed, before).items()
        if not others
        for new, *more in [come.get(values, [""])]
        if new and not more
    )


def _by_values(
    columns: Sequence[Column], path: Path
) -> dict[tuple[str, int], list[str]]:
    """Group columns, but for nested ones, by dtype and values in the key's order."""
    schema = _read_schema(path)
    flat = [c for c in columns if not schema[c.name].is_nested()]
    place = pl.int_range(pl.len()).hash()
    hashes = (pl.col(c.name).hash() * place for c in flat)
    sums = scan_parquet(path).select(pl.len(), *(cells.sum() for cells in hashes))
    [(n_rows, *row)] = sums.collect().rows()
    found: dict[tuple[str, int], list[str]] = {}
    for column, values in zip(flat if n_rows else (), row, strict=False):
        found.setdefault((column.dtype, values), []).append(column.name)
    return found


def _named(sample: Sample, names: list[str]) -> tuple[dict[str, Any], ...]:
    """Return rows as values by the user's names."""
    return tuple(dict(zip(names, row, strict=True)) for row in sample.rows())


def _read_schema(path: Path) -> _Schema:
    """Read the columns of an object from its footer."""
    try:
        with path.open("rb") as file:
            return dict(pl.read_parquet_schema(file))
    except (PolarsError, OSError) as error:
        raise SnapshotError(
            f"{path}: cannot be read as Parquet\nfound: {str(error).splitlines()[0]}\n"
            "hint: the object of a snapshot is a whole Parquet file; was it removed?"
        ) from error


def _n_rows(path: Path) -> int:
    """Read the number of rows from an object's footer."""
    return scan_parquet(path).select(pl.len()).collect().item()


def _require_key(
    key: Sequence[str],
    paths: Sequence[Path],
    schemas: Sequence[_Schema],
    dtypes: _Schema,
) -> None:
    """Refuse a key that one side lacks, or that cannot be matched."""
    for name in key:
        for path, schema in zip(paths, schemas, strict=True):
            if name not in schema:
                raise SnapshotError(
                    f"{path}: has no key column {name!r}{nearest(name, schema)}\n"
                    f"found: {', '.join(schema)}\n"
                    "hint: the key is another since; diff runs that share it"
                )
        if name not in dtypes:
            before, after = (schema[name] for schema in schemas)
            raise SnapshotError(
                f"{paths[1]}: key column {name!r} cannot be matched\n"
                f"found: {before} before, {after} after\n"
                "hint: the key is another since; diff runs that share it"
            )


def _common_dtypes(before: _Schema, after: _Schema) -> _Schema:
    """Return the columns both sides have, with the dtype to compare them as."""
    common = {
        name: _common_dtype(dtype, after[name])
        for name, dtype in before.items()
        if name in after
    }
    return {name: dtype for name, dtype in common.items() if dtype is not None}


def _common_dtype(before: pl.DataType, after: pl.DataType) -> pl.DataType | None:
    """Return the dtype that holds the values of both; None if they are of two kinds."""
    if isinstance(before, _TEXT) and isinstance(after, _TEXT):
        return pl.String()  # also for two categoricals: text sorts the same in both
    if before == after or isinstance(after, pl.Null):
        return before
    if isinstance(before, pl.Null):
        return after
    is_one_kind = (before.is_numeric() and after.is_numeric()) or any(
        isinstance(before, kind) and isinstance(after, kind)
        for kind in (_INSTANT, pl.Duration, _NESTED)
    )
    if not is_one_kind:
        return None
    empty = [pl.DataFrame(schema={"x": dtype}) for dtype in (before, after)]
    try:
        return pl.concat(empty, how="vertical_relaxed").schema["x"]
    except PolarsError:
        return None


def _schema_diff(before: _Schema, after: _Schema, compared: _Schema) -> SchemaDiff:
    """Compare columns, dtypes and their order."""
    common = [name for name in before if name in after]
    added, removed = (
        tuple(Column(n, str(dtype)) for n, dtype in side.items() if n not in other)
        for side, other in ((after, before), (before, after))
    )
    return SchemaDiff(
        added=added,
        removed=removed,
        changed=tuple(
            DtypeChange(name, str(before[name]), str(after[name]), name in compared)
            for name in common
            if before[name] != after[name]
        ),
        is_reordered=common != [name for name in after if name in before],
    )
