"""``python -m benchmarks.limits.floor CSV``: the least that features cost in Polars.

Prints CPU seconds, the least of five, to read the numbers of the file, to bring the
rows of each group together as well, and to compute the features. Whatever is computed,
the first two are paid: no ratio to a rival can exceed the rival's time over theirs.
"""

import sys
from pathlib import Path

import polars as pl

from benchmarks.contenders import load
from benchmarks.limits import cpu_s
from benchmarks.limits.csv_scan import NUMBERS
from pipeline.panel.keys import KEY, packed

GROUP = ("Facility Id", "APR DRG Code", "Year")


def main() -> None:
    """Time the floor, and what stands on it."""
    csv = Path(sys.argv[1])
    names = pl.scan_csv(csv, infer_schema=False).collect_schema().names()
    schema = {name: NUMBERS.get(name, pl.String) for name in names}
    numbers = pl.scan_csv(csv, schema=schema).select(NUMBERS.keys())
    key = packed(GROUP, numbers.collect_schema()).alias(KEY)
    rows = numbers.with_columns(key).sort(KEY)
    groups = rows.group_by(KEY, maintain_order=True).agg(pl.all())
    features = load("pipeline")
    for what, run in {
        "read the numbers": lambda: numbers.collect(engine="streaming"),
        "and sort by group": lambda: rows.collect(engine="streaming"),
        "and group, a list each": lambda: groups.collect(engine="streaming"),
        "the features": lambda: features(csv),
    }.items():
        print(f"{what:24} {cpu_s(run):.3f} s")


if __name__ == "__main__":
    main()
