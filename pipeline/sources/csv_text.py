"""The text of a CSV file, of any encoding, as the UTF-8 that Polars reads.

Lines keep their numbers: a comment becomes a blank line, a footer is cut off.
"""

import codecs
import gzip
import hashlib
import io
import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from pipeline.files.local import stat_of
from pipeline.files.state import State
from pipeline.sources.dialect import Written
from pipeline.sources.kept import kept, used

_BLOCK = 1 << 18

PLAIN = Written()


def open_unpacked(file: Path) -> BinaryIO:
    """Open a file for reading, decompressed as its first bytes say."""
    raw = file.open("rb")
    magic = raw.peek(4)[:4]
    if magic[:2] != b"\x1f\x8b" and magic != b"\x28\xb5\x2f\xfd":
        return raw
    raw.close()
    if magic[:2] == b"\x1f\x8b":
        return cast("BinaryIO", gzip.open(file))
    # Imported late: the standard library has no zstd before Python 3.14.
    import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]

    open_stream = cast("Any", pa).input_stream
    return cast("BinaryIO", open_stream(str(file), compression="zstd"))


def is_packed(file: Path) -> bool:
    """Tell whether a file is compressed, by its first bytes."""
    with open_unpacked(file) as raw:
        return not isinstance(raw, io.BufferedReader)


def open_text(file: Path, written: Written) -> BinaryIO:
    """Open a file for reading as UTF-8, unpacked, without comments and footer.

    A UnicodeDecodeError while it is read if it is of another encoding.
    """
    if written.is_plain:
        return open_unpacked(file)
    blocks = _decoded(file, written.encoding)
    if written.comment is not None or written.skip_footer or written.above:
        blocks = _of_table(lines_of(blocks), written)
    return cast("BinaryIO", io.BufferedReader(_Stream(blocks), _BLOCK))


class _Stream(io.RawIOBase):
    """Blocks of bytes as a stream."""

    def __init__(self, blocks: Iterable[str]) -> None:
        self._blocks = iter(blocks)
        self._rest = b""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, in part at least but at the end."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = block.encode()
        n = min(len(buffer), len(self._rest))
        buffer[:n], self._rest = self._rest[:n], self._rest[n:]
        return n


def _decoded(file: Path, encoding: str) -> Iterator[str]:
    """Read a file's text block by block."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_unpacked(file) as raw:
        while block := raw.read(_BLOCK):
            yield decoder.decode(block)
        yield decoder.decode(b"", final=True)


def lines_of(blocks: Iterable[str]) -> Iterator[str]:
    r"""Cut text into lines, which end at \n alone."""
    rest = ""
    for block in blocks:
        *whole, rest = (rest + block).split("\n")
        yield from (f"{line}\n" for line in whole)
    if rest:
        yield rest


def _of_table(lines: Iterable[str], written: Written) -> Iterator[str]:
    """Leave out the last lines that are not blank, and blank out what is no field."""
    kept = deque[str]()
    n_kept = 0
    for line in without_comments(lines, written):
        kept.append(line)
        n_kept += bool(line.strip())
        while n_kept > written.skip_footer:
            first = kept.popleft()
            n_kept -= bool(first.strip())
            yield first


def without_comments(lines: Iterable[str], written: Written) -> Iterator[str]:
    """Blank out lines above the header, and those that begin as comments do.

    Not within quotes.
    """
    is_quoted = False
    for number, line in enumerate(lines):
        is_comment = written.comment is not None and line.startswith(written.comment)
        if number < written.above or (is_comment and not is_quoted):
            yield "\n" if line.endswith("\n") else ""
            continue
        if written.quote and line.count(written.quote) % 2:
            is_quoted = not is_quoted
        yield line


def readable_copy(file: Path, written: Written, root: Path) -> Path:
    """Name a file that Polars can read: itself, or a copy in UTF-8, made if need be.

    A copy is of the file as it was: changed, it gets another, which takes the place of
    the one before. A UnicodeDecodeError if a byte is none of the encoding.
    """
    if written.is_plain:
        return file
    of_file = hashlib.sha256(str(file).encode()).hexdigest()[:12]
    of_text = hashlib.sha256(repr((stat_of(file, root), written)).encode()).hexdigest()
    copy = State(root).data / f"utf8-{of_file}-{of_text[:12]}.csv"
    if copy.exists():
        used(copy)
        return copy
    with (
        kept(copy, instead_of=f"utf8-{of_file}-*.csv") as part,
        part.open("wb") as out,
        open_text(file, written) as text,
    ):
        shutil.copyfileobj(text, out, _BLOCK)
    return copy
