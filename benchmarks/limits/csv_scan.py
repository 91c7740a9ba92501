"""``python -m benchmarks.limits.csv_scan CSV``: what Polars takes to read a CSV.

Prints CPU seconds, the least of five, to scan one column, the numbers, and all columns
as declared, with no expression of ours. One column costs most of it: fields have to be
found before they can be left out, so fewer columns or narrower dtypes save little.
"""

import sys
from pathlib import Path

import polars as pl

from benchmarks.limits import cpu_s

NUMBERS = {
    "Year": pl.Int32,
    "Facility Id": pl.Int32,
    "APR DRG Code": pl.Int32,
    "APR Severity of Illness Code": pl.Int32,
    "Discharges": pl.Int64,
    "Mean Charge": pl.Float64,
    "Median Charge": pl.Float64,
    "Mean Cost": pl.Float64,
    "Median Cost": pl.Float64,
}


def main() -> None:
    """Time the scans."""
    csv = Path(sys.argv[1])
    names = pl.scan_csv(csv, infer_schema=False).collect_schema().names()
    schema = {name: NUMBERS.get(name, pl.String) for name in names}
    narrow = {**schema, "Year": pl.Int16, "Discharges": pl.Int32}
    full, small = (pl.scan_csv(csv, schema=s) for s in (schema, narrow))
    for what, lf in {
        "one column": full.select("Year"),
        "the numbers": full.select(NUMBERS.keys()),
        "the numbers, narrower": small.select(NUMBERS.keys()),
        "all columns": full,
    }.items():
        print(f"{what:24} {cpu_s(lambda lf=lf: lf.collect(engine='streaming')):.3f} s")


if __name__ == "__main__":
    main()
