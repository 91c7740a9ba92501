"""Generate the synthetic data, and write it to a file."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

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


def write_synthetic(path: Path, *, seed: int, scale: int = 1) -> None:
    """Write the synthetic data set to a CSV or Parquet file, as its suffix says.

    The file appears under its name when it is whole; memory does not grow with `scale`.
    """
    from tqdm import tqdm  # imported late: few runs make data

    partial = path.with_name(f"{path.name}.part")
    write = _write_csv if path.suffix == ".csv" else _write_parquet
    n_frames = len(ROWS_PER_YEAR) * scale
    frames = generate(seed=seed, scale=scale)
    try:
        write(
            partial,
            tqdm(frames, total=n_frames, unit="part", leave=False, disable=None),
        )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_csv(path: Path, frames: Iterable[pl.DataFrame]) -> None:
    """Write frames to one CSV file, with one header."""
    with path.open("wb") as file:
        for df in frames:
            df.write_csv(file, include_header=file.tell() == 0)


def _write_parquet(path: Path, frames: Iterable[pl.DataFrame]) -> None:
    """Write frames to one Parquet file, a row group each."""
    # Late: starting the program must not pay for it.
    import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]

    parquet = cast("Any", pq)
    schema = pl.DataFrame(schema=RAW_SCHEMA).to_arrow().schema  # pyright: ignore
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for df in frames:
            writer.write_table(df.to_arrow())


def _rng(seed: int, *key: int) -> np.random.Generator:
    """Return an independent generator for one part of the data."""
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key))
    )
