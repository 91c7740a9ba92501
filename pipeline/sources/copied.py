"""Files that Polars does not scan: their cells, as text, in a Parquet copy of each."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl
from msgspec import structs

from pipeline.errors import SourceError
from pipeline.files import parquet
from pipeline.files.local import find_local, shown, stat_of
from pipeline.files.state import State
from pipeline.sources.cells import parse_text
from pipeline.sources.columns import (
    Declared,
    DeclaredColumns,
    LocalPath,
    column_of,
    has_offset,
    is_unformatted,
)
from pipeline.sources.kept import kept, used
from pipeline.sources.notation import find_format, said_of
from pipeline.sources.parquet import diagnose
from pipeline.sources.scan import (
    FILE,
    OVERFLOW,
    RECORD,
    Scan,
    Stream,
    Streams,
    cut,
    parse,
)

LINE = "__line"
"""Where in its file a row stands, counted from 1; no declared column has the name."""

_PIECE = 1 << 24
"""Bytes of copies that one task reads, about."""

_SETTLED_NS = 1_000_000_000
"""A file changed so shortly before it is copied may change again unseen."""

_N_FIRST = 10_000
"""Cells of a column by which it is found out how its dates are written."""

_MOMENT = r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?$"
"""How a cell that is no text, but a date, comes into a copy."""


class CopiedSource(DeclaredColumns, frozen=True, kw_only=True):
    """Raw rows in files on this machine, of which copies are read."""

    path: LocalPath


@dataclass(frozen=True)
class Reading:
    """How the cells of a file come into its copy."""

    read: Callable[[Path], pl.LazyFrame]
    """Gives the declared columns as text, and ``LINE``, in the order of the file."""
    by: tuple[object, ...]
    """All that decides what is read, beside the file; its code, too."""
    has_dates: bool = False
    """Whether a cell may be a date, however those that are text are written."""


def code_of(module: str) -> str:
    """Hash what copies are made by: a module, by its file, and this one."""
    code = Path(module).read_bytes() + Path(__file__).read_bytes()
    return hashlib.sha256(code).hexdigest()


def scan_copies(
    config: CopiedSource, root: Path, reading: Reading, streams: Streams
) -> Scan:
    """Scan files into the declared columns, as `pipeline.sources.scan` does.

    Each is copied to ``.pipeline/data``, once per content, settings and columns; its
    cells are read as those of a text column of a Parquet file are.
    """
    files = find_local(config.path, root)
    reading = replace(reading, by=(pl.__version__, *reading.by, config.rename))
    is_real = streams != "stand-ins"
    columns, copies, said = dict(config.columns), dict[Path, Path](), list[str]()
    opened = [name for name, declared in columns.items() if is_unformatted(declared)]
    if is_real or opened:
        copies = {_copy_of(file, root, reading, columns): file for file in files}
    for name in opened:
        texts = _first_cells(name, copies, reading)
        place = partial(_place_of, copies)
        columns[name] = find_format(name, columns[name], texts, place)
        said += said_of(name, config.columns[name], columns[name])
    stand_in = [Path(f"0 {reading.by}")]
    paths = list(copies) if is_real else stand_in
    pieces = cut(paths, _size, _PIECE) if streams == "pieces" else [paths]
    return Scan(
        tuple(_scan_files(some, columns, reading, is_real=is_real) for some in pieces),
        files,
        partial(_lines_of, {shown(file, root): copy for copy, file in copies.items()}),
        lambda _: diagnose(list(copies)),
        {str(copy): file for copy, file in copies.items()},
        (f"{config.path}: read with {', '.join(said)}",) if said else (),
    )


def _lines_of(copies: Mapping[str, Path], file: str, records: pl.Series) -> pl.Series:
    """Find where in its file each record stands, by the copies of the files."""
    lines = parquet.scan_parquet(copies[file]).select(LINE).collect().to_series()
    return lines.gather(records)


def _size(copy: Path) -> int:
    return copy.stat().st_size


def _scan_files(
    copies: Sequence[Path],
    columns: Mapping[str, Declared],
    reading: Reading,
    *,
    is_real: bool,
) -> Stream:
    """Scan copies, and parse their cells."""
    lf = parquet.scan_parquet(
        copies,
        schema={**dict.fromkeys(columns, pl.String()), LINE: pl.Int64()},
        row_index_name=RECORD,
        include_file_paths=FILE,
    )
    n_rows = lf.select(pl.len()).collect(engine="streaming").item() if is_real else 1
    overflow = pl.lit(None, pl.String).alias(OVERFLOW)
    parsing = {
        name: _parsed(pl.col(name), declared, has_dates=reading.has_dates)
        for name, declared in columns.items()
        if column_of(declared).kind != "text"
    }
    return Stream(
        parse(lf.select(RECORD, FILE, *columns, overflow), parsing, columns),
        parsing,
        columns,
        tuple(copies),
        exact=True,
        most_rows=n_rows,
        has_slices=True,
    )


def _parsed(cell: pl.Expr, declared: Declared, *, has_dates: bool) -> pl.Expr:
    """Read a cell as text, or as the date it was."""
    value, column = parse_text(cell, declared), column_of(declared)
    if not has_dates or column.format is None or has_offset(column):
        return value
    moment = pl.when(cell.str.contains(_MOMENT)).then(cell)
    return pl.coalesce(value, parse_text(moment, structs.replace(column, format=None)))


def _first_cells(name: str, copies: Iterable[Path], reading: Reading) -> list[str]:
    """Take the first cells of a column, each once; those that are text, if some are."""
    cells = parquet.scan_parquet(list(copies)).select(pl.col(name).str.strip_chars())
    there = cells.filter(pl.col(name) != "").head(_N_FIRST).collect().to_series()
    is_text = ~there.str.contains(_MOMENT)
    texts = there.filter(is_text) if reading.has_dates and is_text.any() else there
    return texts.unique(maintain_order=True).to_list()


def _place_of(copies: Mapping[Path, Path], name: str, text: str) -> str:
    """Say where a column's cell of a text stands first."""
    for copy, file in copies.items():
        is_it = pl.col(name).str.strip_chars() == text
        found = parquet.scan_parquet(copy).filter(is_it).select(LINE).head(1).collect()
        if found.height:
            return f"{file}:{found.item()}"
    raise AssertionError("the cell is one of a copy")


def _copy_of(
    file: Path, root: Path, reading: Reading, columns: Mapping[str, Declared]
) -> Path:
    """Name the copy of a file as it is now, made if need be; older ones go."""
    stat = stat_of(file, root)
    of_use, of_content = (
        hashlib.sha256(repr(of).encode()).hexdigest()[:12]
        for of in ((str(file), reading.by, list(columns)), stat)
    )
    copy = State(root).data / f"rows-{of_use}-{of_content}.parquet"
    changed_ns = max(stat.modified_ns, stat.changed_ns)
    if copy.exists() and copy.stat().st_mtime_ns - changed_ns > _SETTLED_NS:
        used(copy)
        return copy
    try:
        with kept(copy, instead_of=f"rows-{of_use}-*.parquet") as part:
            reading.read(file).sink_parquet(part)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(f"{file}: cannot be copied\nfound: {error}") from error
    if not parquet.scan_parquet(copy).select(pl.len()).collect().item():
        raise SourceError(
            f"{file}: holds no rows\nfound: 0 rows\nexpected: at least 1\n"
            "hint: write the file again, or remove it"
        )
    return copy
