"""How rows come in, and how answers go out: JSON, CSV, Arrow, Parquet."""

import io
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import polars.selectors as cs
from polars.exceptions import PolarsError

from pipeline.files.parquet import scan_parquet
from pipeline.serving.packed import MALFORMED, TooLarge, hold_arrow, hold_parquet

JSON, CSV = "application/json", "text/csv"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"

TYPES = {
    JSON: JSON,
    CSV: CSV,
    ARROW: ARROW,
    PARQUET: PARQUET,
    "application/x-parquet": PARQUET,
}
"""Media types, and which of them is meant."""

_MOST_COLUMNS = 1_000
_MOST_UNPACKED = 8
"""Bytes that a byte of a packed table may stand for."""

_ROWS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_TEXT = msgspec.json.Decoder(str)
_TEXTS = msgspec.json.Decoder(list[str | None])
_NULL = msgspec.Raw(b"null")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class RequestError(Exception):
    """A request that cannot be answered, with the status of HTTP that says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def to_table(body: bytes, type_: str, max_rows: int) -> pl.DataFrame:
    """Read the rows of a request in JSON, whose cells are texts, or of Arrow."""
    if type_ == JSON:
        return _texts(body, max_rows)
    with _refused(type_):
        hold_arrow(body, max_rows, _most_unpacked(body))
        table = pl.read_ipc_stream(body)
        _refuse_odd(table.lazy(), len(body))
        return table


def to_file(body: bytes, type_: str, folder: Path, max_rows: int) -> Path:
    """Write the rows of a request in CSV or Parquet as a file."""
    if type_ == CSV:
        _refuse_many(body.count(b"\n") - 1, max_rows)
        path = folder / "request.csv"
        path.write_bytes(body)
        return path
    path = folder / "request.parquet"
    with _refused(type_, path):
        hold_parquet(body, max_rows, _most_unpacked(body))
        path.write_bytes(body)
        rows = scan_parquet(path)
        _refuse_many(rows.select(pl.len()).collect().item(), max_rows)
        _refuse_odd(rows, len(body))
    return path


@contextmanager
def _refused(type_: str, path: Path | None = None) -> Generator[None]:
    """Say what is wrong with bytes that are read as of a type, from a file."""
    try:
        yield
    except TooLarge as error:
        raise RequestError(413, f"request: {error}") from error
    except (PolarsError, OSError, *MALFORMED) as error:
        first = "bytes that cannot be read as such"
        if isinstance(error, PolarsError | OSError):
            first = str(error).strip().splitlines()[0].replace(str(path), "the request")
        raise RequestError(
            400, f"request: is no {type_}\nfound: {first}\nhint: see / for an example"
        ) from error


def _texts(body: bytes, max_rows: int) -> pl.DataFrame:
    """Read a list of objects, or an object with one as its ``rows``."""
    try:
        if body.lstrip()[:1] == b"{":
            given = _OBJECT.decode(body)
            if given.keys() != {"rows"}:
                raise RequestError(
                    400,
                    "request: expected an object with one name, 'rows'\n"
                    f"found: {', '.join(map(repr, [*given][:6])) or 'none'}\n"
                    'hint: {"rows": [{"Year": 2017, ...}]}, or the list alone',
                )
            rows = _ROWS.decode(given["rows"])
        else:
            rows = _ROWS.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise RequestError(
            400,
            f"request: is no list of rows in JSON\nfound: {error}\n"
            'expected: [{"name of a column": value, ...}, ...]',
        ) from error
    _refuse_many(len(rows), max_rows)
    names = dict.fromkeys(chain.from_iterable(rows))
    _refuse_wide(names)
    if not names:
        raise RequestError(
            400,
            "request: no rows\n"
            'expected: [{"name of a column": value, ...}, ...], a row at least',
        )
    try:
        cells = {name: _cells([row.get(name, _NULL) for row in rows]) for name in names}
        return pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String))
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise RequestError(
            400, f"request: a text is no UTF-8\nfound: {error}"
        ) from error
    except TypeError as error:
        raise _nested(rows) from error


def _nested(rows: list[dict[str, msgspec.Raw]]) -> RequestError:
    """Find the first cell that is an object or a list."""
    row, name, value = next(
        (number, name, bytes(value))
        for number, row in enumerate(rows, start=1)
        for name, value in row.items()
        if bytes(value).startswith((b"{", b"["))
    )
    kind = "an object" if value.startswith(b"{") else "a list"
    return RequestError(
        422,
        f"request: row {row}: {name}: is {kind}, expected a number, a text or null\n"
        "hint: leave it out",
    )


def _cells(values: list[msgspec.Raw]) -> Sequence[str | None]:
    """Take values as cells, as of JSON lines; a TypeError of an object or a list."""
    joined = b",".join(values)
    if not joined.translate(None, b"0123456789.,+-eE"):
        return joined.decode().split(",")
    try:
        return _TEXTS.decode(b"[%b]" % joined)
    except msgspec.ValidationError:
        return [_cell(bytes(value)) for value in values]


def _cell(value: bytes) -> str | None:
    """Take a value as a cell."""
    if value.startswith((b"{", b"[")):
        raise TypeError
    if value.startswith(b'"'):
        return _TEXT.decode(value)
    return None if value == b"null" else value.decode()


def _refuse_many(n_rows: int, most: int) -> None:
    if n_rows > most:
        raise RequestError(
            413,
            f"request: {n_rows:,} rows, expected at most {most:,}\n"
            "hint: send parts of whole clusters, use `just score`, or see"
            " serving.max_rows",
        )


def _refuse_wide(names: Any) -> None:
    if len(names) > _MOST_COLUMNS:
        raise RequestError(
            413, f"request: has more than {_MOST_COLUMNS:,} columns, expected fewer"
        )


def _most_unpacked(body: bytes) -> int:
    """Say to how many bytes a packed table may unpack."""
    return max(_MOST_UNPACKED * len(body), 64 << 20)


def _refuse_odd(rows: pl.LazyFrame, n_bytes: int) -> None:
    """Refuse many columns, lists, and texts that repeat until no memory holds them."""
    schema = rows.collect_schema()
    _refuse_wide(schema)
    for name, dtype in schema.items():
        if dtype.is_nested() or dtype == pl.Object:
            raise RequestError(
                400,
                f"request: column {name!r} is {dtype}, expected numbers, texts, times\n"
                "hint: leave it out",
            )
    sizes = rows.select(
        cs.string().str.len_bytes().sum(),
        cs.binary().bin.size().sum(),
        cs.by_dtype(pl.Categorical, pl.Enum).cat.len_bytes().sum(),
    ).collect()
    most = max(_MOST_UNPACKED * n_bytes, 1 << 20)
    if sizes.width and (n := sum(sizes.row(0))) > most:
        raise RequestError(
            413, f"request: {n:,} bytes of text, expected at most {most:,} of its size"
        )


def written(made: pl.DataFrame, type_: str, beside: dict[str, Any]) -> bytes:
    """Write predictions; of what is `beside` them, only JSON has room."""
    if type_ == JSON:
        return msgspec.json.encode({**beside, "predictions": made.to_dicts()})
    out = io.BytesIO()
    match type_:
        case "text/csv":
            made.write_csv(out)
        case "application/vnd.apache.arrow.stream":
            made.write_ipc_stream(out)
        case _:
            made.write_parquet(out)
    return out.getvalue()


def accepted(header: str, known: Iterable[str] = TYPES) -> str:
    """Choose how to answer: the first that is named and known, else JSON."""
    for part in header.split(","):
        name = part.partition(";")[0].strip().lower()
        if name in known:
            return TYPES[name]
        if name in ("", "*/*", "application/*"):
            return JSON
    raise RequestError(
        406,
        f"request: accepts {header!r}, expected one of {', '.join(known)}\n"
        "hint: without a header 'Accept', the answer is JSON",
    )
