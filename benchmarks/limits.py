"""``python -m benchmarks.limits CSV`` shows where limits lie in Polars itself.

Prints CPU seconds of all threads, the least of five, of five kinds of work.

*Scans*, as declared, with no expression of ours: one column costs most of it, as fields
have to be found before they can be left out; fewer columns or narrower dtypes save
little.

*Kept rows*: the same, read back from Parquet. Where one file of eleven is new, no
reading of all can cost less than this and an eleventh of the scan.

*Features*: whatever is computed, to read the numbers and to bring the rows of each
group together is paid; no ratio to a rival can exceed the rival's time over theirs. The
shipped stages come on top, each with those before it and what they need alone.

*Small groups*: a million rows of ten columns in groups of three; keys come in nine
sorted runs, as years do in a file. Medians need the rows of a group together, and a
list with its sum adds little to that, where a sum in ``agg`` costs more than all of it.
Sums by hash alone cost half as much, but then come on top of the sort for the medians.

*Plans*, a hundred times: a hundred expressions take nearly as long of ten rows as of a
thousand, though the plan is composed and resolved before, and not optimized. What
Polars executes it makes anew each time, in a microsecond for a node of an expression;
so it is with a request to a server, which has a few hundred rows.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import polars.selectors as cs

from benchmarks.contenders import load
from benchmarks.numpy_packed import RAW_COLUMNS
from benchmarks.processes import ROOT
from benchmarks.sample import cpu_s
from pipeline.files.parquet import scan_parquet
from pipeline.panel.composed import composed
from pipeline.panel.keys import KEY, packed
from pipeline.plan.compose import compose
from pipeline.plan.settings import load_settings

N_ROWS = 1_048_576
N_PLANS = 100


def of_file(csv: Path) -> dict[str, pl.LazyFrame]:
    """Name what is paid before any feature is computed."""
    names = pl.scan_csv(csv, infer_schema=False).collect_schema().names()
    money = {n: pl.Float64 for n, (_, kind) in RAW_COLUMNS.items() if "float" in kind}
    counts = dict.fromkeys(RAW_COLUMNS, pl.Int32) | {"Discharges": pl.Int64} | money
    schema = {name: counts.get(name, pl.String) for name in names}
    narrow = {**schema, "Year": pl.Int16, "Discharges": pl.Int32}
    full, small = (pl.scan_csv(csv, schema=s) for s in (schema, narrow))
    numbers = full.select(RAW_COLUMNS.keys())
    group = ("Facility Id", "APR DRG Code", "Year")
    key = packed(group, numbers.collect_schema()).alias(KEY)
    rows = numbers.with_columns(key).sort(KEY)
    return {
        "one column": full.select("Year"),
        "the numbers": numbers,
        "the numbers, narrower": small.select(RAW_COLUMNS.keys()),
        "all columns": full,
        "the numbers, sorted by group": rows,
        "and grouped, a list each": rows.group_by(KEY, maintain_order=True).all(),
    }


def of_stages(csv: Path) -> dict[str, pl.LazyFrame]:
    """Name what the shipped stages add to that, without checks of the source."""
    stages = load_settings(ROOT).stages
    plan = compose(of_file(csv)["all columns"], stages)
    medians = cs.starts_with("w_") & cs.contains("median")
    return {
        "weighted means of each group": plan.lf("agg_severities").select(~medians),
        "and medians": plan.lf("agg_severities"),
        "and ratio and bins": plan.lf("yearly_discharge_bin"),
        "and lags and rolling means": plan.lf("drop_non_lag_columns"),
    }


def of_kept(csv: Path, folder: Path) -> dict[str, pl.LazyFrame]:
    """Name what it takes to read the rows that a scan of all columns gives again."""
    rows, kept = of_file(csv)["all columns"], folder / "rows.parquet"
    rows.sink_parquet(kept, compression="lz4")
    return {"all columns, of Parquet": scan_parquet(kept)}


def of_small_groups() -> dict[str, pl.LazyFrame]:
    """Name the parts of an aggregation, each with those before it."""
    row = pl.int_range(N_ROWS, eager=True)
    key = (row * 9 % N_ROWS // 3).cast(pl.Int128)
    columns = {f"x{i}": row.shuffle(seed=i).cast(pl.Float64) for i in range(10)}
    lf = pl.LazyFrame({"key": key, **columns})
    by_key = lf.sort("key").group_by("key", maintain_order=True)
    ten = pl.col("^x.$")
    return {
        "sort, the key alone": lf.select("key").sort("key"),
        "sort, with ten columns": lf.sort("key"),
        "and group, ten lists": by_key.agg(ten),
        "and add each list": by_key.agg(ten).with_columns(ten.list.sum()),
        "or sums in agg": by_key.agg(ten.sum()),
        "hash groups, sums": lf.group_by("key").agg(ten.sum()),
    }


def of_plans(n_rows: int) -> Callable[[], None]:
    """Collect a plan of many expressions and few rows again and again."""

    @composed
    def compared(lf: pl.LazyFrame) -> pl.LazyFrame:
        x, y = pl.col("x"), pl.col("y")
        one = pl.when(x <= y).then(x + y).otherwise(0)
        return lf.with_columns(one.alias(f"x{i}") for i in range(N_PLANS))

    rows = pl.DataFrame({"x": range(n_rows), "y": range(n_rows)})

    def run() -> None:
        for _ in range(N_PLANS):
            compared(rows)

    return run


if __name__ == "__main__":
    csv = Path(sys.argv[1])
    features = load("pipeline")
    with tempfile.TemporaryDirectory() as folder:
        frames = of_file(csv) | of_stages(csv) | of_kept(csv, Path(folder))
        frames |= of_small_groups()
        runs = {
            what: lambda lf=lf: lf.collect(engine="streaming")
            for what, lf in frames.items()
        }
        runs |= {"the features": lambda: features(csv)}
        runs |= {f"plans of {n} rows": of_plans(n) for n in (10, 1_000)}
        for what, run in runs.items():
            print(f"{what:28} {min(cpu_s(run) for _ in range(5)):.3f} s")
