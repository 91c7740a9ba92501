"""Compare values: which of the matched rows changed, where, and by how much.

Frames here have columns with names of their own, so that no name of the data can be
in the way: ``k0``.. are the key, ``v0``.. the values of one side, ``b0``.. and ``a0``..
those before and after, ``m0``.. say where these differ, ``in_b`` and ``in_a`` on which
side a row is (true, or null).
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import polars as pl

IN_BEFORE, IN_AFTER = "in_b", "in_a"


_WIDE = (pl.Int128, pl.UInt128)


class Cell(msgspec.Struct, frozen=True):
    """A value that changed.

    Attributes
    ----------
    key : dict of str to Any
        The key of its row, as Python values.
    before, after : Any
        The value on both sides; None is null.
    """

    key: dict[str, Any]
    before: Any
    after: Any


class ColumnDiff(msgspec.Struct, frozen=True):
    """How a column that both sides have differs in the rows both sides have.

    Attributes
    ----------
    name : str
        The column.
    n_changed : int
        Values that differ. A null differs from every value; NaN equals NaN, and -0.0
        equals 0.0.
    max_abs_diff, mean_abs_diff : float or None
        Largest and mean ``|before - after|`` of the changed values of a column of
        numbers, in the column's unit. Pairs with a null, or whose difference is not
        finite, do not count; None if no pair is left, or if their sum is not finite.
        The last digit of a mean may vary from call to call, as the order of addition
        does.
    max_rel_diff : float or None
        Largest ``|before - after| / max(|before|, |after|)`` of the same pairs,
        from 0 to 2.
    samples : tuple of Cell
        The first changed values in the order of the key.
    """

    name: str
    n_changed: int
    max_abs_diff: float | None
    mean_abs_diff: float | None
    max_rel_diff: float | None
    samples: tuple[Cell, ...]


class Tally:
    """Adds up the rows that differ, batch by batch.

    Parameters
    ----------
    key : sequence of str
        The user's names of ``k0``..
    dtypes : dict of str to pl.DataType
        The user's names of ``b0``.. and ``a0``.., with the dtype both have here.
    tolerance : float
        Numbers this close, relative to the larger one, are equal.
    n_samples : int
        Samples to keep of each kind.
    """

    def __init__(
        self,
        key: Sequence[str],
        dtypes: dict[str, pl.DataType],
        *,
        tolerance: float,
        n_samples: int,
    ) -> None:
        self.n_added = self.n_removed = self.n_changed = 0
        self._key, self._names = list(key), list(dtypes)
        self._keys = [f"k{i}" for i in range(len(key))]
        self._changed = [
            _changed(i, dtype, tolerance) for i, dtype in enumerate(dtypes.values())
        ]
        self._statistics = [
            expr
            for i, dtype in enumerate(dtypes.values())
            for expr in _statistics(i, dtype)
        ]
        self._n_samples = n_samples
        self._added = self._removed = pl.DataFrame()
        self._cells = [pl.DataFrame() for _ in dtypes]
        self._totals: list[pl.DataFrame] = []

    def add(self, batch: pl.DataFrame) -> None:
        """Count one batch of rows that may differ, both sides joined."""
        self.add_removed(self._side(batch, IN_AFTER, "b"))
        self.add_added(self._side(batch, IN_BEFORE, "a"))
        if self._names:
            both = pl.col(IN_BEFORE).is_not_null() & pl.col(IN_AFTER).is_not_null()
            self._add_matched(batch.filter(both).with_columns(self._changed))

    def add_added(self, rows: pl.DataFrame, n_rows: int | None = None) -> None:
        """Count rows only the side after has; ``k0``.., ``v0``.. of a sample do."""
        self.n_added += rows.height if n_rows is None else n_rows
        self._added = self._merged(self._added, rows)

    def add_removed(self, rows: pl.DataFrame, n_rows: int | None = None) -> None:
        """Count rows only the side before has; ``k0``.., ``v0``.. of a sample do."""
        self.n_removed += rows.height if n_rows is None else n_rows
        self._removed = self._merged(self._removed, rows)

    def _side(self, batch: pl.DataFrame, absent: str, side: str) -> pl.DataFrame:
        """Select the rows that one side lacks, as the other has them."""
        values = [pl.col(f"{side}{i}").alias(f"v{i}") for i in range(len(self._names))]
        return batch.filter(pl.col(absent).is_null()).select(*self._keys, *values)

    def _add_matched(self, matched: pl.DataFrame) -> None:
        """Count the changed values of rows that both sides have."""
        masks = [f"m{i}" for i in range(len(self._names))]
        matched = matched.filter(pl.any_horizontal(masks))
        if matched.is_empty():
            return
        self.n_changed += matched.height
        totals = matched.select(self._statistics)
        self._totals.append(totals)
        if not self._n_samples:
            return
        matched = _sorted(matched, self._keys)
        for i, cells in enumerate(self._cells):
            if totals[f"n{i}"].item():
                rows = matched.lazy().filter(f"m{i}").head(self._n_samples)
                first = rows.select(*self._keys, f"b{i}", f"a{i}").collect()
                self._cells[i] = self._merged(cells, first)

    def _merged(self, samples: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """Keep the first rows in the order of the key as a sample."""
        if not self._n_samples or rows.is_empty():
            return samples
        first = _sorted(rows, self._keys).head(self._n_samples)
        # A slice would hold all of its batch in memory; sorting few rows copies them.
        both = pl.concat([samples, first]) if samples.height else first
        return _sorted(both, self._keys).head(self._n_samples)

    def added(self) -> tuple[dict[str, Any], ...]:
        """Return the first added rows: key and values by name."""
        return self._first(self._added)

    def removed(self) -> tuple[dict[str, Any], ...]:
        """Return the first removed rows: key and values by name."""
        return self._first(self._removed)

    def _first(self, rows: pl.DataFrame) -> tuple[dict[str, Any], ...]:
        names = [*self._key, *self._names]
        return tuple(dict(zip(names, row, strict=True)) for row in rows.iter_rows())

    def columns(self) -> tuple[ColumnDiff, ...]:
        """Return what is known of each column, in their order."""
        if not self._totals:
            return tuple(
                ColumnDiff(name, 0, None, None, None, ()) for name in self._names
            )
        totals = pl.concat(self._totals).to_dict(as_series=False)
        return tuple(
            self._column(i, name, totals) for i, name in enumerate(self._names)
        )

    def _column(self, i: int, name: str, totals: dict[str, list[Any]]) -> ColumnDiff:
        """Reduce the totals of all batches to those of the whole."""
        n_pairs = sum(totals[f"pairs{i}"])
        sum_abs = sum(value or 0.0 for value in totals[f"sum{i}"])
        return ColumnDiff(
            name,
            sum(totals[f"n{i}"]),
            _largest(totals[f"max{i}"]),
            sum_abs / n_pairs if n_pairs and math.isfinite(sum_abs) else None,
            _largest(totals[f"rel{i}"]),
            self._first_cells(self._cells[i]),
        )

    def _first_cells(self, rows: pl.DataFrame) -> tuple[Cell, ...]:
        return tuple(
            Cell(dict(zip(self._key, values, strict=True)), before, after)
            for *values, before, after in rows.iter_rows()
        )


def differs(n_columns: int) -> pl.Expr:
    """Say which rows are on one side only, or hold a value that is not identical."""
    return pl.any_horizontal(
        pl.col(IN_BEFORE).is_null(),
        pl.col(IN_AFTER).is_null(),
        *(pl.col(f"b{i}").ne_missing(pl.col(f"a{i}")) for i in range(n_columns)),
    )


def _changed(i: int, dtype: pl.DataType, tolerance: float) -> pl.Expr:
    """Say which values differ by more than the tolerance, as ``m{i}``."""
    before, after = pl.col(f"b{i}"), pl.col(f"a{i}")
    changed = before.ne_missing(after)
    if tolerance and dtype.is_numeric():
        distance = _distance(i, dtype)
        # Infinity is close to nothing else, and nothing is close to a null.
        close = distance.is_finite() & (distance <= tolerance * _larger(i))
        changed &= ~close.fill_null(value=False)
    return changed.alias(f"m{i}")


def _statistics(i: int, dtype: pl.DataType) -> Iterable[pl.Expr]:
    """Sum up the changed values of a batch."""
    changed = pl.col(f"m{i}")
    yield changed.sum().cast(pl.Int64).alias(f"n{i}")
    if dtype.is_numeric():
        distance = _distance(i, dtype)
        counted = changed & distance.is_finite()
    else:
        distance, counted = pl.lit(None, pl.Float64), pl.lit(value=False)
    distances = distance.filter(counted)
    larger = _larger(i) if dtype.is_numeric() else distance
    yield counted.sum().cast(pl.Int64).alias(f"pairs{i}")
    yield distances.max().alias(f"max{i}")
    yield distances.sum().alias(f"sum{i}")
    yield (distance / larger).filter(counted).max().alias(f"rel{i}")


def _distance(i: int, dtype: pl.DataType) -> pl.Expr:
    """Return ``|before - after|`` as Float64."""
    # Integers of 64 bits would overflow, or be rounded before they are subtracted.
    is_narrow = dtype.is_integer() and not isinstance(dtype, _WIDE)
    exact = pl.Int128() if is_narrow else pl.Float64()
    before, after = pl.col(f"b{i}").cast(exact), pl.col(f"a{i}").cast(exact)
    return (before - after).abs().cast(pl.Float64)


def _larger(i: int) -> pl.Expr:
    """Return ``max(|before|, |after|)`` as Float64."""
    before, after = pl.col(f"b{i}").cast(pl.Float64), pl.col(f"a{i}").cast(pl.Float64)
    return pl.max_horizontal(before.abs(), after.abs())


def _sorted(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Sort by the key; rows of one key, or all without one, keep their order."""
    return rows.sort(keys, maintain_order=True) if keys and rows.height > 1 else rows


def _largest(values: Iterable[float | None]) -> float | None:
    """Return the maximum of those there are."""
    return max((value for value in values if value is not None), default=None)
