"""JSON lines: an object a line, of which values are read as they are written."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec
import polars as pl

from pipeline.errors import SourceError
from pipeline.sources.copied import LINE, CopiedSource, Reading, code_of, scan_copies
from pipeline.sources.scan import Scan, Streams, match_columns

_Record: TypeAlias = dict[str, msgspec.Raw]

_TEXT = "__text"

_N_FIRST = 1000
"""Records whose names are looked at first."""

_DECODER = msgspec.json.Decoder(_Record)


class JsonLinesSource(
    CopiedSource, frozen=True, kw_only=True, tag="json_lines", tag_field="kind"
):
    """Raw rows in files of JSON lines (NDJSON)."""


def scan_json_lines(
    config: JsonLinesSource,
    root: Path,
    *,
    streams: Streams = "whole",
) -> Scan:
    """Scan files of JSON lines into the declared columns; what a record lacks is null.

    A SourceError of a line that is no object; objects and lists in a cell are text.
    """
    reading = Reading(
        lambda file: _read(file, config), ("json_lines", code_of(__file__))
    )
    return scan_copies(config, root, reading, streams)


def names_in(file: Path) -> list[str]:
    """List the names in a file's first records."""
    return [*_names_in(file, _lines_of(file).head(_N_FIRST).collect())]


def _read(file: Path, config: JsonLinesSource) -> pl.LazyFrame:
    """Read the declared columns of a file as text."""
    lf = _lines_of(file)
    names = _names_in(file, lf.head(_N_FIRST).collect())
    found = list(names)
    if not set(config.columns) <= {config.rename.get(name, name) for name in names}:
        # A name may come late, where records leave out what is null.
        for batch in lf.collect_batches(maintain_order=True):
            names |= _names_in(file, batch)
        found = list(names)
    places = match_columns(found, config.columns, config.rename, file)
    keys = {name: found[at] for name, at in places.items()}
    schema = {LINE: pl.Int64(), **dict.fromkeys(keys, pl.String())}

    def parse(batch: pl.DataFrame) -> pl.DataFrame:
        lines, records = list(batch[LINE]), list(_records(file, batch))
        cells = {
            name: [_text(record.get(key)) for record in records]
            for name, key in keys.items()
        }
        return pl.DataFrame({LINE: lines, **cells}, schema=schema)

    return lf.map_batches(parse, streamable=True, schema=schema)


def _lines_of(file: Path) -> pl.LazyFrame:
    """Scan the lines that are not blank, with their numbers."""
    lines = pl.scan_lines(
        file, name=_TEXT, glob=False, row_index_name=LINE, row_index_offset=1
    )
    return lines.filter(pl.col(_TEXT).str.strip_chars() != "")


def _names_in(file: Path, batch: pl.DataFrame) -> dict[str, None]:
    """Collect the names in records, in the order in which they come."""
    return {name: None for record in _records(file, batch) for name in record}


def _records(file: Path, batch: pl.DataFrame) -> Iterator[_Record]:
    """Decode lines; a SourceError with the first that is no object."""
    for line, text in batch.select(LINE, _TEXT).iter_rows():
        try:
            yield _DECODER.decode(text.removeprefix("\ufeff"))
        except msgspec.DecodeError as error:
            start = text if len(text) <= 60 else f"{text[:60]}..."
            raise SourceError(
                f"{file}:{line}: is no JSON object\nfound: {start!r} ({error})\n"
                'expected: an object on each line, as {"year": 2015, "sales": 1.5}\n'
                "hint: mend the line; of one list of objects, write each on its line"
            ) from error


def _text(value: msgspec.Raw | None) -> str | None:
    """Take a value as a cell."""
    written = "null" if value is None else bytes(value).decode()
    if written.startswith('"'):
        return msgspec.json.decode(written, type=str)
    return None if written == "null" else written
