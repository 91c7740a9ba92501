"""What a benchmark needs before the clock starts, in a process of its own.

``python -m benchmarks.prepare compare OURS THEIRS...`` requires equal features.
``python -m benchmarks.prepare cut CSV PART N`` writes the rows of one facility in N,
and prints the share of the (year, facility, DRG) groups they hold.
"""

import sys

import polars as pl
from polars.testing import assert_frame_equal

KEY = ["facility_id", "apr_drg_code", "year"]


def compare(ours: str, *theirs: str) -> str:
    """Compare the features of each contender with the pipeline's, to 1e-9."""
    expected = pl.read_parquet(ours).sort(KEY)
    for path in theirs:
        assert_frame_equal(
            pl.read_parquet(path).sort(KEY).fill_nan(None),
            expected,
            check_column_order=False,
            check_dtypes=False,
            rel_tol=1e-9,
            abs_tol=1e-9,
        )
    return f"{expected.height:,} rows of features, equal to 1e-9 in all contenders"


def cut(csv: str, part: str, one_in: str) -> str:
    """Write the rows of every n-th facility; return the share of groups they hold."""
    raw = pl.scan_csv(csv, schema_overrides={"APR Medical Surgical Code": pl.String})
    ids = pl.col("Facility Id")
    every_nth = ids.unique().sort().gather_every(int(one_in))
    chosen = raw.filter(ids.is_in(every_nth.implode()))
    chosen.sink_csv(part)

    def n_groups(lf: pl.LazyFrame) -> int:
        group = lf.select("Year", "Facility Id", "APR DRG Code")
        return group.unique().select(pl.len()).collect().item()

    return f"{n_groups(chosen) / n_groups(raw):.6f}"


if __name__ == "__main__":
    action, *words = sys.argv[1:]
    print({"compare": compare, "cut": cut}[action](*words))
