"""Tell which of the matched rows changed, where, and by how much.

Columns are named as in `pipeline.snapshots.diff.rows`; besides, ``m0``.. say where
``b0``.. and ``a0``.. differ.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import polars as pl
import polars.selectors as cs

IN_BEFORE, IN_AFTER = "in_b", "in_a"

_WIDE = (pl.Int128, pl.UInt128)


class Cell(msgspec.Struct, frozen=True):
    """A value that changed, with the key of its row, as Python values."""

    key: dict[str, Any]
    before: Any
    after: Any


class ColumnDiff(msgspec.Struct, frozen=True):
    """How a column that both sides have differs in the rows both sides have.

    A null differs from every value; NaN equals NaN, and -0.0 equals 0.0. Distances are
    of the changed values of a column of numbers, in the column's unit. Pairs with a
    null, or whose difference is not finite, do not count; None if no pair is left.
    """

    name: str
    n_changed: int
    max_abs_diff: float | None
    mean_abs_diff: float | None
    """None also if the sum is not finite. The last digit may vary from call to call, as
    the order of addition does."""
    max_rel_diff: float | None
    """Largest ``|before - after| / max(|before|, |after|)``, from 0 to 2."""
    samples: tuple[Cell, ...]
    """The first changed values in the order of the key."""


class Sample:
    """Counts rows, and keeps the first of them in the order of the key."""

    def __init__(self, keys: list[str], n_kept: int) -> None:
        self.n = 0
        self._keys, self._n_kept, self._rows = keys, n_kept, pl.DataFrame()

    def add(self, rows: pl.DataFrame, n: int) -> None:
        """Count some rows, of which the first are given; those of one key stay so."""
        self.n += n
        if not self._n_kept or rows.is_empty():
            return
        first = rows.sort(self._keys, maintain_order=True).head(self._n_kept)
        # A slice would hold all of its batch in memory; sorting few rows copies them.
        both = pl.concat([self._rows, first]) if self._rows.height else first
        self._rows = both.sort(self._keys, maintain_order=True).head(self._n_kept)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Give the rows that are kept, as Python values."""
        return self._rows.iter_rows()


class Tally:
    """Adds up the rows that differ, batch by batch.

    It is given the user's names of ``k0``.., and those of ``b0``.. and ``a0``.. with
    the dtype both have here.
    """

    def __init__(
        self,
        key: Sequence[str],
        dtypes: dict[str, pl.DataType],
        *,
        tolerance: float,
        n_samples: int,
    ) -> None:
        self._key, self._names, self._n_samples = list(key), list(dtypes), n_samples
        self._keys = [f"k{i}" for i in range(len(key))]
        self.added, self.removed = (Sample(self._keys, n_samples) for _ in "ar")
        self.n_changed = 0
        self._cells = [Sample(self._keys, n_samples) for _ in dtypes]
        self._totals: list[pl.DataFrame] = []
        columns = list(enumerate(dtypes.values()))
        self._changed = [_changed(i, dtype, tolerance) for i, dtype in columns]
        self._statistics = [e for i, dtype in columns for e in _statistics(i, dtype)]

    def add(self, batch: pl.DataFrame) -> None:
        """Count one batch of rows that may differ, both sides joined."""
        for sample, side, absent in (
            (self.removed, "b", IN_AFTER),
            (self.added, "a", IN_BEFORE),
        ):
            values = [f"{side}{i}" for i in range(len(self._names))]
            rows = batch.filter(pl.col(absent).is_null()).select(*self._keys, *values)
            rows = rows.rename({name: f"v{name[1:]}" for name in values})
            sample.add(rows, rows.height)
        if self._names:
            both = pl.col(IN_BEFORE).is_not_null() & pl.col(IN_AFTER).is_not_null()
            self._add_matched(batch.filter(both).with_columns(self._changed))

    def _add_matched(self, matched: pl.DataFrame) -> None:
        """Count the changed values of rows that both sides have."""
        masks = [f"m{i}" for i in range(len(self._names))]
        matched = matched.filter(pl.any_horizontal(masks))
        if matched.is_empty():
            return
        self.n_changed += matched.height
        totals = matched.select(self._statistics)
        self._totals.append(totals)
        matched = matched.sort(self._keys)
        for i, cells in enumerate(self._cells):
            if n := totals[f"n{i}"].item():
                rows = matched.lazy().filter(f"m{i}").head(self._n_samples)
                cells.add(rows.select(*self._keys, f"b{i}", f"a{i}").collect(), n)

    def columns(self) -> tuple[ColumnDiff, ...]:
        """Return what is known of each column, in their order."""
        totals: dict[str, Any] = {}
        if self._totals:
            sums, largest = cs.starts_with("pairs", "sum"), cs.starts_with("max", "rel")
            whole = pl.concat(self._totals).select(sums.sum(), largest.max())
            totals = whole.row(0, named=True) if whole.width else {}
        return tuple(
            ColumnDiff(
                name,
                cells.n,
                totals.get(f"max{i}"),
                _mean(totals.get(f"sum{i}", 0.0), totals.get(f"pairs{i}", 0)),
                totals.get(f"rel{i}"),
                tuple(
                    Cell(dict(zip(self._key, values, strict=True)), before, after)
                    for *values, before, after in cells.rows()
                ),
            )
            for i, (name, cells) in enumerate(
                zip(self._names, self._cells, strict=True)
            )
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
    changed = pl.col(f"b{i}").ne_missing(pl.col(f"a{i}"))
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
    if not dtype.is_numeric():
        return
    distance = _distance(i, dtype)
    counted = changed & distance.is_finite()
    yield counted.sum().cast(pl.Int64).alias(f"pairs{i}")
    yield distance.filter(counted).max().alias(f"max{i}")
    yield distance.filter(counted).sum().alias(f"sum{i}")
    yield (distance / _larger(i)).filter(counted).max().alias(f"rel{i}")


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


def _mean(total: float, n_pairs: int) -> float | None:
    """Divide a sum, if it is finite and of any pairs."""
    return total / n_pairs if n_pairs and math.isfinite(total) else None
