"""Generate the synthetic data, and write it to a file."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from pipeline.errors import SourceError
from pipeline.sources.synthetic.model import (
    RAW_SCHEMA,
    ROWS_PER_YEAR,
    draw_drg_effects,
    draw_facilities,
    draw_year,
)


def generate(*, seed: int, scale: int = 1) -> Iterator[pl.DataFrame]:
    """Generate the raw data set, one frame per year and replica.

    The same seed, NumPy and Polars give the same rows: 14 columns under their published
    names, ordered by year, facility id, DRG code and severity, also from frame to
    frame. Codes and discharges are Int64, money is Float64 US dollars of two decimals,
    the rest String; no nulls. Unique on the first, second, fourth and fifth column.
    Each of ``scale`` replicas has its own facilities and draws but shares the DRGs;
    replica 0 is what ``scale=1`` gives.
    """
    drgs = draw_drg_effects(_rng(seed, 0))
    for year in ROWS_PER_YEAR:
        for replica in range(scale):
            facilities = draw_facilities(_rng(seed, 1, replica), replica, drgs)
            yield draw_year(_rng(seed, 2, replica, year), year, facilities, drgs)


def write_synthetic(
    path: Path,
    *,
    seed: int,
    scale: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the synthetic data set to a CSV or Parquet file.

    The file, ``.csv`` or ``.parquet``, appears under its name when it is whole; memory
    does not grow with ``scale``. `progress` is told the frames written so far and their
    number. Returns the rows written, 1_081_672 per replica.
    """
    writers = {".csv": _csv_writer, ".parquet": _parquet_writer}
    if path.suffix not in writers:
        raise SourceError(
            f"synthetic source: cannot write '{path.name}'\n"
            f"found suffix '{path.suffix}', expected one of {', '.join(writers)}\n"
            "hint: name the file synthetic.parquet or synthetic.csv"
        )
    partial = path.with_name(f"{path.name}.part")
    n_frames, n_rows = len(ROWS_PER_YEAR) * scale, 0
    try:
        with writers[path.suffix](partial) as write:
            for i, frame in enumerate(generate(seed=seed, scale=scale), start=1):
                write(frame)
                n_rows += frame.height
                if progress is not None:
                    progress(i, n_frames)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return n_rows


@contextmanager
def _csv_writer(path: Path) -> Generator[Callable[[pl.DataFrame], None]]:
    """Append frames to one CSV file, with one header."""
    with path.open("wb") as file:
        yield lambda df: df.write_csv(file, include_header=file.tell() == 0)


@contextmanager
def _parquet_writer(path: Path) -> Generator[Callable[[pl.DataFrame], None]]:
    """Append frames to one Parquet file, a row group each."""
    # Late: starting the program must not pay for it.
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]

    parquet = cast("Any", pq)
    schema = pl.DataFrame(schema=RAW_SCHEMA).to_arrow().schema  # pyright: ignore
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        yield lambda df: writer.write_table(df.to_arrow())


def _rng(seed: int, *key: int) -> np.random.Generator:
    """Return an independent generator for one part of the data."""
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key))
    )
