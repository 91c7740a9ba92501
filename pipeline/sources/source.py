"""A source of any kind: fetched, scanned into the declared columns, and diagnosed."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import SourceError
from pipeline.files.local import SourceFile
from pipeline.log import LOG
from pipeline.sources import csv, parquet
from pipeline.sources.columns import dtype_of
from pipeline.sources.csv import CsvSource
from pipeline.sources.csv_guard import refuse_unsound
from pipeline.sources.download import DownloadSource, download, download_path
from pipeline.sources.parquet import ParquetSource
from pipeline.sources.scan import Scan
from pipeline.sources.synthetic.source import SyntheticSource, synthetic_path

SourceConfig: TypeAlias = SyntheticSource | CsvSource | ParquetSource | DownloadSource
"""Settings of a source; its ``kind`` says which."""


def declared(config: SourceConfig) -> pl.LazyFrame:
    """Return an empty frame of the columns a source declares, to check a plan on."""
    return pl.LazyFrame(
        schema={name: dtype_of(kind) for name, kind in config.columns.items()}
    )


def fetch(config: SourceConfig, root: Path) -> None:
    """Make or download what a source needs, if it is not there.

    Where the standard error is a terminal, a progress bar shows how far it is.

    Raises
    ------
    SourceError
        If a file cannot be made or downloaded.
    """
    if isinstance(config, DownloadSource):
        download(config, root, progress=sys.stderr.isatty())
    elif isinstance(config, SyntheticSource):
        path = synthetic_path(config, root)
        if not path.exists():
            # Imported late: it loads numpy.
            from pipeline.sources.synthetic.data import write_synthetic

            LOG.info("making the synthetic data, once: %s", path.relative_to(root))
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_synthetic(
                    path, seed=config.seed, scale=config.scale, progress=_progress_bar()
                )
            except OSError as error:
                raise SourceError(f"{path}: cannot be made\nfound: {error}") from error


def _progress_bar() -> Callable[[int, int], None]:
    """Return what draws a bar on a terminal, and nothing elsewhere."""
    from tqdm import tqdm  # imported late: few runs make or download data

    bar = tqdm(disable=None, unit="part", leave=False)

    def advance(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return advance


def reads(config: SourceConfig, root: Path) -> CsvSource | ParquetSource:
    """Say which files a source is read from, once it has been fetched.

    Their ``path`` is relative to `root` or absolute.
    """
    match config:
        case CsvSource() | ParquetSource():
            return config
        case DownloadSource():
            kind, path = CsvSource, download_path(config, root)
        case SyntheticSource():
            kind = CsvSource if config.format == "csv" else ParquetSource
            path = synthetic_path(config, root)
    return kind(
        path=path.relative_to(root).as_posix(),
        columns=config.columns,
        rename=config.rename,
        max_bad_rows=config.max_bad_rows,
    )


def scan(
    config: SourceConfig,
    root: Path,
    *,
    repair: bool = False,
    stand_in: bool = False,
    in_pieces: bool = False,
) -> Scan:
    """Scan a source into the declared columns; reads the heads of its files only.

    Parameters
    ----------
    config : SourceConfig
        The source; `fetch` has been called for it.
    root : Path
        Project folder.
    repair : bool, default False
        Read every number as text and mend it, so that ``bad`` is exact; slower.
    stand_in : bool, default False
        Of each stream, take one file that is called 0: its plan then says how the
        files are read, wherever they are, and cannot be run.
    in_pieces : bool, default False
        Begin a stream anew once the files of one are large enough for a task.

    Raises
    ------
    SourceError
        If a file is missing, or is not what the source declares.
    """
    match reads(config, root):
        case CsvSource() as files:
            return csv.scan_csv(
                files, root, repair=repair, stand_in=stand_in, in_pieces=in_pieces
            )
        case ParquetSource() as files:
            return parquet.scan_parquet(
                files, root, repair=repair, stand_in=stand_in, in_pieces=in_pieces
            )


def guard(files: Iterable[SourceFile], config: SourceConfig, root: Path) -> None:
    """Look at the bytes of files that were never read, as `refuse_unsound` does."""
    if isinstance(reads(config, root), CsvSource):
        for file in files:
            assert isinstance(file, Path)
            refuse_unsound(file)


def read(config: SourceConfig, root: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read a source at once, the way a run does, which makes or fetches it if need be.

    Gives the good rows in the order of the files, and the bad cells as `number_lines`
    does.

    Raises
    ------
    SourceError
        If a file is missing, cannot be read, or is not what the source declares.
    """
    fetch(config, root)
    found = scan(config, root)
    guard(found.files, config, root)
    rows, bad = _collect(found, config, root)
    if bad.height and not found.exact:
        found = scan(config, root, repair=True)
        rows, bad = _collect(found, config, root)
    return rows, number_lines(bad, found, config, root)


def _collect(
    found: Scan, config: SourceConfig, root: Path
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Collect rows and bad cells in one pass; say what is wrong if that fails."""
    try:
        rows, bad = pl.collect_all(found.frames(), engine="streaming")
    except (PolarsError, OSError) as error:
        raise diagnose(config, found.files, root) or SourceError(
            f"the source cannot be read\nfound: {error}"
        ) from error
    return rows, bad


def number_lines(
    bad: pl.DataFrame, found: Scan, config: SourceConfig, root: Path
) -> pl.DataFrame:
    """Say on which line of its file, or in which row of it, each bad cell stands.

    `bad` is what `found` set aside, which is exact then. Gives ``file``, ``line``
    (counted from 1), ``column``, ``value`` and ``reason``.
    """
    return _reader(config, root).number_lines(found.placed(bad, root), root)


def diagnose(
    config: SourceConfig, files: tuple[SourceFile, ...], root: Path
) -> SourceError | None:
    """Name the file, and its fault, that made a run fail; None if all can be read."""
    return _reader(config, root).diagnose(files)


def _reader(config: SourceConfig, root: Path):  # noqa: ANN202 - one of two modules
    """Choose the module that reads a source's files."""
    return csv if isinstance(reads(config, root), CsvSource) else parquet
