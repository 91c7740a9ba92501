"""One CSV file as Python reads it: its head, its records, and what is wrong with it.

Polars reads the data; this is for what it does not say: which columns a file has, how
they are written, on which line a record starts, why a file cannot be read.
"""

import codecs
import csv
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.sources.csv_layout import find_encoding, find_layout, reader_of
from pipeline.sources.csv_text import is_packed, open_text, open_unpacked
from pipeline.sources.dialect import Dialect, Written
from pipeline.sources.lasts import Lasts

_HEAD_BYTES = 1 << 18
_ALL_HEADS_BYTES = 1 << 20
_LEAST_HEAD_BYTES = 1 << 10

MOST_BYTES = 1 << 24
"""Of a line, or of a quoted field: Polars holds either in memory several times."""

_MOST_COLUMNS = 50_000
"""With a million, to plan alone takes more than a minute."""

csv.field_size_limit(MOST_BYTES)  # Python's own is 128 KiB


@dataclass(frozen=True)
class Head:
    """The beginning of a file: column names, lines they take, first records.

    The last record may be cut short. ``n_bytes`` is the file's length, as it lies on
    the disk, where it may be packed; ``config`` is what was said of it.
    """

    file: Path
    config: Dialect
    n_bytes: int
    is_packed: bool
    written: Written
    names: list[str]
    lines: int
    records: list[list[str]]

    def cells(self, position: int) -> Iterator[str | None]:
        """Yield a column's first cells, null where a record is too short."""
        for record in self.records:
            yield record[position] if position < len(record) else None


_heads = Lasts[dict[tuple[object, ...], Head]]()
"""Those of files as they were."""


def read_heads(files: Sequence[Path], config: Dialect) -> list[Head]:
    """Read the heads of files: of many, less of each."""
    share = _ALL_HEADS_BYTES // max(len(files), 1)
    n_bytes = min(_HEAD_BYTES, max(_LEAST_HEAD_BYTES, share))
    how = repr(config)
    known = _heads.get(how, {})
    heads: dict[tuple[object, ...], Head] = {}
    for file in files:
        stat = file.stat()
        times = (stat.st_mtime_ns, stat.st_ctime_ns)
        of = (file, stat.st_ino, stat.st_size, *times, n_bytes)
        heads[of] = known.get(of) or read_head(file, config, n_bytes)
    _heads[how] = heads
    return [*heads.values()]


def read_head(file: Path, config: Dialect, n_bytes: int = _HEAD_BYTES) -> Head:
    """Read the header and the first records of a CSV file, plain, gzip or zstd.

    That is `n_bytes` of it, decompressed; more if that holds no record. How it is
    written is found out, where `config` does not say. A SourceError if the file cannot
    be read, is no CSV, in no encoding that can be told, or has no rows.
    """
    encoding = config.encoding or "utf-8"
    try:
        with open_unpacked(file) as raw:
            is_packed = not isinstance(raw, io.BufferedReader)
            head = raw.read(n_bytes)
        encoding = config.encoding or find_encoding(head)
        _refuse_other_formats(file, head, encoding)
        is_whole = len(head) < n_bytes
        text = _decoded(head, encoding, is_whole=is_whole)
        layout = find_layout(text, config)
        length = file.stat().st_size
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise explain(file, error, Written(encoding)) from error
    names, records = layout.names, layout.records
    if is_whole and config.skip_footer:
        records = records[: -config.skip_footer]
    if not is_whole and not records:
        if n_bytes >= MOST_BYTES:
            raise too_long(file, 1)
        return read_head(file, config, 8 * n_bytes)
    if len(names) > _MOST_COLUMNS:
        raise no_csv(
            file,
            f"a header of {len(names):,} columns",
            f"keep at most {_MOST_COLUMNS:,} columns, e.g. the declared ones",
        )
    if not records:
        what = "holds a header but no rows" if names else "is empty"
        below = f" below line {config.skip_lines}" if config.skip_lines else ""
        raise SourceError(
            f"{file}: {what}{below}\n"
            f"found: {len(head)} bytes\nexpected: a header line and rows\n"
            "hint: fetch the file again, or remove it"
        )
    written = Written(
        encoding,
        layout.separator,
        layout.quote,
        layout.comment,
        config.skip_footer,
        layout.above,
    )
    return Head(file, config, length, is_packed, written, names, layout.lines, records)


def _decoded(head: bytes, encoding: str, *, is_whole: bool) -> str:
    """Read the text of a file's beginning, up to its last whole line."""
    text = codecs.getincrementaldecoder(encoding)().decode(head, final=is_whole)
    if not is_whole:
        text = text[: text.rfind("\n") + 1]
    return text.lstrip("\ufeff")  # files put together may have several


def read_records(
    file: Path, written: Written, skip_lines: int
) -> Iterator[tuple[int, list[str]]]:
    """Read a CSV file's records below some lines, as Polars counts them.

    Yields the line on which each starts, counted from 1, and its fields; a blank line
    is a record without any.
    """
    with open_text(file, written) as raw:
        lines = io.TextIOWrapper(raw, "utf-8-sig", errors="replace", newline="\n")
        # Polars ends lines at \n alone, Python's reader at \r too.
        below = islice(lines, skip_lines, None)
        reader = reader_of((line.replace("\r", "") for line in below), written)
        start = skip_lines + 1
        for record in reader:
            yield start, record
            start = skip_lines + reader.line_num + 1


def explain(file: Path, error: Exception, written: Written) -> SourceError:
    """Find out what is wrong with a file that could not be read, to be raised.

    It is read again: damaged compression, the first byte that is not of its encoding,
    the first quote that does not close, or else the words of `error`.
    """
    if isinstance(error, PermissionError):
        return SourceError(
            f"{file}: may not be read\nfound: {error.strerror}\n"
            "expected: a readable file\nhint: change its permissions"
        )
    try:
        fault = _bad_encoding(file, written.encoding) or bad_quotes(file, written)
    except (OSError, EOFError, zlib.error) as damage:
        return _damaged(file, damage)
    except UnicodeDecodeError as damage:  # of UTF-16, whose lines are not looked at
        found = f"bytes that are no {written.encoding.upper()}: {damage.reason}"
        return no_csv(file, found, "fetch or write it again, or save it as UTF-8")
    if fault is None and is_packed(file):  # Polars unpacks less than Python does
        return _damaged(file, error)
    return no_csv(file, *(fault or (str(error).splitlines()[0], "correct the file")))


def _damaged(file: Path, error: Exception) -> SourceError:
    """Refuse a file that cannot be unpacked, or read to its end."""
    found = str(error).partition("\n")[0] or type(error).__name__
    return SourceError(
        f"{file}: ends early or is damaged\nfound: {found}\n"
        "expected: a whole file\nhint: fetch or compress it again"
    )


def no_csv(file: Path, found: str, hint: str) -> SourceError:
    """Refuse a file for what is in it."""
    return SourceError(
        f"{file}: cannot be read as CSV\nfound: {found}\n"
        f'expected: text, fields quoted with "\nhint: {hint}'
    )


def too_long(file: Path, line: int) -> SourceError:
    """Refuse a file for the length of a line."""
    return no_csv(
        file,
        f"line {line} is longer than {MOST_BYTES >> 20} MiB",
        "look at its line ends, or keep its long fields elsewhere",
    )


def _refuse_other_formats(file: Path, head: bytes, encoding: str) -> None:
    """Refuse what is no text with fields."""
    start = head[:512].lstrip().lower()
    if head.startswith(b"PAR1"):
        found, hint = "a Parquet file", "use `kind: parquet` in the source's config"
    elif head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        found, hint = "text in UTF-32", "save it as UTF-8"
    elif head.startswith(b"PK\x03\x04"):
        found, hint = "a zip archive or a workbook", "unpack it, or save it as CSV"
    elif start.startswith((b"<!doctype", b"<html", b"<?xml")):
        found, hint = "an HTML or XML page", "download the data, not its web page"
    elif b"\0" in head and not encoding.lower().startswith(("utf-16", "utf_16")):
        found, hint = (
            "binary data",
            "name a CSV file, plain, gzip or zstd, or its encoding, such as utf-16-le",
        )
    elif b"\r\r\n" in head:
        found, hint = "lines that end in \\r\\r\\n", "save it with \\n or \\r\\n"
    elif b"\r" in head and b"\n" not in head:
        found, hint = "lines that end in \\r alone", "save it with \\n or \\r\\n"
    else:
        return
    raise SourceError(
        f"{file}: is not a CSV file\nfound: {found}\nexpected: text with a header"
        f"\nhint: {hint}"
    )


def _bad_encoding(file: Path, encoding: str) -> tuple[str, str] | None:
    """Find the first line that is not of an encoding that keeps line ends as bytes."""
    if codecs.lookup(encoding).name.startswith("utf-16"):
        return None
    with open_unpacked(file) as raw:
        offset = 0
        for number, line in enumerate(raw, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                at = f"line {number}, byte offset {offset + error.start}"
                other = "cp850" if encoding == "windows-1252" else "windows-1252"
                return (
                    f"byte 0x{line[error.start]:02x} on {at} is not {encoding.upper()}",
                    f"name its encoding, as in source.encoding={other}, or save it as"
                    " UTF-8, e.g. with `iconv -f latin1 -t utf-8`",
                )
            offset += len(line)
    return None


def bad_quotes(file: Path, written: Written) -> tuple[str, str] | None:
    """Find the first record whose quotes do not pair up, and say how to mend it."""
    with open_text(file, written) as raw:
        lines = io.TextIOWrapper(raw, "utf-8-sig", errors="replace", newline="\n")
        records = (line.replace("\r", "") for line in lines)
        reader = reader_of(records, written, strict=True)
        start = 1
        try:
            for _ in reader:
                start = reader.line_num + 1
        except csv.Error:
            quote = written.quote
            return (
                f"a quote opened on line {start} is not closed properly",
                f"look at line {start}; a quote inside a quoted field is written twice,"
                f" {quote}{quote}, not \\{quote}",
            )
    return None
