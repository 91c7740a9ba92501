"""Where the table of a text begins and what stands between its fields, found out.

The declared columns tell: the header is the line that names them, and what separates
its fields is what makes their names of it.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from pipeline.sources.csv_text import lines_of, without_comments
from pipeline.sources.dialect import SEPARATORS, Dialect, Written
from pipeline.sources.scan import declared_names

_MOST_ABOVE = 100
"""Lines above a header."""

_N_SHAPED, _SHAPE_CHARS = 30, 1 << 16
"""Records below a line, and of how much text, that tell whether it is the header."""

_MOST_SHAPED = 0.8
"""Of them, those that have as many fields."""

# Of Windows-1252: what no word has within it, so that it is of another encoding.
_ODD_WITHIN = re.compile(
    rb"[A-Za-z][\x80\x82-\x89\x8b\x91\x93-\x95\x98\x99\x9b\xa1-\xa9\xab\xac\xae-\xb6"
    rb"\xb8\xb9\xbb-\xbf\xd7\xf7][a-z]|[\x81\x8d\x8f\x90\x9d]"
)
_HIGH = re.compile(rb"[\x80-\xff]+")


@dataclass(frozen=True)
class Layout:
    """What a text's fields are, from its header on."""

    separator: str
    quote: str | None
    comment: str | None
    names: list[str]
    lines: int
    """Down to the header's last."""
    records: list[list[str]]
    above: int = 0
    """Lines above the header, if there are quotes in them."""


def find_encoding(head: bytes) -> str:
    """Tell the encoding of a file's beginning.

    UTF-8, UTF-16 by its mark, or Windows-1252, of which Latin-1's letters are a part.
    A UnicodeDecodeError if it is none, or none for sure: letters of other languages
    are bytes of Windows-1252, too, but make no words of it.
    """
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        runs = _HIGH.findall(head)
        n_paired = sum(len(run) > 1 for run in runs)
        is_text = b"\0" not in head
        if is_text and (_ODD_WITHIN.search(head) or 3 * n_paired > len(runs)):
            raise
        return "windows-1252" if is_text else "utf-8"
    return "utf-8"


def find_layout(text: str, config: Dialect) -> Layout:
    """Find the header of a text, and what its fields are separated by.

    Of what `config` leaves open, that is taken of which the header has most of the
    declared names: the first line that is not blank, commas and `"` where several do.
    A csv.Error if the header's line has no end, or there is none and two fit.
    """
    choices = _choices(config.quote, config.separator)
    if config.comment is not None:
        text = _uncommented(text, config.comment, choices[0].quote)
    if not config.header:
        return _without_header(text, config, choices)
    start, written = _find_header(text, config, choices)
    comment = config.comment or _comment_of(text, start)
    if comment != config.comment:
        text = _uncommented(text, comment, written.quote)
        start, written = _find_header(text, config, choices)
    names, end = _header_at(text, start, written)
    if len(names) == 1 and config.separator is None:
        written = _of_one_column(text[end:], choices)
    records = [record for record in reader_of(text[end:], written) if record]
    if config.quote is None:
        _refuse_other_quotes(text, written, records)
    return Layout(
        written.separator,
        written.quote,
        comment,
        names,
        text.count("\n", 0, end),
        records,
        text.count("\n", 0, start) if '"' in text[:start] else 0,
    )


@cache
def _choices(quote: str | None, separator: str | None) -> Sequence[Written]:
    """List what fields may be separated and quoted by, the most usual first."""
    return [
        Written(separator=mark, quote=None if by == "none" else by)
        for by in ([quote] if quote else ['"', "'"])
        for mark in ([separator] if separator else SEPARATORS)
    ]


def _comment_of(text: str, start: int) -> str | None:
    """Tell what begins lines amid the rows, as it begins those above the header."""
    above = [line for line in text[:start].split("\n") if line.strip()]
    is_comment = above and all(line.startswith("#") for line in above)
    return "#" if is_comment and "\n#" in text[start:] else None


def reader_of(
    text: str | Iterable[str], written: Written, *, strict: bool = False
) -> Any:
    """Read the records of a text, or of lines."""
    lines = io.StringIO(text, newline="") if isinstance(text, str) else text
    return csv.reader(
        lines,
        delimiter=written.separator,
        quotechar=written.quote,
        quoting=csv.QUOTE_MINIMAL if written.quote else csv.QUOTE_NONE,
        strict=strict,
    )


def _uncommented(text: str, comment: str | None, quote: str | None) -> str:
    """Blank out the comments of a text."""
    written = Written(comment=comment, quote=quote)
    return "".join(without_comments(lines_of([text]), written))


def _find_header(
    text: str, config: Dialect, choices: Sequence[Written]
) -> tuple[int, Written]:
    """Find where the header begins, and how it is written."""
    starts = list(_line_starts(text, config.skip_lines))
    wanted = set(config.columns)
    if not wanted and (found := _header_by_shape(text, starts, choices)):
        return found
    best, most = (starts[0], choices[0]), 0
    for start in starts:
        for written in choices:
            names, _ = _header_at(text, start, written)
            n = len(wanted.intersection(declared_names(names, config.rename)))
            if n > most:
                best, most = (start, written), n
            if most == len(wanted):
                return best
    if not most:  # nothing is known of it but that it has fields
        at = starts[0]
        return at, max(choices, key=lambda w: len(_header_at(text, at, w)[0]))
    return best


def _header_by_shape(
    text: str, starts: Sequence[int], choices: Sequence[Written]
) -> tuple[int, Written] | None:
    """Find the first line with as many fields as nearly all records below it have.

    For files of which no columns are declared yet; several fields, each with a name.
    """
    for start in starts:
        below = text[start : start + _SHAPE_CHARS]
        fits: list[tuple[float, int]] = []
        for written in choices:
            found: Iterator[list[str]] = filter(None, reader_of(below, written))
            records = islice(found, _N_SHAPED)
            header, *below_it = [*records] or [[]]
            width = len(header)
            n_alike = sum(_is_alike(header, record) for record in below_it)
            share = n_alike / max(len(below_it), 1)
            is_table = share >= _MOST_SHAPED and width > 1
            fits.append((share, width) if is_table else (0, 0))
        best = max(fits)
        if best[1]:
            return start, choices[fits.index(best)]
    return None


def _is_alike(header: Sequence[str], record: Sequence[str]) -> bool:
    """Tell whether a record has as many fields as the header, but for a last blank."""
    longer, n = max(header, record, key=len), len(record) - len(header)
    return n == 0 or (abs(n) == 1 and not longer[-1])


def _line_starts(text: str, skip_lines: int | None) -> Iterator[int]:
    """Yield where lines begin that may be the header."""
    start = 0
    for _ in range(skip_lines or 0):
        start = text.find("\n", start) + 1 or len(text)
    yield start
    if skip_lines is not None:
        return
    for _ in range(_MOST_ABOVE):
        start = text.find("\n", start) + 1
        if not start:
            return
        yield start


def _header_at(text: str, start: int, written: Written) -> tuple[list[str], int]:
    """Read the first record from a line on, and say where it ends."""
    stream = io.StringIO(text, newline="")
    stream.seek(start)
    reader = reader_of(iter(stream.readline, ""), written)
    names = next((record for record in reader if record), list[str]())
    end = stream.tell()
    # Polars ends lines at \n alone, Python's reader at \r too.
    if text[end - 1 : end] == "\r":
        raise csv.Error("the header ends in \\r alone")
    return names, end


def _refuse_other_quotes(
    text: str, written: Written, records: Iterable[Sequence[str]]
) -> None:
    """Refuse fields between apostrophes, which may be part of them or not.

    Not where fields are seen to be quoted otherwise.
    """
    quoted = rf'[\n{re.escape(written.separator)}]"'
    if written.quote == "'" or "'" not in text or re.search(quoted, text):
        return
    cells = (cell for record in records for cell in record)
    for cell in cells:
        if len(cell) > 1 and cell[0] == cell[-1] == "'":
            raise csv.Error(
                f"{cell} may be quoted by apostrophes, or hold them: say source.quote"
            )


def _of_one_column(rows: str, choices: Sequence[Written]) -> Written:
    """Choose what separates no fields, where there is one column only."""
    for written in choices:
        if all(len(record) < 2 for record in reader_of(rows, written)):
            return written
    return choices[0]


def _without_header(text: str, config: Dialect, choices: Sequence[Written]) -> Layout:
    """Take the fields for the declared columns."""
    start = next(_line_starts(text, config.skip_lines or 0))
    n = len(config.columns)

    def n_fitting(written: Written) -> int:
        return sum(len(record) == n for record in reader_of(text[start:], written))

    choices = [w for w in choices if w.quote == choices[0].quote]
    most = max(map(n_fitting, choices))
    written, *others = [w for w in choices if n_fitting(w) == most]
    if others and most and n > 1:
        both = " and ".join(SEPARATORS[w.separator] for w in (written, others[0]))
        raise csv.Error(f"fields between {both} fit: say source.separator")
    records = [record for record in reader_of(text[start:], written) if record]
    lines = text.count("\n", 0, start)
    declared = list(config.columns)
    return Layout(
        written.separator, written.quote, config.comment, declared, lines, records
    )
