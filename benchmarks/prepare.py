"""What a benchmark needs before the clock starts, in a process of its own.

``python -m benchmarks.prepare compare OURS THEIRS...`` requires equal features.
``python -m benchmarks.prepare cut CSV PART N`` writes the rows of one facility in N,
and prints the share of the (year, facility, DRG) groups they hold.
``python -m benchmarks.prepare split FILE FOLDER N`` writes its rows as N files.
"""

import sys
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from benchmarks.semantics import KEY


def compare(ours: str, *theirs: str) -> str:
    """Compare the features of each contender with the pipeline's."""
    expected = pl.read_parquet(ours).sort(KEY)
    for path in theirs:
        require_equal(pl.read_parquet(path).sort(KEY).fill_nan(None), expected)
    return f"{expected.height:,} rows of features, equal to 1e-9 in all contenders"


def require_equal(theirs: pl.DataFrame, ours: pl.DataFrame) -> None:
    """Require equal values, to 1e-9."""
    assert_frame_equal(
        theirs,
        ours,
        check_column_order=False,
        check_dtypes=False,
        rel_tol=1e-9,
        abs_tol=1e-9,
    )


def cut(csv: str, part: str, one_in: str) -> str:
    """Write the rows of every n-th facility; return the share of groups they hold."""
    raw = pl.scan_csv(csv, schema_overrides={"APR Medical Surgical Code": pl.String})
    chosen = one_facility_in(raw, "Facility Id", int(one_in))
    chosen.sink_csv(part)

    def n_groups(lf: pl.LazyFrame) -> int:
        group = lf.select("Year", "Facility Id", "APR DRG Code")
        return group.unique().select(pl.len()).collect().item()

    return f"{n_groups(chosen) / n_groups(raw):.6f}"


def split(file: str, folder: str, n_files: str) -> str:
    """Write the rows as so many files of the same kind, in their order."""
    kind = Path(file).suffix
    df = (
        pl.read_csv(file, infer_schema=False)
        if kind == ".csv"
        else pl.read_parquet(file)
    )
    parts = df.iter_slices(-(-df.height // int(n_files)))
    for i, part in enumerate(parts):
        path = Path(folder, f"{i:06}{kind}")
        part.write_csv(path) if kind == ".csv" else part.write_parquet(path)
    return n_files


def one_facility_in(lf: pl.LazyFrame, column: str, n: int) -> pl.LazyFrame:
    """Keep the rows of one facility in so many."""
    kept = pl.col(column).unique().sort().gather_every(n).implode()
    return lf.filter(pl.col(column).is_in(kept))


if __name__ == "__main__":
    action, *words = sys.argv[1:]
    print({"compare": compare, "cut": cut, "split": split}[action](*words))
