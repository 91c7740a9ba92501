"""Parquet files: one or a glob, each with its own column order and number widths."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote

import polars as pl

from pipeline.errors import SourceError
from pipeline.files import parquet
from pipeline.files.local import FileStat, SourceFile, find_files, shown, stat_of
from pipeline.files.remote import is_remote
from pipeline.panel.composed import composed
from pipeline.sources.cells import can_be, parse_typed
from pipeline.sources.columns import (
    Declared,
    DeclaredColumns,
    column_of,
    dtype_of,
    is_open,
    with_offset,
)
from pipeline.sources.lasts import Lasts
from pipeline.sources.scan import (
    FILE,
    GOOD,
    OVERFLOW,
    RECORD,
    Scan,
    Stream,
    Streams,
    cut,
    match_columns,
    parse,
)

_Layout: TypeAlias = tuple[tuple[str, str, pl.DataType | None], ...]
"""Of each declared column its name, and name and type as found; a column that is in the
files' folders (``year=2015/``) has no type."""

_NOTHING = "__HIVE_DEFAULT_PARTITION__"
"""What a folder is called that holds rows of no value."""

_PIECE = 1 << 24
"""Bytes of files that one task reads, about; a larger file is one alone."""


class ParquetSource(
    DeclaredColumns, frozen=True, kw_only=True, tag="parquet", tag_field="kind"
):
    """Raw rows in Parquet files.

    ``path`` is a file or a glob, relative to the project's folder, or ``s3://...``. A
    column that is not in the files is taken from their folders, as of ``year=2015/``.
    """

    path: str


def scan_parquet(
    config: ParquetSource,
    root: Path,
    *,
    streams: Streams = "whole",
) -> Scan:
    """Scan Parquet files into the declared columns, as `pipeline.sources.scan` does.

    Reads only the footers. Numbers of any width are cast, strings are cleaned as
    those of a CSV file are. The raw cells are kept: the first pass is exact.
    """
    files = find_files(config.path, root)
    groups = _look_at(files, config, root)
    columns = _found(config.columns, [group.layout for group in groups])
    found = [
        _scan_files(some, columns, root, streams)
        for group in groups
        for some in (_cut(group) if streams == "pieces" else [group])
    ]
    if not any(stream.most_rows for stream in found):
        raise SourceError(
            f"{files[0]}: holds no rows\nfound: 0 rows\nexpected: at least 1\n"
            "hint: write the file again, or remove it"
        )
    # A Parquet file has rows, no lines.
    return Scan(tuple(found), files, lambda _, records: records + 1, diagnose)


class _Group(NamedTuple):
    """Files that follow one another, of which the declared columns stand alike."""

    layout: _Layout
    files: list[SourceFile]
    n_rows: int


_looks = Lasts[tuple[list[FileStat], list[_Group]]]()
"""Of files on this machine."""


def _look_at(
    files: Sequence[SourceFile], config: ParquetSource, root: Path
) -> list[_Group]:
    """Put files together by what their footers say."""
    how = repr((config, root))
    is_here = not is_remote(config.path)
    seen = [stat_of(file, root) for file in files] if is_here else []
    last = _looks.get(how)
    if last is None or last[0] != seen:
        layouts = _layouts(files, config, root)
        groups = [
            _group(layout, [file for _, file in group])
            for layout, group in groupby(layouts, key=itemgetter(0))
        ]
        if not is_here:
            return groups
        last = _looks[how] = seen, groups
    return last[1]


def _group(layout: _Layout, files: list[SourceFile]) -> _Group:
    """Count the rows of files; a SourceError if one cannot be read."""
    paths = [str(file) for file in files]
    counted = parquet.scan_parquet(paths, schema=_schema(layout)).select(pl.len())
    try:
        n_rows = counted.collect(engine="streaming").item()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise diagnose(files) or _unreadable(files[0], error) from error
    return _Group(layout, files, n_rows)


def _cut(group: _Group) -> Iterator[_Group]:
    """Cut files into those of a task each."""
    for some in cut(group.files, _size, _PIECE):
        is_whole = len(some) == len(group.files)
        yield group if is_whole else _group(group.layout, some)


def _schema(layout: _Layout) -> dict[str, pl.DataType]:
    """Give the columns that are in the files."""
    return {found: dtype for _, found, dtype in layout if dtype is not None}


def dtypes_in(file: SourceFile, root: Path) -> dict[str, pl.DataType]:
    """List the columns of a file, and those of its folders, which are text."""
    try:
        schema = parquet.scan_parquet(str(file)).collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(file, error) from error
    return {**dict.fromkeys(_partition(file, root), pl.String()), **schema}


def diagnose(files: Sequence[SourceFile]) -> SourceError | None:
    """Say which file made Polars fail, and why; None if each can be read on its own."""
    for file in files:
        try:
            parquet.scan_parquet(str(file)).select(pl.all().is_null().sum()).collect(
                engine="streaming"
            )
        except (pl.exceptions.PolarsError, OSError) as error:
            return _unreadable(file, error)
    return None


def _layouts(
    files: Iterable[SourceFile], config: ParquetSource, root: Path
) -> Iterator[tuple[_Layout, SourceFile]]:
    """Yield each file with the columns to read from it, or from its folders."""
    known: dict[tuple[tuple[str, pl.DataType | None], ...], _Layout] = {}
    for file in files:
        try:
            schema = parquet.scan_parquet(str(file)).collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(file, error) from error
        folders = [key for key in _partition(file, root) if key not in schema]
        columns: tuple[tuple[str, pl.DataType | None], ...]
        columns = (*schema.items(), *((key, None) for key in folders))
        if columns not in known:
            names = [name for name, _ in columns]
            found = match_columns(names, config.columns, config.rename, file)
            known[columns] = tuple(
                (name, columns[at][0], columns[at][1]) for name, at in found.items()
            )
            for name, _, dtype in known[columns]:
                if dtype is not None:
                    _refuse_odd(name, dtype, config.columns[name], file)
        yield known[columns], file


def _partition(file: SourceFile, root: Path) -> dict[str, str]:
    """Read the values in the names of a file's folders, as Hive writes them."""
    folders = shown(file, root).split("/")[:-1]
    return dict(folder.split("=", 1) for folder in folders if "=" in folder)


def _of_folder(key: str, files: Iterable[SourceFile], root: Path) -> pl.Expr:
    """Take a column from the folders of the files, with its signs as they were."""
    found = pl.col(FILE).str.extract(f".*/{re.escape(key)}=([^/]*)/")
    written = {_partition(file, root)[key] for file in files}
    plain = {text: unquote(text) for text in sorted(written) if unquote(text) != text}
    value = found.replace(plain) if plain else found
    return pl.when(found != _NOTHING).then(value)


def _found(
    columns: Mapping[str, Declared], layouts: Iterable[_Layout]
) -> dict[str, Declared]:
    """Tell which datetimes have a zone, by the files' dtypes."""
    zoned = {
        name
        for layout in layouts
        for name, _, dtype in layout
        if isinstance(dtype, pl.Datetime) and dtype.time_zone
    }
    return {
        name: with_offset(given) if name in zoned and is_open(given) else given
        for name, given in columns.items()
    }


def _size(file: SourceFile) -> int:
    """Bytes of a file; one in a store is a piece of its own, whatever it holds."""
    return file.stat().st_size if isinstance(file, Path) else _PIECE


def _scan_files(
    group: _Group,
    columns: Mapping[str, Declared],
    root: Path,
    streams: Streams,
) -> Stream:
    """Scan files whose declared columns agree, and parse their rows."""
    layout, files, n_rows = group
    keys = [found for _, found, dtype in layout if dtype is None]
    is_real = streams != "stand-ins"
    # Values of folders are content: no hash of the files tells them.
    of_folders = [[_partition(file, root)[key] for key in keys] for file in files]
    lf = parquet.scan_parquet(
        [*map(str, files)] if is_real else [f"0{of_folders if keys else ''}"],
        schema=_schema(layout),
        row_index_name=RECORD,
        include_file_paths=FILE,
    )
    declared = lf.select(
        RECORD,
        FILE,
        *(
            pl.col(found).alias(name)
            if dtype is not None
            else _of_folder(found, files if is_real else (), root).alias(name)
            for name, found, dtype in layout
        ),
        pl.lit(None, pl.String).alias(OVERFLOW),
    )
    parsing = _parsing(layout, columns)
    return Stream(
        parse(declared, parsing, columns),
        parsing,
        columns,
        tuple(files),
        exact=True,
        most_rows=n_rows,
        has_slices=True,
    )


def _parsing(layout: _Layout, columns: Mapping[str, Declared]) -> dict[str, pl.Expr]:
    """Say how to read the columns that were not found with their declared dtype."""
    return {
        name: parse_typed(pl.col(name), dtype, columns[name])
        for name, _, found in layout
        for dtype in [found or pl.String()]
        if column_of(columns[name]).kind == "label" or dtype != dtype_of(columns[name])
    }


def good_table(table: pl.DataFrame, config: DeclaredColumns) -> pl.DataFrame | None:
    """Read a table as a file of its rows; None unless all of these are good."""
    if table.is_empty():
        return None
    try:
        found = match_columns(table.columns, config.columns, config.rename, Path())
    except SourceError:
        return None
    dtypes = table.dtypes
    layout = tuple((name, table.columns[i], dtypes[i]) for name, i in found.items())
    if not all(can_be(dtype, config.columns[name]) for name, _, dtype in layout):
        return None
    columns = tuple(_found(config.columns, [layout]).items())
    read = _read_table(table, layout, columns)
    return read.drop(GOOD) if read[GOOD].all() else None


@composed
def _read_table(
    table: pl.LazyFrame, layout: _Layout, columns: tuple[tuple[str, Declared], ...]
) -> pl.LazyFrame:
    """Read the declared columns of a table, and say which rows are good."""
    declared = table.select(
        *(pl.col(found).alias(name) for name, found, _ in layout),
        pl.lit(None, pl.String).alias(OVERFLOW),
    )
    kinds = dict(columns)
    return parse(declared, _parsing(layout, kinds), kinds).select(*kinds, GOOD)


def _refuse_odd(
    name: str, dtype: pl.DataType, declared: Declared, file: SourceFile
) -> None:
    """Refuse a column whose dtype cannot become the declared one."""
    if not can_be(dtype, declared):
        kind, wanted = column_of(declared).kind, dtype_of(declared)
        raise SourceError(
            f"{file}: column {name!r} has the wrong type\n"
            f"found: {dtype}\nexpected: a {kind}, as {wanted} or text\n"
            "hint: change the column's kind in the config, or write the file again"
        )


def _unreadable(file: SourceFile, error: Exception) -> SourceError:
    """Say that a file is no readable Parquet file."""
    return SourceError(
        f"{file}: cannot be read as Parquet\nfound: {str(error).splitlines()[0]}\n"
        "expected: a whole, readable Parquet file\n"
        "hint: check its permissions, write it again, or use `kind: csv`"
    )
