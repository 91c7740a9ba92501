"""Put the sorted parts of a snapshot together, and look what is in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from pipeline.contracts.checks import Check, Outcome, outcomes_of
from pipeline.engine.one_pass import collect_all, sink
from pipeline.engine.parts.work import sink_for_a_while
from pipeline.files.parquet import scan_parquet
from pipeline.panel.keys import WORKING
from pipeline.snapshots.profile import (
    N_ROWS,
    SAMPLE_EVERY,
    Profile,
    is_large,
    read_profile,
    samples,
    streamed_figures,
    with_row_hash,
)

_N, _FILE, _END = (f"{WORKING}{name}" for name in ("n", "file", "end"))

# Rows that are looked at together.
_PIECE = SAMPLE_EVERY << 14

# Bytes of files that are merged into one: no more than any part's rows may take.
_MERGED = 1 << 26

# Of so many slices, a plan would take longer than the sort it saves.
_N_SLICES = 20_000


def merged(files: Mapping[str, int], key: Sequence[str], folder: Path) -> list[str]:
    """Sort small files into larger ones, each of some that follow one another.

    The files are given with their length. Of hundreds, each slice would cost more to
    plan than to copy.
    """
    groups: list[list[str]] = []
    size = _MERGED
    for file, n_bytes in files.items():
        size += n_bytes
        if size > _MERGED:
            groups.append([])
            size = n_bytes
        groups[-1].append(file)
    found: list[str] = []
    for i, group in enumerate(groups):
        if len(group) == 1:
            found += group
            continue
        found.append(str(folder / f"{i:05}.parquet"))
        rows = pl.concat(map(scan_parquet, group)).sort(key)
        collect_all([sink_for_a_while(rows, found[-1], needs_folder=True)])
    return found


def in_order(files: Sequence[str], key: Sequence[str], column: str) -> pl.LazyFrame:
    """Scan files of sorted rows as one frame in the order of its key.

    Each file holds the values of the column between those of the file before and of
    the one behind. So where the key begins with other columns, such as the year, all
    is in order once the files are taken slice by slice, a slice for each combination
    of their values. Where the column is not in the key, the rows are sorted.
    """
    scans = [scan_parquet(file) for file in files]
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
            collect_all(
                [
                    scan.group_by(before, maintain_order=True).agg(pl.len().alias(_N))
                    for scan in scans
                ]
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


def write(
    file: Path,
    lf: pl.LazyFrame,
    schema: pl.Schema,
    key: Sequence[str],
    checks: Sequence[Check],
) -> tuple[Profile, list[Outcome]]:
    """Write a snapshot of any size, then look at it, within little memory.

    NOTE: Polars takes whole columns into memory for what looks at more than a row at a
    time, such as the row above, and keeps what a slow sink has not yet taken. So the
    rows are written first, and such figures are made piece by piece.
    """
    collect_all([sink(lf, file)])
    written = scan_parquet(file)
    by_row = {c.name: c.violates for c in checks if c.violates is not None}
    others = [c.failures for c in checks if c.violates is None]
    rows = with_row_hash(written, key)
    [found] = collect_all([rows.select(*streamed_figures(schema), *others)])
    row = found.hstack(_look_at_pieces(written, found[N_ROWS].item(), schema, by_row))
    whole = None if is_large(row[N_ROWS].item()) else written.collect()
    return read_profile(schema, row, whole), outcomes_of(checks, row)


def _look_at_pieces(
    lf: pl.LazyFrame, n_rows: int, schema: pl.Schema, by_row: Mapping[str, pl.Expr]
) -> list[pl.Series]:
    """Sample each column of numbers, and count the rows that break each check."""
    sampled: list[pl.DataFrame] = []
    broken: list[pl.DataFrame] = []
    for start in range(0, max(n_rows, 1), _PIECE):
        above = min(start, 1)  # a check may look at the row above
        rows = lf.slice(start - above, _PIECE + above)
        looks = rows.select(violates.alias(name) for name, violates in by_row.items())
        results = collect_all(
            [
                rows.slice(above).select(pl.len(), *samples(schema)),
                looks.slice(above).select(pl.len(), pl.all().sum()),
            ]
        )
        sampled.append(results[0])
        broken.append(results[1])
    return [
        *pl.concat(sampled).drop("len").select(pl.all().explode().implode()),
        *pl.concat(broken).drop("len").sum(),
    ]
