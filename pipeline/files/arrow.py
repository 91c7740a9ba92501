"""Arrow files, written and read by paths of which nothing is data.

Rows that are soon read again are written in a third of the time that Parquet takes, and
are in memory as soon as they are mapped to it.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

import polars as pl


def sink_arrow(
    lf: pl.LazyFrame, file: Path | str | pl.PartitionBy, *, mkdir: bool = False
) -> pl.LazyFrame:
    """Write a frame to a file, or to one per part, when it is collected."""
    return lf.sink_ipc(file, compression="uncompressed", mkdir=mkdir, lazy=True)


def scan_arrow(files: str | Sequence[str]) -> pl.LazyFrame:
    """Scan the rows of a file, or of several as one."""
    paths = [files] if isinstance(files, str) else [*files]
    return pl.scan_ipc(paths, glob=False, hive_partitioning=False)  # noqa: TID251


def map_arrow(file: Path) -> pl.DataFrame:
    """Map a file on this machine to memory: only what is looked at is read."""
    arrow = import_module("pyarrow")  # late: few runs go part by part
    with arrow.memory_map(str(file)) as content:
        table = arrow.ipc.open_file(content).read_all()
    rows: object = pl.from_arrow(table, rechunk=False)  # pyright: ignore[reportUnknownMemberType]
    return cast("pl.DataFrame", rows)
