"""``python -m benchmarks.limits.small_groups``: groups of three rows in Polars.

Prints nanoseconds of CPU time per row, the least of five, for a million rows of ten
columns; keys come in nine sorted runs, as years do in a file. Medians need the rows of
a group together: sorting and grouping are paid before any figure is computed, and a
list with its sum adds little to that, where a sum in ``agg`` costs more than all of it.
Sums by hash alone cost half as much, but then come on top of the sort for the medians.
"""

from collections.abc import Callable

import polars as pl

from benchmarks.limits import cpu_s

N_ROWS = 1_048_576


def ns_per_row(run: Callable[[], object]) -> float:
    """Time a call five times; return the least CPU time of all threads per row."""
    return cpu_s(run) / N_ROWS * 1e9


def main() -> None:
    """Time the parts of an aggregation, each with those before it."""
    row = pl.int_range(N_ROWS, eager=True)
    key = (row * 9 % N_ROWS // 3).cast(pl.Int128)
    columns = {f"x{i}": row.shuffle(seed=i).cast(pl.Float64) for i in range(10)}
    lf = pl.LazyFrame({"key": key, **columns})
    by_key = lf.sort("key").group_by("key", maintain_order=True)
    ten = pl.col("^x.$")
    for what, result in {
        "sort, the key alone": lf.select("key").sort("key"),
        "sort, with ten columns": lf.sort("key"),
        "and group, ten lists": by_key.agg(ten),
        "and add each list": by_key.agg(ten).with_columns(ten.list.sum()),
        "or sums in agg": by_key.agg(ten.sum()),
        "hash groups, sums": lf.group_by("key").agg(ten.sum()),
    }.items():
        ns = ns_per_row(lambda lf=result: lf.collect(engine="streaming"))
        print(f"{what:24} {ns:6.1f} ns per row")


if __name__ == "__main__":
    main()
