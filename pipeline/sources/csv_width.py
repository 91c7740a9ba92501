"""Records of a CSV file with more fields than the header, of which Polars shows none.

It is asked for one field behind the last column, and makes null of a blank one: of
``1,a,,b`` below two columns it would show ``1,a``.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from pipeline.errors import SourceError
from pipeline.sources.csv_file import Head, read_head, read_records
from pipeline.sources.dialect import SEPARATORS

_LF, _CR = b"\n\r"

_SMALL = 1 << 14
"""Bytes that are looked at before NumPy is imported."""


class Widths:
    """What the fields of a file say, block by block."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._separator = head.written.separator.encode()
        self._quote = (head.written.quote or "").encode()
        mark, quote = map(re.escape, (self._separator, self._quote or b'"'))
        text = b"[^%b\n]*" % quote
        self._quoted = re.compile(
            b"%b(?<=[%b\n]%b)%b(?:%b%b%b)*%b"
            % (quote, mark, quote, text, quote, quote, text, quote)
        )
        self._rest = b""
        self._n_before = 1
        """Bytes of a block that were in the one before."""
        self._is_open = False
        """Whether a quote may be, that was not closed yet."""
        self._is_known = False

    def look_at(self, block: bytes) -> None:
        """Go on with a block; a SourceError of the first record that is hidden.

        That is told by single lines first, and where one is odd by the whole file.
        """
        if self._is_known:
            return
        text = self._rest + block[self._n_before :]
        end = text.rfind(b"\n") + 1
        lines, self._rest, self._n_before = text[:end], text[end:], 2
        is_open = self._is_open
        if self._quote:
            self._is_open ^= lines.count(self._quote) % 2 == 1
        may_hide = _has_blank_field(lines, self._separator)
        if may_hide and (is_open or self._is_odd(lines)):
            self._is_known = True
            self._refuse_hidden()

    def _is_odd(self, text: bytes) -> bool:
        """Tell whether a line may be a record that is hidden, or a part of one."""
        # Imported late: it takes longer than a look at most files.
        import numpy as np

        codes = np.frombuffer(text, np.uint8)

        def counts(sign: bytes) -> Any:
            places = np.flatnonzero((codes == ord(sign)) | (codes == _LF))
            return np.diff(np.flatnonzero(codes[places] == _LF), prepend=-1) - 1

        is_quoted = self._quote and self._quote in text
        if is_quoted and (counts(self._quote) % 2).any():
            return True
        n_separators = counts(self._separator)
        long = np.flatnonzero(n_separators >= len(self._head.names))
        if long.size:
            long = long[n_separators[long] >= self._least]
        if is_quoted and long.size:
            fewer = self._quoted.sub(b"x", b"\n" + text)[1:]
            if fewer != text:
                return self._is_odd(fewer)
        lines = text.split(b"\n") if long.size else []
        return any(_has_blank_field(lines[i] + b"\n", self._separator) for i in long)

    @cached_property
    def _n_usual(self) -> int:
        """Fields of a record; looked up only where one has more than the header."""
        return usual_width(self._head)

    @property
    def _least(self) -> int:
        """Separators of the shortest record that may be hidden."""
        n = len(self._head.names)
        return n + (self._n_usual > n)

    def _is_hidden(self, record: Sequence[str]) -> bool:
        """Tell whether Polars shows nothing of what a record has too much."""
        extra = record[len(self._head.names) :]
        if not extra or extra[0] or not any(record):
            return False
        return any(extra) or len(record) > self._n_usual

    def _refuse_hidden(self) -> None:
        """Refuse the file for the first such record, if there is one."""
        head = self._head
        for line, record in read_records(head.file, head.written, head.lines):
            if self._is_hidden(record):
                raise _too_wide(head, line, record)


def _has_blank_field(lines: bytes, mark: bytes) -> bool:
    """Tell whether there is a blank field in lines, but for the first of one."""
    if len(lines) < _SMALL:
        return any(mark + other in lines for other in (mark, b"\n", b"\r"))
    import numpy as np

    codes = np.frombuffer(lines, np.uint8)
    is_mark = codes == ord(mark)
    is_border = is_mark | (codes == _LF) | (codes == _CR)
    return bool((is_mark[:-1] & is_border[1:]).any())


def usual_width(head: Head) -> int:
    """Count the fields of a record, where all may have the same blank ones too much.

    As where each ends with a separator, and the header does not.
    """
    n = len(head.names)
    # Of one of many files, few records have been read; the last may be cut short.
    records = read_head(head.file, head.config).records
    records = records[:-1] or records
    widths = {len(record) for record in records if len(record) >= n}
    return widths.pop() if len(widths) == 1 else n


def _too_wide(head: Head, line: int, record: Sequence[str]) -> SourceError:
    """Refuse a file for the width of a record."""
    mark = head.written.separator
    separators = SEPARATORS.get(mark, repr(mark))
    quoted = " (between ' with source.quote=\"'\")" if "'" in "".join(record) else ""
    return SourceError(
        f"{head.file}:{line}: a row has more fields than the header, in part blank\n"
        f"found: {len(record)} fields, {mark.join(record)[:100]!r}\n"
        f"expected: {len(head.names)} fields\n"
        f"hint: quote the field that holds {separators}{quoted}, or remove those"
        " behind the last column"
    )
