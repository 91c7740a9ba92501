"""What must not come to Polars: files it would misread, or hold in memory whole.

Of all bytes of a file, some questions; for 150 MB they take 0.6 CPU seconds, and 1 with
blank fields.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.sources.csv_file import (
    MOST_BYTES,
    Head,
    bad_quotes,
    explain,
    no_csv,
    too_long,
)
from pipeline.sources.csv_text import PLAIN, open_text
from pipeline.sources.csv_width import Widths
from pipeline.sources.dialect import Written

_BLOCK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_LF, _CR = b"\n\r"

_MOST_EXPANSION = 200
_FREE_EXPANSION = 1 << 30
"""A table shrinks to a fifth, or a twentieth; what has grown so far is none."""


def refuse_unsound(
    file: Path, written: Written = PLAIN, head: Head | None = None
) -> None:
    r"""Refuse a CSV file that Polars would misread, or not fit in memory.

    It drops the quotes within ``"a \"b\", c"``, and such a field may end elsewhere
    than was meant; a line, or what follows a quote that never closes, it holds several
    times, however long that is. A SourceError, too, of a byte that is zero, as in what
    a lost disk gives, and of a compressed file that grows beyond reason. Where its
    `head` is known, also of a record with fields too much that would not show.
    """
    try:
        quotes = _Quotes(written)
        widths = Widths(head) if head else None
        line_at = 0
        for at, block in _blocks(file, written):
            end = block.find(b"\n")
            if at + (len(block) if end < 0 else end) - line_at > MOST_BYTES:
                raise too_long(file, _line_of(file, written, line_at))
            if end >= 0:
                line_at = at + block.rfind(b"\n") + 1
            if (zero := block.find(b"\0")) >= 0:
                found = f"a byte of zero on line {_line_of(file, written, at + zero)}"
                raise no_csv(file, found, "fetch or write it again")
            quotes.look_at(at, block)
            if widths:
                widths.look_at(block)
            if quotes.opened is not None and at - quotes.opened > MOST_BYTES:
                line = _line_of(file, written, quotes.opened)
                raise no_csv(
                    file,
                    f"a quote opened on line {line} is not closed within"
                    f" {MOST_BYTES >> 20} MiB",
                    f"look at line {line}",
                )
        is_odd = quotes.are_odd or quotes.opened is not None
        if is_odd and (fault := bad_quotes(file, written)):
            raise no_csv(file, *fault)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise explain(file, error, written) from error


class _Quotes:
    """What the quotes of a file say, block by block."""

    def __init__(self, written: Written) -> None:
        self._quote = (written.quote or "").encode()
        self._separator = ord(written.separator)
        self.are_odd = False
        """Whether there is one that a quoted field may hold as if it were a letter.

        In other fields, as in ``5" pipe``, it is one."""
        self.opened: int | None = None
        """Where a field begins with a quote and has not ended since."""
        self._is_closed = True

    def look_at(self, at: int, block: bytes) -> None:
        """Go on with a block, all but its first and its last byte."""
        if not self._quote or block.find(self._quote, 1, -1) < 0:
            return
        # Imported late: it takes longer than a look at most files.
        import numpy as np

        quote = self._quote[0]
        codes = np.frombuffer(block, np.uint8)
        places = np.flatnonzero(codes[1:-1] == quote) + 1
        before, after = codes[places - 1], codes[places + 1]
        begins = (before == self._separator) | (before == _LF)
        closes = (after == self._separator) | (after == _LF) | (after == _CR)
        opens = begins & ~closes & (after != quote)
        is_bare = ~(begins | closes | (before == quote) | (after == quote))
        if is_bare.any():
            # Whether the last quote before it that is not bare, too, closes a field.
            is_closed = np.append(self._is_closed, (closes & ~begins)[~is_bare])
            self.are_odd |= not is_closed[np.cumsum(~is_bare)[is_bare]].all()
            self._is_closed = bool(is_closed[-1])
        else:
            self._is_closed = bool(closes[-1] and not begins[-1])
        is_mark = opens | closes
        is_open, places = opens[is_mark], places[is_mark]
        if not is_open.size:
            return
        is_within = np.append(self.opened is not None, is_open[:-1])
        self.are_odd |= bool((is_open & is_within).any())
        if not is_open[-1]:
            self.opened = None
        elif self.opened is None or not is_open.all():
            self.opened = at + int(places[-1])


def _blocks(file: Path, written: Written) -> Iterator[tuple[int, bytes]]:
    """Read a file block by block, with a line end before and behind it.

    Yields where the block begins, and it; each holds the last two bytes before it.
    """
    n_packed = file.stat().st_size
    with open_text(file, written) as raw:
        block = raw.read(_BLOCK)
        at = len(_BOM) if block.startswith(_BOM) else 0
        n_bytes = len(block)
        at, block = at - 1, b"\n" + block[at:]
        while True:
            yield at, block
            new = raw.read(_BLOCK)
            n_bytes += len(new)
            if n_bytes > max(_FREE_EXPANSION, _MOST_EXPANSION * n_packed):
                raise SourceError(
                    f"{file}: grows beyond reason when it is unpacked\n"
                    f"found: {n_packed:,} bytes, more than {_MOST_EXPANSION} times that"
                    f" unpacked and more than {_FREE_EXPANSION >> 30} GiB\n"
                    "expected: a compressed table\nhint: unpack it yourself if it is"
                    " one: plain files have no such limit"
                )
            at, block = at + len(block) - 2, block[-2:] + (new or b"\n")
            if not new:
                yield at, block
                return


def _line_of(file: Path, written: Written, at: int) -> int:
    """Say which line a byte is on, counted from 1."""
    line = 1
    with open_text(file, written) as raw:
        while at > 0 and (block := raw.read(min(_BLOCK, at))):
            line += block.count(b"\n")
            at -= len(block)
    return line
