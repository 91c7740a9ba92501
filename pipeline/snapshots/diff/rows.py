"""Match the rows of two Parquet objects, and hand those that differ to a tally.

Columns go by names of their own, so that no name of the data can be in the way:
``k0``.. are the key, ``v0``.. the values of one side, ``b0``.. and ``a0``.. those
before and after, ``in_b`` and ``in_a`` say on which side a row is (true, or null).
"""

import filecmp
from pathlib import Path
from typing import NamedTuple

import polars as pl
import polars.selectors as cs

from pipeline.files.parquet import scan_parquet
from pipeline.snapshots.diff.values import IN_AFTER, IN_BEFORE, Tally, differs

_Dtypes = dict[str, pl.DataType]


class _Side(NamedTuple):
    """One object: its rows, and how its key lies in it."""

    lf: pl.LazyFrame
    is_sorted: bool
    repeated: pl.DataFrame  # keys of several rows, ``n`` of them

    @property
    def n_repeated(self) -> int:
        """Rows whose key is not unique."""
        return int(self.repeated["n"].sum())


def diff_rows(
    before: Path, after: Path, key: _Dtypes, values: _Dtypes, tally: Tally
) -> tuple[int, int]:
    """Tally how the rows of two objects differ.

    Both are brought to the dtypes given with the columns to match by and to diff. Of
    files with the same bytes only the keys are read.

    Returns
    -------
    tuple of int
        Rows before and after whose key is not unique on their side.

    Raises
    ------
    polars.exceptions.PolarsError, OSError
        If an object cannot be read.
    """
    left = right = _side(before, key, values)
    if not filecmp.cmp(before, after, shallow=False):
        right = _side(after, key, values)
        _tally_rows(left, right, [f"k{i}" for i in range(len(key))], tally)
    return left.n_repeated, right.n_repeated


def _side(path: Path, key: _Dtypes, values: _Dtypes) -> _Side:
    """Look at the key of an object: is it sorted, and which of it is not unique."""
    names = {name: f"k{i}" for i, name in enumerate(key)}
    keys = list(names.values())
    names |= {name: f"v{i}" for i, name in enumerate(values)}
    dtypes = {names[name]: dtype for name, dtype in (key | values).items()}
    lf = scan_parquet(path).select(cs.by_name(*names)).rename(names)
    lf = lf.select(names.values()).cast(dtypes)  # pyright: ignore[reportArgumentType]
    is_sorted, is_unique = _order(lf.select(keys))
    counts = (lf.clear() if is_unique else lf).group_by(keys).len("n")
    repeated = counts.filter(pl.col("n") > 1).collect(engine="streaming")
    return _Side(lf, is_sorted, repeated)


def _order(keys: pl.LazyFrame) -> tuple[bool, bool]:
    """Say whether rows are sorted and, if so, unique; look at one batch at a time."""
    last = pl.DataFrame(schema=keys.collect_schema())
    is_unique = True
    for batch in keys.collect_batches(engine="streaming"):
        rows = pl.concat([last, batch])
        if not rows.to_struct().is_sorted():
            return False, False
        same = pl.all_horizontal(pl.all().eq_missing(pl.all().shift()))
        is_unique &= not rows.select(same.slice(1).any()).item()
        last = batch.tail(1)
    return True, is_unique


def _tally_rows(before: _Side, after: _Side, keys: list[str], tally: Tally) -> None:
    """Tally rows of unique keys as matched, the others as whole rows."""
    sides = [before.lf, after.lf]
    repeated = pl.concat([before.repeated, after.repeated]).select(keys).lazy()
    if before.n_repeated or after.n_repeated:
        _tally_whole_rows(
            [lf.join(repeated, on=keys, how="semi", nulls_equal=True) for lf in sides],
            tally,
        )
        sides = [
            lf.join(repeated, on=keys, how="anti", nulls_equal=True) for lf in sides
        ]
    elif before.is_sorted and after.is_sorted:
        # With both hints Polars merges the sides in place of hashing one of them.
        sides = [lf.set_sorted(keys) for lf in sides]
    _tally_matched(sides, keys, tally)


def _tally_whole_rows(sides: list[pl.LazyFrame], tally: Tally) -> None:
    """Tally rows that nothing but their values tells apart; equal ones cancel out."""
    names = sides[0].collect_schema().names()
    counts = pl.concat(
        lf.with_columns(n=pl.lit(sign, pl.Int64))
        for lf, sign in zip(sides, (1, -1), strict=True)
    )
    surplus = counts.group_by(names).agg(pl.col("n").sum()).filter(pl.col("n") != 0)
    # A hash table's order varies; samples are to be the same each time.
    net = surplus.collect(engine="streaming").sort(names)
    removed, added = net.filter(pl.col("n") > 0), net.filter(pl.col("n") < 0)
    tally.removed.add(removed.select(names), int(removed["n"].sum()))
    tally.added.add(added.select(names), -int(added["n"].sum()))


def _tally_matched(sides: list[pl.LazyFrame], keys: list[str], tally: Tally) -> None:
    """Tally rows whose key is unique on both sides."""
    n_values = len(sides[0].collect_schema()) - len(keys)
    before, after = (
        lf.rename({f"v{i}": f"{side}{i}" for i in range(n_values)}).with_columns(
            pl.lit(value=True).alias(marker)
        )
        for lf, side, marker in zip(
            sides, ("b", "a"), (IN_BEFORE, IN_AFTER), strict=True
        )
    )
    joined = before.join(after, on=keys, how="full", nulls_equal=True, coalesce=True)
    lf = joined.filter(differs(n_values))
    for batch in lf.collect_batches(engine="streaming"):
        tally.add(batch)
