"""Parquet files: one or a glob, each with its own column order and number widths."""

from pathlib import Path

import polars as pl

from pipeline import parquet
from pipeline.errors import SourceError
from pipeline.files import SourceFile, find_files, shown
from pipeline.sources.columns import (
    DeclaredColumns,
    Kind,
    dtype_of,
    parse_number,
    parse_text,
)
from pipeline.sources.scan import (
    OVERFLOW,
    RECORD,
    Scan,
    Stream,
    judge,
    match_columns,
    scan_of,
)


class ParquetSource(
    DeclaredColumns, frozen=True, kw_only=True, tag="parquet", tag_field="kind"
):
    """Raw rows in Parquet files.

    Attributes
    ----------
    path : str
        File or glob, relative to the project's folder, or ``s3://bucket/...``.
    """

    path: str


def scan_parquet(
    config: ParquetSource,
    root: Path,
    *,
    repair: bool = False,  # noqa: ARG001 -- all sources are scanned by the same call
    stand_in: bool = False,
) -> Scan:
    """Scan Parquet files into the declared columns.

    Reads only the footers. Numbers of any width are cast, strings are cleaned as
    those of a CSV file are.

    Parameters
    ----------
    config : ParquetSource
        What to read.
    root : Path
        Folder that ``config.path`` is relative to.
    repair : bool
        Ignored: Parquet keeps its raw cells, the first pass is exact.
    stand_in : bool
        Call the files 0, 1 ... in the plan, which then says how they are read,
        wherever they are, and cannot be run.

    Returns
    -------
    Scan
        ``rows`` in file and record order.

    Raises
    ------
    SourceError
        If a file is missing, is no Parquet, has no rows, lacks a declared column or
        holds one with a dtype that cannot become the declared one.
    """
    files = find_files(config.path, root)
    streams = [
        _scan_file(file, Path(str(i)) if stand_in else file, config, root)
        for i, file in enumerate(files)
    ]
    return scan_of(streams, files, exact=True)


def number_lines(
    bad: pl.DataFrame,
    root: Path,  # noqa: ARG001 -- all sources are asked by the same call
) -> pl.DataFrame:
    """Count rows from 1, as ``line``: a Parquet file has no lines.

    Takes and returns what ``pipeline.sources.csv.number_lines`` does.
    """
    return bad.select(
        "file",
        pl.col("record").cast(pl.Int64).alias("line") + 1,
        "column",
        "value",
        "reason",
    ).sort("file", "line", maintain_order=True)


def diagnose(files: tuple[SourceFile, ...]) -> SourceError | None:
    """Say which file made Polars fail, and why, after a run has failed."""
    for file in files:
        try:
            parquet.scan_parquet(str(file)).select(pl.all().is_null().sum()).collect(
                engine="streaming"
            )
        except (pl.exceptions.PolarsError, OSError) as error:
            return _unreadable(file, error)
    return None


def _scan_file(
    file: SourceFile, named: SourceFile, config: ParquetSource, root: Path
) -> Stream:
    """Scan one file, under the name it has in the plan, and judge its rows."""
    try:
        found = parquet.scan_parquet(str(file))
        schema = found.collect_schema()
        n_rows = found.select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(file, error) from error
    if n_rows == 0:
        raise SourceError(
            f"{file}: holds no rows\nfound: 0 rows\nexpected: at least 1\n"
            "hint: write the file again, or remove it"
        )
    lf = parquet.scan_parquet(str(named), schema=schema, row_index_name=RECORD)
    names = list(schema)
    found = match_columns(names, config.columns, config.rename, file)
    declared = lf.select(
        RECORD,
        *(pl.col(names[position]).alias(name) for name, position in found.items()),
        pl.lit(None, pl.String).alias(OVERFLOW),
    )
    parsed = {
        name: _parse(name, schema[names[position]], config.columns[name], file)
        for name, position in found.items()
        if config.columns[name] == "label"
        or schema[names[position]] != dtype_of(config.columns[name])
    }
    judged = judge(declared, parsed, config.columns)
    name = shown(named, root)
    return Stream(judged, parsed, config.columns, name, n_rows=n_rows)


def _parse(name: str, dtype: pl.DataType, kind: Kind, file: SourceFile) -> pl.Expr:
    """Bring a column to its declared dtype; null where a cell does not fit."""
    column, wanted = pl.col(name), dtype_of(kind)
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        return parse_text(column.cast(pl.String), kind)
    if dtype == pl.Null:
        return column.cast(wanted)
    if not dtype.is_numeric():
        raise SourceError(
            f"{file}: column {name!r} has the wrong type\n"
            f"found: {dtype}\nexpected: a {kind}, as {wanted} or text\n"
            "hint: change the column's kind in the config, or write the file again"
        )
    return parse_number(column, dtype, kind)


def _unreadable(file: SourceFile, error: Exception) -> SourceError:
    """Say that a file is no readable Parquet file."""
    return SourceError(
        f"{file}: cannot be read as Parquet\nfound: {str(error).splitlines()[0]}\n"
        "expected: a whole, readable Parquet file\n"
        "hint: check its permissions, write it again, or use `kind: csv`"
    )
