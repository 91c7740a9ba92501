"""How large a packed table is once it is unpacked, told before any of it is.

A few kilobytes of Parquet may stand for gigabytes, and what the footer says of its
sizes need not be true. So the heads of pages are read, by which Polars unpacks them,
too; of an Arrow stream, those of its batches.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any

_MOST_FOOTER = 1 << 20
_MOST_HEADS = 20_000
"""Pages of Parquet, messages of Arrow: reading their heads takes time, too."""

_DELTA_TEXTS = 7
"""The encoding in which a text may repeat most of the one before."""

MALFORMED = (
    struct.error,
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What comes of bytes that are no such table."""


class TooLarge(Exception):
    """A table that is not unpacked; the words say what it has, and what is expected."""


def hold_parquet(body: bytes, max_rows: int, max_bytes: int) -> None:
    """Raise TooLarge if a file of Parquet unpacks to more than may be.

    MALFORMED if it is none.
    """
    n_values, n_bytes = Counter[int](), 0
    for n_heads, (column, page) in enumerate(_pages(body)):
        head: dict[int, Any] = page.get(5) or page.get(8) or {}
        encoding = head.get(4 if 8 in page else 2)
        n_values[column] += head.get(1, 0)
        n_bytes += max(page[2], page[3])
        if encoding == _DELTA_TEXTS:
            raise TooLarge("texts as DELTA_BYTE_ARRAY, expected another encoding")
        _hold(n_heads, n_values[column], max_rows, n_bytes, max_bytes)


def hold_arrow(body: bytes, max_rows: int, max_bytes: int) -> None:
    """Raise TooLarge if a stream of Arrow is compressed, or holds more than may be.

    MALFORMED if it is none.
    """
    n_rows = n_bytes = 0
    for n_heads, (kind, batch) in enumerate(_batches(body)):
        if batch.has(3):
            raise TooLarge(
                "compressed buffers, expected none\n"
                "hint: write the stream without compression, or as Parquet"
            )
        n_rows += batch.number(0, "<q") if kind == _ROWS else 0
        n_bytes += sum(batch.lengths(2))
        _hold(n_heads, n_rows, max_rows, n_bytes, max_bytes)


def _hold(n_heads: int, n: int, most: int, n_bytes: int, most_bytes: int) -> None:
    if n > most:
        raise TooLarge(
            f"more than {most:,} rows, expected at most so many\n"
            "hint: send parts of whole clusters, use `just score`, or see"
            " serving.max_rows"
        )
    if n_bytes > most_bytes:
        raise TooLarge(
            f"unpacks to more than {most_bytes >> 20:,} MiB, expected at most so many"
        )
    if n_heads > _MOST_HEADS:
        raise TooLarge(f"more than {_MOST_HEADS:,} pages or batches, expected fewer")


def _pages(body: bytes) -> Iterator[tuple[int, dict[int, Any]]]:
    """Read the head of each page, with the number of its column."""
    n_footer = struct.unpack_from("<I", body, len(body) - 8)[0]
    if n_footer > len(body) - 8:
        raise ValueError("a footer before the first byte")
    if n_footer > _MOST_FOOTER:
        raise TooLarge(f"a footer of more than {_MOST_FOOTER:,} bytes, expected fewer")
    footer = _Thrift(body, len(body) - 8 - n_footer).struct()
    for group in footer[4]:
        for column, chunk in enumerate(group[1]):
            meta = chunk[3]
            at: int = meta.get(11, meta[9])
            end: int = at + meta[7]
            while at < end:
                reader = _Thrift(body, at)
                page = reader.struct()
                yield column, page
                if page[2] < 0 or page[3] < 0:
                    raise ValueError("a page of less than no bytes")
                at = reader.at + page[3]


class _Thrift:
    """Reads structures of Thrift's compact protocol, as fields by their number."""

    def __init__(self, data: bytes, at: int) -> None:
        if at < 0:
            raise ValueError("before the first byte")
        self.data, self.at = data, at

    def struct(self) -> dict[int, Any]:
        """Read a structure."""
        fields: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind)
        return fields

    def _value(self, kind: int) -> Any:
        match kind:
            case 1 | 2 | 3:  # of a list, a truth is a byte
                return self._byte()
            case 4 | 5 | 6:
                return self._signed()
            case 7:
                return self._skip(8)
            case 8:
                return self._skip(self._number())
            case 9 | 10:
                head = self._byte()
                n = head >> 4 if head >> 4 < 15 else self._number()
                return [self._value(head & 15) for _ in range(n)]
            case 12:
                return self.struct()
            case _:
                raise ValueError(f"a field of kind {kind}")

    def _byte(self) -> int:
        byte = self.data[self.at]
        self.at += 1
        return byte

    def _number(self) -> int:
        found = shift = 0
        while (byte := self._byte()) > 127:
            found |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")
        return found | byte << shift

    def _signed(self) -> int:
        n = self._number()
        return n >> 1 ^ -(n & 1)

    def _skip(self, n: int) -> None:
        self.at += n


class _Table:
    """Reads a table of FlatBuffers: its fields by their number, absent ones as 0."""

    def __init__(self, data: bytes, reference: int) -> None:
        self.data = data
        self.at = reference + self._read("<I", reference)
        self._fields = self.at - self._read("<i", self.at)

    def number(self, field: int, form: str) -> int:
        """Read a number of a form of `struct`."""
        at = self._place(field)
        return self._read(form, at) if at else 0

    def table(self, field: int) -> "_Table":
        """Read a table that is there."""
        return _Table(self.data, self._place(field))

    def has(self, field: int) -> bool:
        """Tell whether a field is there."""
        return self._place(field) > 0

    def lengths(self, field: int) -> list[int]:
        """Read the lengths of a vector of buffers, each after its offset."""
        at = self._place(field)
        if not at:
            return []
        at += self._read("<I", at)
        pairs = self.data[at + 4 : at + 4 + 16 * self._read("<I", at)]
        return [length for _, length in struct.iter_unpack("<qq", pairs)]

    def _place(self, field: int) -> int:
        """Find where a field is; 0 if it is absent."""
        if 4 + 2 * field >= self._read("<H", self._fields):
            return 0
        offset = self._read("<H", self._fields + 4 + 2 * field)
        return self.at + offset if offset else 0

    def _read(self, form: str, at: int) -> int:
        if at < 0:
            raise ValueError("before the first byte")
        return struct.unpack_from(form, self.data, at)[0]


_SCHEMA, _CATEGORIES, _ROWS = 1, 2, 3
"""What a message of Arrow may hold."""


def _batches(body: bytes) -> Iterator[tuple[int, _Table]]:
    """Read the head of each batch of rows or of categories."""
    at = 0
    while at + 4 <= len(body):
        n_head = struct.unpack_from("<I", body, at)[0]
        at += 4
        if n_head == 0xFFFFFFFF:
            n_head = struct.unpack_from("<I", body, at)[0]
            at += 4
        if n_head == 0:
            return
        message = _Table(body, at)
        kind = message.number(1, "<B")
        if kind == _ROWS:
            yield kind, message.table(2)
        elif kind == _CATEGORIES:
            yield kind, message.table(2).table(1)
        elif kind != _SCHEMA:
            raise ValueError(f"a message of kind {kind}")
        n_body = message.number(3, "<q")
        if n_body < 0:
            raise ValueError("a body of less than no bytes")
        at += n_head + n_body
