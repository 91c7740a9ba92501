"""Match the rows of two Parquet objects, and hand those that differ to a tally."""

from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl
import polars.selectors as cs

from pipeline.files.parquet import scan_parquet
from pipeline.snapshots.diff.values import IN_AFTER, IN_BEFORE, Tally, differs


def compare_rows(
    paths: tuple[Path, Path],
    key: dict[str, pl.DataType],
    values: dict[str, pl.DataType],
    tally: Tally,
    *,
    is_same: bool,
) -> tuple[int, int]:
    """Tally how the rows of two objects differ.

    Parameters
    ----------
    paths : tuple of Path
        The objects before and after.
    key, values : dict of str to pl.DataType
        The columns to match by and to compare, with the dtype both are brought to.
    tally : Tally
        Receives the rows that differ.
    is_same : bool
        Whether the objects are known to be equal: then only the keys are read.

    Returns
    -------
    tuple of int
        Rows before and after whose key is not unique on their side.

    Raises
    ------
    polars.exceptions.PolarsError, OSError
        If an object cannot be read.
    """
    keys = [f"k{i}" for i in range(len(key))]
    before = _side(_scan(paths[0], key, values), keys)
    after = before if is_same else _side(_scan(paths[1], key, values), keys)
    if not is_same:
        _compare(before, after, keys, len(values), tally)
    return before.n_repeated, after.n_repeated


class _Side(NamedTuple):
    """One object: its rows, and how its key lies in it."""

    lf: pl.LazyFrame
    is_sorted: bool
    repeated: pl.DataFrame | None = None  # keys of several rows, ``n`` of them

    @property
    def n_repeated(self) -> int:
        """Rows whose key is not unique."""
        return 0 if self.repeated is None else int(self.repeated["n"].sum())


def _compare(
    before: _Side, after: _Side, keys: list[str], n_values: int, tally: Tally
) -> None:
    """Tally how the rows of both sides differ."""
    left, right = before.lf, after.lf
    found = [side.repeated for side in (before, after) if side.repeated is not None]
    if not keys:
        _tally_whole_rows(left, right, tally)
        return
    if found:
        repeated = pl.concat([frame.select(keys) for frame in found]).unique()
        _tally_whole_rows(
            _having(left, repeated, keys, how="semi"),
            _having(right, repeated, keys, how="semi"),
            tally,
        )
        left = _having(left, repeated, keys, how="anti")
        right = _having(right, repeated, keys, how="anti")
    elif before.is_sorted and after.is_sorted:
        # With both hints Polars merges the sides in place of hashing one of them.
        left, right = left.set_sorted(keys), right.set_sorted(keys)
    _tally_matched(left, right, keys, n_values, tally)


def _having(
    lf: pl.LazyFrame,
    repeated: pl.DataFrame,
    keys: list[str],
    *,
    how: Literal["semi", "anti"],
) -> pl.LazyFrame:
    """Keep the rows that have, or have not, one of the keys."""
    return lf.join(repeated.lazy(), on=keys, how=how, nulls_equal=True)


def _side(lf: pl.LazyFrame, keys: list[str]) -> _Side:
    """Look at the key: is it sorted, and which of it is not unique."""
    if not keys:
        return _Side(lf, is_sorted=False)
    is_sorted, is_unique = _order(lf.select(keys))
    if is_unique:
        return _Side(lf, is_sorted)
    counts = lf.group_by(keys).agg(pl.len().alias("n")).filter(pl.col("n") > 1)
    repeated = counts.collect(engine="streaming")
    return _Side(lf, is_sorted, None if repeated.is_empty() else repeated)


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


def _tally_matched(
    before: pl.LazyFrame,
    after: pl.LazyFrame,
    keys: list[str],
    n_values: int,
    tally: Tally,
) -> None:
    """Tally rows whose key is unique on both sides."""
    marked = [
        lf.rename({f"v{i}": f"{side}{i}" for i in range(n_values)}).with_columns(
            pl.lit(value=True).alias(marker)
        )
        for lf, side, marker in ((before, "b", IN_BEFORE), (after, "a", IN_AFTER))
    ]
    joined = marked[0].join(
        marked[1], on=keys, how="full", nulls_equal=True, coalesce=True
    )
    lf = joined.filter(differs(n_values))
    for batch in lf.collect_batches(engine="streaming"):
        tally.add(batch)


def _tally_whole_rows(before: pl.LazyFrame, after: pl.LazyFrame, tally: Tally) -> None:
    """Tally rows that nothing but their values tells apart; equal ones cancel out."""
    names = before.collect_schema().names()
    counts = pl.concat(
        [
            lf.with_columns(pl.lit(sign, pl.Int64).alias("n"))
            for lf, sign in ((before, 1), (after, -1))
        ]
    )
    surplus = counts.group_by(names).agg(pl.col("n").sum()).filter(pl.col("n") != 0)
    net = surplus.collect(engine="streaming")
    removed, added = net.filter(pl.col("n") > 0), net.filter(pl.col("n") < 0)
    # A hash table's order varies; samples are to be the same each time.
    tally.add_removed(removed.select(names).sort(names), int(removed["n"].sum()))
    tally.add_added(added.select(names).sort(names), -int(added["n"].sum()))


def _scan(
    path: Path, key: dict[str, pl.DataType], values: dict[str, pl.DataType]
) -> pl.LazyFrame:
    """Scan the compared columns under names of their own: ``k0``.., ``v0``.."""
    names = {name: f"k{i}" for i, name in enumerate(key)}
    names |= {name: f"v{i}" for i, name in enumerate(values)}
    dtypes = {names[name]: dtype for name, dtype in (key | values).items()}
    lf = scan_parquet(path).select(cs.by_name(*names))
    return lf.rename(names).select(names.values()).cast(dtypes)  # pyright: ignore
