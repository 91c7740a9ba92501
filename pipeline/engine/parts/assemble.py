"""Put the sorted parts of a snapshot together, and look what is in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from pipeline.contracts.checks import Check, Outcome, outcomes_of
from pipeline.engine.one_pass import collect_all, sink
from pipeline.files.arrow import map_arrow, sink_arrow
from pipeline.panel.keys import WORKING
from pipeline.snapshots.profile import (
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

# Of so many slices, the plan would take longer than the sort it saves.
_N_SLICES = 100_000


def in_order(
    files: Sequence[Path], key: Sequence[str], column: str, to: Path
) -> pl.DataFrame:
    """Map files of sorted rows to memory as one frame in the order of its key.

    Each file holds the values of the column between those of the file before and of
    the one behind. So where the key begins with other columns, such as the year, all
    is in order once the files are taken slice by slice, a slice for each combination
    of their values. Where the column is not in the key, or the slices are too many, the
    rows are sorted, `to` a file.
    """
    parts = [map_arrow(file) for file in files]
    before = list(key[: key.index(column)]) if column in key else None
    if before == []:
        return pl.concat(parts)
    runs = None if before is None else _runs(parts, before)
    if runs is None or runs.height > _N_SLICES:
        collect_all([sink_arrow(pl.concat(parts).lazy().sort(key), to)])
        return map_arrow(to)
    slices = [
        parts[int(file)].slice(int(end - n), int(n))
        for file, end, n in runs.select(_FILE, _END, _N).rows()
    ]
    return pl.concat(slices or parts)


def _runs(parts: Sequence[pl.DataFrame], by: Sequence[str]) -> pl.DataFrame:
    """Find the rows of each part that agree in the columns it is sorted by first."""
    runs = collect_all(
        [
            part.lazy().group_by(by, maintain_order=True).agg(pl.len().alias(_N))
            for part in parts
        ]
    )
    numbered = (
        run.with_columns(
            pl.lit(i).alias(_FILE),
            pl.col(_N).cast(pl.Int64),
            pl.col(_N).cum_sum().cast(pl.Int64).alias(_END),
        )
        for i, run in enumerate(runs)
    )
    return pl.concat(numbered).sort(*by, _FILE)


def write(
    file: Path, df: pl.DataFrame, key: Sequence[str], checks: Sequence[Check]
) -> tuple[Profile, list[Outcome]]:
    """Write a snapshot of any size, and look at it, within little memory.

    NOTE: Polars takes whole columns into memory for what looks at more than a row at a
    time, such as the row above, and keeps what a slow sink has not yet taken. So the
    rows are written by themselves, and such figures are made piece by piece.
    """
    lf = df.lazy()
    collect_all([sink(lf, file)])
    by_row = {c.name: c.violates for c in checks if c.violates is not None}
    others = [c.failures for c in checks if c.violates is None]
    rows = with_row_hash(lf, key)
    [found] = collect_all([rows.select(*streamed_figures(df.schema), *others)])
    row = found.hstack(_look_at_pieces(df, by_row))
    whole = None if is_large(df.height) else df
    return read_profile(df.schema, row, whole), outcomes_of(checks, row)


def _look_at_pieces(df: pl.DataFrame, by_row: Mapping[str, pl.Expr]) -> list[pl.Series]:
    """Sample each column of numbers, and count the rows that break each check."""
    sampled: list[pl.DataFrame] = []
    broken: list[pl.DataFrame] = []
    for start in range(0, max(df.height, 1), _PIECE):
        above = min(start, 1)  # a check may look at the row above
        rows = df.slice(start - above, _PIECE + above).lazy()
        looks = rows.select(violates.alias(name) for name, violates in by_row.items())
        results = collect_all(
            [
                rows.slice(above).select(pl.len(), *samples(df.schema)),
                looks.slice(above).select(pl.len(), pl.all().sum()),
            ]
        )
        sampled.append(results[0])
        broken.append(results[1])
    return [
        *pl.concat(sampled).drop("len").select(pl.all().explode().implode()),
        *pl.concat(broken).drop("len").sum(),
    ]
