"""Put the sorted parts of a snapshot in the order of its key, without sorting again."""

from collections.abc import Sequence

import polars as pl

from pipeline.panel import WORKING

_N, _FILE, _END = (f"{WORKING}{name}" for name in ("n", "file", "end"))

# Of so many slices, a plan would take longer than the sort it saves.
_N_SLICES = 20_000


def in_order(files: Sequence[str], key: Sequence[str], column: str) -> pl.LazyFrame:
    """Scan files of sorted rows as one frame in the order of its key.

    Each file holds the values of the column between those of the file before and of
    the one behind. So where the key begins with other columns, such as the year, all
    is in order once the files are taken slice by slice, a slice for each combination
    of their values. Where the column is not in the key, the rows are sorted.

    Parameters
    ----------
    files : sequence of str
        Parquet files, ascending by `column`, each sorted by `key`.
    key : sequence of str
        Columns of any dtypes that sort.
    column : str
        By which the rows were split.
    """
    scans = [pl.scan_parquet(file, glob=False) for file in files]
    if column not in key:
        return pl.concat(scans).sort(key)
    before = list(key[: key.index(column)])
    if not before:
        return pl.concat(scans)
    runs = pl.concat(
        run.with_columns(
            pl.lit(i).alias(_FILE), pl.col(_N).cum_sum().cast(pl.Int64).alias(_END)
        )
        for i, run in enumerate(
            pl.collect_all(
                [
                    scan.group_by(before, maintain_order=True).agg(pl.len().alias(_N))
                    for scan in scans
                ],
                engine="streaming",
            )
        )
    )
    if runs.height > _N_SLICES:
        return pl.concat(scans).sort(key)
    slices = [
        scans[int(file)].slice(int(end - n), int(n))
        for file, end, n in runs.sort(*before, _FILE).select(_FILE, _END, _N).rows()
    ]
    return pl.concat(slices) if slices else pl.concat(scans)
