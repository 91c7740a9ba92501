"""Read Parquet files by their paths, of which nothing is data.

To Polars, a path may be a pattern of others (``[x]``, ``*``) or hold values of columns
(``year=1999/``). Here it is a name. Nothing else in ``pipeline/`` reads Parquet with
Polars (a rule of the linter); in SQL, `pipeline.snapshots.catalog.rows_of` does.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl


def scan_parquet(
    files: Path | str | Sequence[Path] | Sequence[str],
    *,
    schema: Mapping[str, pl.DataType] | None = None,
    row_index_name: str | None = None,
    include_file_paths: str | None = None,
) -> pl.LazyFrame:
    """Scan the rows of a file, or of several as one.

    With a `schema`, its columns are found by name in each file, which may have more.
    `row_index_name` counts the rows from 0; `include_file_paths` names their file as
    given.
    """
    return pl.scan_parquet(  # noqa: TID251
        files,  # pyright: ignore[reportArgumentType]
        glob=False,
        hive_partitioning=False,
        schema=schema,
        extra_columns="raise" if schema is None else "ignore",
        row_index_name=row_index_name,
        include_file_paths=include_file_paths,
    )


def read_parquet(file: Path | str) -> pl.DataFrame:
    """Read all rows of one file."""
    return pl.read_parquet(file, glob=False, hive_partitioning=False)  # noqa: TID251
