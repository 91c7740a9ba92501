"""Several CSV files: each is parsed once, and its rows are in ``.pipeline/data``."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl
from polars.exceptions import PolarsError

from pipeline.files.checksum import checksum
from pipeline.files.local import FileContent
from pipeline.files.parquet import read_parquet, scan_parquet
from pipeline.files.state import State
from pipeline.log import LOG
from pipeline.sources.kept import used
from pipeline.sources.scan import BAD_SCHEMA, FILE, RECORD, Scan, Stream, Streams, cut

_PIECE = 1 << 24
"""Bytes of kept rows that one task reads, about."""

LEAST_BYTES = 1 << 20
"""Of smaller files, a scan of each costs more than it saves."""

_AT_ONCE = 16
"""Files that are parsed in one pass."""

_NO_CELLS = "0" * 8
"""In place of a checksum, where a file has no bad cells."""


class _Rows(NamedTuple):
    """What is kept of a file."""

    rows: Path
    bad: Path | None
    """Its bad cells, by line; None if it has none."""


@dataclass(frozen=True)
class _Good(Stream):
    """Rows that have been parsed: all of them are good."""

    def good(self, batch: pl.LazyFrame) -> pl.LazyFrame:
        """Take them as they are."""
        return batch.select(list(self.columns))

    def bad(self, batch: pl.LazyFrame) -> pl.LazyFrame:  # noqa: ARG002
        """List nothing."""
        return pl.LazyFrame(schema=BAD_SCHEMA)

    def all_bad(self) -> list[pl.LazyFrame]:
        """List nothing."""
        return [pl.LazyFrame(schema=BAD_SCHEMA)]


@dataclass(frozen=True, kw_only=True)
class _Parsed(Scan):
    """Files that have been parsed, and the bad cells that were found then."""

    cells: pl.DataFrame

    def numbered(self, bad: pl.DataFrame, root: Path) -> pl.DataFrame:  # noqa: ARG002
        """List those; there are no others."""
        return self.cells


@dataclass(frozen=True)
class ParsedFiles:
    """Several files, of each of which the good rows and the bad cells are kept."""

    files: tuple[Path, ...]
    """Of good rows, in the order of the files they are of."""
    bad: pl.DataFrame
    """The bad cells of all: ``file``, ``line``, ``column``, ``value``, ``reason``."""
    of: Scan
    """The files themselves."""

    def scan(self, streams: Streams) -> Scan:
        """Scan the good rows, as `pipeline.sources.scan` does; no cell is bad."""
        most = _PIECE if streams == "pieces" else sum(map(_size, self.files))
        return _Parsed(
            streams=tuple(map(self._stream, cut(self.files, _size, most))),
            files=self.of.files,
            lines_of=self.of.lines_of,
            diagnose=self.of.diagnose,
            said=self.of.said,
            cells=self.bad,
        )

    def _stream(self, files: Sequence[Path]) -> Stream:
        rows = scan_parquet(files, row_index_name=RECORD, include_file_paths=FILE)
        n_rows = rows.select(pl.len()).collect(engine="streaming").item()
        return _Good(
            rows,
            {},
            self.of.streams[0].columns,
            (*files,),
            exact=True,
            most_rows=n_rows,
            has_slices=True,
        )


def pays(contents: Sequence[FileContent]) -> bool:
    """Tell whether files are several, and large enough to be kept one by one."""
    n_bytes = sum(content.stat.n_bytes for content in contents)
    return len(contents) > 1 and n_bytes >= LEAST_BYTES * len(contents)


def parse_files(
    scan: Callable[[bool, Streams], Scan],
    contents: Sequence[FileContent],
    root: Path,
    require_same: Callable[[], None],
) -> ParsedFiles:
    """Parse those files of which nothing is kept yet, and name what is kept of all.

    Parameters
    ----------
    scan
        Scans the source, with repair or without.
    contents
        Of its files, in their order.
    require_same
        Raises if a file changed since it was hashed; nothing is kept of it then.
    """
    folder = State(root).data
    folder.mkdir(parents=True, exist_ok=True)
    of, exact = scan(False, "files"), scan(True, "files")
    keys = [
        _key(content, *streams)
        for content, *streams in zip(contents, of.streams, exact.streams, strict=True)
    ]
    there = {key: _find(folder, key) for key in dict.fromkeys(keys)}
    # Of files of one content, the first.
    missing = [keys.index(key) for key, kept in there.items() if kept is None]
    if 0 < len(missing) < len(there):
        n_kept = sum(there[key] is not None for key in keys)
        LOG.info(f"{n_kept} of {len(keys)} files were parsed before")
    for start in range(0, len(missing), _AT_ONCE):
        parts = {
            i: folder / f"{keys[i]}.part" for i in missing[start : start + _AT_ONCE]
        }
        try:
            bad = _parse(of, parts)
            odd = {i: parts[i] for i, cells in bad.items() if cells.height}
            bad |= _repaired(exact, odd, root)
            require_same()
            for i, part in parts.items():
                there[keys[i]] = _keep(folder, keys[i], part, bad[i])
        except PolarsError as error:
            require_same()
            raise of.diagnose(of.files) or error from error
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)
    found = [kept for key in keys if (kept := there[key])]
    cells = [
        read_parquet(kept.bad).select(pl.lit(content.stat.path).alias("file"), "*")
        for kept, content in zip(found, contents, strict=True)
        if kept.bad
    ]
    none = of.numbered(pl.DataFrame(schema=BAD_SCHEMA), root)
    bad_cells = pl.concat([none, *cells]).sort("file", "line", maintain_order=True)
    rows = tuple(kept.rows for kept in found)
    return ParsedFiles(rows, bad_cells, of)


def _key(content: FileContent, *streams: Stream) -> str:
    """Name what comes of a file of a content, read as the streams of it are."""
    digest = hashlib.sha256(repr((pl.__version__, content.sha256)).encode())
    for stream in streams:
        path = str(stream.files[0]).encode()
        digest.update(stream.good(stream.rows).serialize().replace(path, b""))
    return f"parsed-{digest.hexdigest()[:24]}"


def _size(file: Path) -> int:
    return file.stat().st_size


def _find(folder: Path, key: str) -> _Rows | None:
    """Find what is kept of a file, if it is whole: its name holds its checksums."""
    for rows in folder.glob(f"{key}-*-*.parquet"):
        of_rows, of_bad = rows.stem.split("-")[-2:]
        bad = folder / f"{key}-{of_bad}.parquet" if of_bad != _NO_CELLS else None
        is_whole = checksum(rows) == of_rows
        if is_whole and (bad is None or (bad.exists() and checksum(bad) == of_bad)):
            for path in filter(None, (rows, bad)):
                used(path)
            return _Rows(rows, bad)
        rows.unlink()
    return None


def _parse(scan: Scan, parts: Mapping[int, Path]) -> dict[int, pl.DataFrame]:
    """Write the good rows of some files of a scan, each a stream; give the bad cells.

    If the scan is not exact, any means that the file must be read again, to repair it.
    """
    streams = {i: scan.streams[i] for i in parts}
    sinks = [
        stream.good(stream.rows).sink_parquet(parts[i], lazy=True, compression="lz4")
        for i, stream in streams.items()
    ]
    bad = [pl.concat(stream.all_bad()) for stream in streams.values()]
    results = pl.collect_all([*sinks, *bad], engine="streaming")
    return dict(zip(streams, results[len(sinks) :], strict=True))


def _repaired(
    scan: Scan, parts: Mapping[int, Path], root: Path
) -> dict[int, pl.DataFrame]:
    """Write them as `_parse` does, of an exact scan; give the bad cells by line."""
    if not parts:
        return {}
    return {
        i: scan.numbered(cells, root).drop("file")
        for i, cells in _parse(scan, parts).items()
    }


def _keep(folder: Path, key: str, part: Path, bad: pl.DataFrame) -> _Rows:
    """Give rows and bad cells of a file their names, the rows last."""
    of_bad, cells = _NO_CELLS, None
    if bad.height:
        beside = part.with_name(f"{key}.bad.part")
        bad.write_parquet(beside)
        of_bad = checksum(beside)
        cells = beside.rename(folder / f"{key}-{of_bad}.parquet")
    rows = part.rename(folder / f"{key}-{checksum(part)}-{of_bad}.parquet")
    return _Rows(rows, cells)
