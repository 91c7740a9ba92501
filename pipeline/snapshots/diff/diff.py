"""Compare two Parquet objects of a snapshot: their schemas, rows and values.

Rows are matched by the key. Objects that are sorted by it, as published ones are, go
through a merge join a batch at a time, so that memory does not grow with their length;
otherwise one side is held in memory.
"""

import filecmp
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import SnapshotError, nearest
from pipeline.files.parquet import scan_parquet
from pipeline.snapshots.diff.rows import compare_rows
from pipeline.snapshots.diff.values import ColumnDiff, Tally

_TEXT = (pl.String, pl.Categorical, pl.Enum)
_INSTANT = (pl.Date, pl.Datetime)
_NESTED = (pl.List, pl.Array, pl.Struct)

_Schema = dict[str, pl.DataType]


class Column(msgspec.Struct, frozen=True):
    """A column one side has, with the name of its Polars dtype."""

    name: str
    dtype: str


class DtypeChange(msgspec.Struct, frozen=True):
    """A column whose dtype changed.

    Attributes
    ----------
    name, before, after : str
        The column and its Polars dtypes.
    is_compared : bool
        Whether its values were compared, as the dtype both fit in: numbers with
        numbers, text with text, dates with timestamps, timestamps at the coarser
        unit. Else the column takes no part in the comparison of rows.
    """

    name: str
    before: str
    after: str
    is_compared: bool


class SchemaDiff(msgspec.Struct, frozen=True):
    """How the columns differ.

    Attributes
    ----------
    added, removed : tuple of Column
        Columns only the side after, or before, has.
    changed : tuple of DtypeChange
        Columns with another dtype.
    is_reordered : bool
        Whether the columns both sides have come in another order.
    """

    added: tuple[Column, ...]
    removed: tuple[Column, ...]
    changed: tuple[DtypeChange, ...]
    is_reordered: bool

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.changed or self.is_reordered)


class RowCounts(msgspec.Struct, frozen=True):
    """How many rows there are, and what became of them.

    ``before == removed + changed + unchanged`` and
    ``after == added + changed + unchanged``.

    Attributes
    ----------
    before, after : int
        Rows of each side.
    added, removed : int
        Rows whose key only one side has.
    changed, unchanged : int
        Rows whose key both sides have, with and without a changed value.
    repeated_before, repeated_after : int
        Rows whose key is not unique on their side. They are compared as whole rows:
        equal ones cancel out, one against one; the others are added or removed.
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
    """How two objects of a snapshot differ.

    Attributes
    ----------
    key : tuple of str
        The columns that rows were matched by; empty if whole rows were.
    tolerance : float
        The relative tolerance numbers were compared with.
    schema : SchemaDiff
        How the columns differ.
    rows : RowCounts
        Rows in numbers.
    columns : tuple of ColumnDiff
        Every compared column outside the key, also those without a change, in the
        order of the side before. Empty if there is no key.
    added, removed : tuple of dict
        The first added and removed rows in the order of the key: value by column,
        those of the key first, then the other compared columns.
    """

    key: tuple[str, ...]
    tolerance: float
    schema: SchemaDiff
    rows: RowCounts
    columns: tuple[ColumnDiff, ...]
    added: tuple[dict[str, Any], ...]
    removed: tuple[dict[str, Any], ...]

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
    """Compare two Parquet objects of one snapshot.

    Nulls are equal to each other and to nothing else, NaN to NaN, -0.0 to 0.0, in the
    key too. A column that only one side has is a change of the schema and takes no
    part in the comparison of rows. Rows whose key is not unique on either side are
    compared as whole rows, as are all rows without a key: which of them became which
    cannot be known, so they are added, removed or unchanged, and never changed.

    Parameters
    ----------
    before, after : Path
        The objects. Memory is bounded if both are sorted by the key, nulls first;
        else it grows with the rows.
    key : sequence of str
        Columns that name a row. Empty: the objects are compared as multisets of rows.
    tolerance : float
        Numbers are equal if ``|a - b| <= tolerance * max(|a|, |b|)``; at least 0 and
        below 1. It is not for the key, nor for numbers inside of lists and structs,
        nor for rows that are compared as a whole.
    n_samples : int
        Rows to keep as samples of those added and removed, and values of each column.

    Returns
    -------
    Diff
        ``diff(b, a)`` mirrors ``diff(a, b)``.

    Raises
    ------
    SnapshotError
        If an object is missing or damaged, lacks a column of the key or has it with a
        dtype that cannot be matched, or an option is out of its range.
    """
    _require_options(tolerance, n_samples)
    schemas = _read_schema(before), _read_schema(after)
    key = tuple(dict.fromkeys(key))
    dtypes = _common_dtypes(*schemas)
    _require_key(key, (before, after), schemas, dtypes)
    values = {name: dtype for name, dtype in dtypes.items() if name not in key}
    tally = Tally(key, values, tolerance=tolerance, n_samples=n_samples)
    keys = {name: dtypes[name] for name in key}
    try:
        n_rows = _n_rows(before), _n_rows(after)
        repeated = _compare((before, after), keys, values, tally)
    except (PolarsError, OSError) as error:
        raise SnapshotError(
            f"{before} and {after}: cannot be compared\nfound: {error}\n"
            "hint: one of them may be damaged; `just run` makes new ones"
        ) from error
    n_kept = n_rows[0] - tally.n_removed
    counts = RowCounts(
        before=n_rows[0],
        after=n_rows[1],
        added=tally.n_added,
        removed=tally.n_removed,
        changed=tally.n_changed,
        unchanged=n_kept - tally.n_changed,
        repeated_before=repeated[0],
        repeated_after=repeated[1],
    )
    return Diff(
        key=key,
        tolerance=tolerance,
        schema=_schema_diff(*schemas, dtypes),
        rows=counts,
        columns=tally.columns() if key else (),
        added=tally.added(),
        removed=tally.removed(),
    )


def _compare(
    paths: tuple[Path, Path], key: _Schema, values: _Schema, tally: Tally
) -> tuple[int, int]:
    """Tally how the rows differ; return how many have a repeated key, by side."""
    is_same = filecmp.cmp(*paths, shallow=False)
    if key or values:
        return compare_rows(paths, key, values, tally, is_same=is_same)
    # Rows without a column in common have nothing to be equal in.
    tally.add_removed(pl.DataFrame(), _n_rows(paths[0]))
    tally.add_added(pl.DataFrame(), _n_rows(paths[1]))
    return 0, 0


def _require_options(tolerance: float, n_samples: int) -> None:
    """Refuse a tolerance under which everything is equal, and a negative sample."""
    if not (math.isfinite(tolerance) and 0 <= tolerance < 1):
        raise SnapshotError(
            f"tolerance: expected at least 0 and below 1, found {tolerance}\n"
            "hint: it is a part of the larger number; 0.01 is one in a hundred"
        )
    if n_samples < 0:
        raise SnapshotError(f"samples: expected at least 0, found {n_samples}")


def _read_schema(path: Path) -> dict[str, pl.DataType]:
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
                    "hint: compare by columns both sides have, or without a key"
                )
        if name not in dtypes:
            before, after = (schema[name] for schema in schemas)
            raise SnapshotError(
                f"{paths[1]}: key column {name!r} cannot be matched\n"
                f"found: {before} before, {after} after\n"
                "hint: compare by other columns, or without a key"
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
    return SchemaDiff(
        added=tuple(
            Column(name, str(dtype))
            for name, dtype in after.items()
            if name not in before
        ),
        removed=tuple(
            Column(name, str(dtype))
            for name, dtype in before.items()
            if name not in after
        ),
        changed=tuple(
            DtypeChange(name, str(before[name]), str(after[name]), name in compared)
            for name in common
            if before[name] != after[name]
        ),
        is_reordered=common != [name for name in after if name in before],
    )
