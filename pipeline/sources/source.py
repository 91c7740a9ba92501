"""A source of any kind: fetched, scanned into the declared columns, and judged."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Any, TypeAlias, Union

import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import ConfigError, SourceError
from pipeline.files.local import FileContent, SourceFile
from pipeline.files.remote import is_remote
from pipeline.sources import excel, json_lines, parquet
from pipeline.sources.columns import (
    Declared,
    DeclaredColumns,
    column_of,
    dtype_of,
    is_open,
    is_unformatted,
)
from pipeline.sources.csv import CsvSource, scan_csv
from pipeline.sources.csv_file import read_head, read_heads
from pipeline.sources.csv_guard import refuse_unsound
from pipeline.sources.dialect import Dialect
from pipeline.sources.download import DownloadSource, download, download_path
from pipeline.sources.duckdb_file import DuckDbSource, fetch_duckdb
from pipeline.sources.excel import ExcelSource, scan_excel
from pipeline.sources.json_lines import JsonLinesSource, scan_json_lines
from pipeline.sources.made import MadeSource, load_maker, made_path, make, own_kinds
from pipeline.sources.parquet import ParquetSource, scan_parquet
from pipeline.sources.parsed import ParsedFiles, parse_files, pays
from pipeline.sources.query import QuerySource, rows_path
from pipeline.sources.scan import MOST_BAD, Scan, Streams, declared_names
from pipeline.sources.sql import SqlSource, fetch_sql

FileSource: TypeAlias = CsvSource | ParquetSource | JsonLinesSource | ExcelSource
"""Settings of a source that names files."""

PackageSource: TypeAlias = FileSource | DownloadSource | DuckDbSource | SqlSource
"""Settings of a source; its ``kind`` says which."""

SourceConfig: TypeAlias = PackageSource | MadeSource
"""Those, and those of a project's own kinds."""

ENDINGS: Mapping[str, type[FileSource]] = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".txt", ".dat"), CsvSource),
    **dict.fromkeys((".parquet", ".pq"), ParquetSource),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), ExcelSource),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), JsonLinesSource),
}
"""What the names of files end in, by their kind; those of CSV may be packed."""

PACKED = (".gz", ".zst")

_KINDS = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}

_N_SHOWN = 10
"""Bad cells that are listed."""

_REMEDIES = (
    (
        r"(?i)^\s*(#?n/?a|nan|null|none|nil|-+|\.+|\?)\s*$",
        "^unreadable|not finite$",
        "nothing is meant by {value!r}? source.nulls=['{value}'] says so, in columns"
        " that may hold nothing, as {{kind: {kind}, null: true}}",
        True,
    ),
    (
        r"^\s*[+-]?[1-9]\d{0,2}[.,]\d{3}\s*$",
        "^unreadable",
        "source.decimal='.' or ',' says what {value!r} is",
        True,
    ),
    (
        "",
        "^unreadable date",
        "columns.{column}={{kind: {kind}, format: '%d.%m.%y'}} says how dates are"
        " written",
        False,
    ),
    (
        "",
        "^missing",
        "nothing may be there? columns.{column}={{kind: {kind}, null: true}}; lines"
        " below the table? source.skip_footer=N",
        True,
    ),
    (
        "",
        "^negative| below 1$",
        "{value} is right? columns.{column}={{kind: {kind}, min: N}} allows what is"
        " less",
        False,
    ),
)
"""Of which cells, by value and reason, which setting could be wanted, and whether it is
one of text files."""


def kinds_of(project: Path) -> dict[str, Path]:
    """List the kinds of sources, the project's own last, each with its settings' YAML.

    Raises
    ------
    ConfigError
        If one of the project's has the name of one of the package's.
    """
    own = own_kinds(project)
    if taken := sorted(own.keys() & _KINDS):
        raise ConfigError(
            f"sources/{taken[0]}.py: the name of a kind of source that the package has"
            f"\nhint: rename file and function, as to 'own_{taken[0]}'"
        )
    return {**_KINDS, **own}


def type_of(kinds: Iterable[object], project: Path) -> Any:
    """Return the type of settings of the package's kinds, and those of the project's.

    Of these, only what is asked for is imported.
    """
    own = own_kinds(project)
    asked = {kind for kind in kinds if isinstance(kind, str) and kind in own}
    makers = [load_maker(kind, project) for kind in sorted(asked)]
    return Union[PackageSource, *(maker.config for maker in makers)]


def columns_of(config: SourceConfig, root: Path) -> Mapping[str, Declared]:
    """Say what a source's columns are, of dates as its files write them, if there."""
    if any(map(is_unformatted, config.columns.values())):
        with suppress(SourceError):
            return scan(config, root, streams="stand-ins").streams[0].columns
    return config.columns


def declared(config: SourceConfig, root: Path) -> pl.LazyFrame:
    """Return an empty frame of the columns a source declares, to check a plan on."""
    # The formats of dates, for which files must be read, make no other dtype.
    has_times = any(map(is_open, config.columns.values()))
    columns = columns_of(config, root) if has_times else config.columns
    return pl.LazyFrame(schema={name: dtype_of(kind) for name, kind in columns.items()})


def is_asked(config: SourceConfig) -> bool:
    """Tell whether only asking a database tells if its rows have changed."""
    return isinstance(config, QuerySource)


def fetch(config: SourceConfig, root: Path) -> None:
    """Make or download what a source needs, if it is not there; ask a database anew.

    A SourceError if that cannot be. A terminal is shown how far it is.
    """
    if isinstance(config, DownloadSource):
        download(config, root)
    elif isinstance(config, DuckDbSource):
        fetch_duckdb(config, root)
    elif isinstance(config, SqlSource):
        fetch_sql(config, root)
    elif isinstance(config, MadeSource):
        make(config, root)


def reads(config: SourceConfig, root: Path) -> FileSource:
    """Say which files a source is read from, once it has been fetched.

    Their ``path`` is relative to `root` or absolute.
    """
    match config:
        case CsvSource() | ParquetSource() | JsonLinesSource() | ExcelSource():
            return config
        case DownloadSource():
            kind, of, path = CsvSource, Dialect, download_path(config, root)
        case MadeSource():
            kind = CsvSource if config.format == "csv" else ParquetSource
            of, path = DeclaredColumns, made_path(config, root)
        case DuckDbSource() | SqlSource():
            kind, of, path = ParquetSource, DeclaredColumns, rows_path(config, root)
    given = {name: getattr(config, name) for name in of.__struct_fields__}
    return kind(path=path.relative_to(root).as_posix(), **given)


def scan(
    config: SourceConfig,
    root: Path,
    *,
    repair: bool = False,
    streams: Streams = "whole",
) -> Scan:
    """Scan a source, which is there, into the declared columns.

    Reads the heads of its files only. To `repair` is to read every number as text and
    mend it, so that bad cells are exact; slower. A SourceError if a file is missing, or
    is not what the source declares.
    """
    match reads(config, root):
        case CsvSource() as files:
            return scan_csv(files, root, repair=repair, streams=streams)
        case JsonLinesSource() as files:
            return scan_json_lines(files, root, streams=streams)
        case ExcelSource() as files:
            return scan_excel(files, root, streams=streams)
        case files:
            return scan_parquet(files, root, streams=streams)


def parse_once(
    config: SourceConfig,
    root: Path,
    contents: Sequence[FileContent],
    require_same: Callable[[], None],
) -> ParsedFiles | None:
    """Parse those of several large CSV files that were not before; else None.

    See `pipeline.sources.parsed.parse_files`.
    """
    files = reads(config, root)
    if not isinstance(files, CsvSource) or not pays(contents):
        return None

    def scan_files(repair: bool, streams: Streams) -> Scan:
        return scan_csv(files, root, repair=repair, streams=streams)

    return parse_files(scan_files, contents, root, require_same)


def ending_of(file: Path) -> str:
    """Name what a file ends in, but for compression."""
    packed = file.suffix.lower() in PACKED
    return (Path(file.stem) if packed else file).suffix.lower()


def kind_of(file: Path) -> type[FileSource]:
    """Tell by its name which kind of source a file is of."""
    return ENDINGS.get(ending_of(file), CsvSource)


def columns_in(
    config: FileSource, file: Path, root: Path
) -> list[tuple[str, pl.DataType]]:
    """List the columns of a file, whatever is declared; text but in Parquet.

    Those without a name are left out. A SourceError as `scan` raises it.
    """
    match config:
        case CsvSource():
            names = read_head(file, config).names
        case JsonLinesSource():
            names = json_lines.names_in(file)
        case ExcelSource():
            names = excel.names_in(file, config)
        case ParquetSource():
            return list(parquet.dtypes_in(file, root).items())
    return [(name, pl.String()) for name in declared_names(names, {}) if name]


def guard(files: Iterable[SourceFile], config: SourceConfig, root: Path) -> None:
    """Look at the bytes of files that were never read, as `refuse_unsound` does."""
    given = reads(config, root)
    if isinstance(given, CsvSource):
        for head in read_heads([f for f in files if isinstance(f, Path)], given):
            refuse_unsound(head.file, head.written, head)


def read(config: SourceConfig, root: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read a source at once, the way a run does, which makes or fetches it if need be.

    Gives the good rows in the order of the files, and the bad cells as `Scan.numbered`
    does. A SourceError if a file is missing, cannot be read, or is not what the source
    declares.
    """
    fetch(config, root)
    return read_fetched(config, root)


def read_fetched(config: SourceConfig, root: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read a source that has been fetched, as `read` does."""
    return _taken(config, root, lambda rows: rows)


def write(config: SourceConfig, root: Path, file: Path) -> pl.DataFrame:
    """Read a source as `read_fetched` does, but write its good rows to a Parquet file.

    They need not fit in memory. Gives the bad cells.
    """
    return _taken(config, root, lambda rows: rows.sink_parquet(file, lazy=True))[1]


def _taken(
    config: SourceConfig, root: Path, take: Callable[[pl.LazyFrame], pl.LazyFrame]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Collect what is made of the good rows, and the bad cells, in one pass."""
    found = scan(config, root)
    guard(found.files, config, root)

    def collected(found: Scan) -> list[pl.DataFrame]:
        rows, bad = found.frames()
        return pl.collect_all([take(rows), bad], engine="streaming")

    try:
        rows, bad = collected(found)
        if bad.height and not found.exact:
            found = scan(config, root, repair=True)
            rows, bad = collected(found)
    except (PolarsError, OSError) as error:
        raise found.diagnose(found.files) or SourceError(
            f"the source cannot be read\nfound: {error}"
        ) from error
    return rows, found.numbered(bad, root)


def refuse_too_many(bad: pl.DataFrame, config: SourceConfig, root: Path) -> int:
    """Count the bad rows of `number_lines`, and refuse the source if they are too many.

    Where there are some, the good ones are counted, too, which takes one more look at
    the files. A SourceError with the first of the cells, if they are of more rows than
    ``config.max_bad_rows`` allows, or a file has no good row.
    """
    if bad.is_empty():
        return 0
    of_files = bad.group_by("file", maintain_order=True).agg(pl.col("line").n_unique())
    n_bad = int(of_files["line"].sum())
    n_most = min(n for n in (MOST_BAD - 1, *config.bad_limits) if isinstance(n, int))
    if n_bad > n_most:
        more = " or more" if n_bad >= MOST_BAD else ""
        expected = f"expected at most {n_most}"
        raise _too_many(f"{n_bad} bad rows{more}, {expected}", bad, config)
    found = scan(config, root, repair=True)
    for file in of_files["file"]:
        if not _count(found.good_of(file, root), 1):
            path = file if is_remote(file) else str(root / file)
            of_file = bad.filter(file=file)
            raise SourceError(
                f"{path}: holds no good rows; the first:\n{_listed(of_file)}\n"
                f"hint: mend the file, or leave it out{_remedies(of_file, config)}"
            )
    shares = [n for n in config.bad_limits if isinstance(n, float)]
    if shares:
        # Of so many rows, n_bad are no more than the share of them.
        n_enough = ceil(n_bad / min(shares))
        n_rows = n_bad + _count(found.frames()[0], n_enough - n_bad)
        if n_rows < n_enough:
            most = int(min(shares) * n_rows)
            expected = f"at most {most}, {100 * min(shares):g} % of {n_rows:,}"
            fault = f"{n_bad} bad rows, expected {expected}"
            raise _too_many(fault, bad, config)
    return n_bad


def _count(rows: pl.LazyFrame, n_enough: int) -> int:
    """Count rows, and read no more of them once there are enough."""
    return rows.head(n_enough).select(pl.len()).collect(engine="streaming").item()


def _too_many(fault: str, bad: pl.DataFrame, config: SourceConfig) -> SourceError:
    """Refuse bad rows, with the first of their cells."""
    return SourceError(
        f"{fault}; the first:\n{_listed(bad)}\n"
        "hint: mend the file, or allow more with source.max_bad_rows=N, or a share such"
        f" as 0.05{_remedies(bad, config)}"
    )


def _remedies(bad: pl.DataFrame, config: SourceConfig) -> str:
    """Say which settings would make good cells of bad ones of a kind that is common."""
    of_text = isinstance(config, Dialect)
    said: list[str] = []
    for value, reason, remedy, is_of_text in _REMEDIES:
        meant = bad.filter(
            pl.col("value").fill_null("").str.contains(value),
            pl.col("reason").str.contains(reason),
            pl.col("column").is_not_null(),
        )
        if meant.height and is_of_text <= of_text:
            column, found = meant.row(0)[2:4]
            kind = column_of(config.columns[column]).kind
            said.append(remedy.format(column=column, kind=kind, value=found))
    return "".join(f"\n  {line}" for line in said)


def _listed(bad: pl.DataFrame) -> str:
    """List the first bad cells for an error."""
    return "\n".join(f"  {line}" for line in describe_bad(bad))


def describe_bad(bad: pl.DataFrame) -> list[str]:
    """List the first bad cells, a line for each, and how many more there are."""
    lines = [
        f"{file}:{line}: {column or 'row'}: {value!r} {reason}"
        for file, line, column, value, reason in bad.head(_N_SHOWN).iter_rows()
    ]
    more = bad.height - _N_SHOWN
    return [*lines, f"... and {more:,} cells more"] if more > 0 else lines
