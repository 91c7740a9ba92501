"""CSV files: one or a glob, each with its own column order and dialect.

A clean file is read straight into the declared dtypes. What Polars cannot read that
way becomes null, so the first pass only says *that* something is wrong; a second one
(``repair=True``) reads every number as text, cleans it, and says *what*.
"""

import math
import zlib
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from functools import partial
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import polars as pl

from pipeline.errors import SourceError
from pipeline.files.local import SourceFile, find_local, shown
from pipeline.sources.cells import Notation, parse_text
from pipeline.sources.columns import (
    Declared,
    Kind,
    LocalPath,
    column_of,
    dtype_of,
    is_blank,
    is_checked,
    is_nullable,
)
from pipeline.sources.csv_file import Head, explain, read_heads, read_records
from pipeline.sources.csv_text import readable_copy
from pipeline.sources.dialect import Dialect, Written
from pipeline.sources.lasts import Lasts
from pipeline.sources.notation import Cells, Found, find_notation
from pipeline.sources.parsed import LEAST_BYTES
from pipeline.sources.scan import (
    FILE,
    OVERFLOW,
    RECORD,
    Scan,
    Stream,
    Streams,
    cut,
    match_columns,
    parse,
)

_Group: TypeAlias = tuple[dict[str, int], list[Head]]
"""Files that follow one another with the same header, and where columns are in it."""

_TYPED: frozenset[Kind] = frozenset(("code", "count", "integer", "money"))
"""Kinds of which Polars reads what is plain, and makes null of all else."""

_PIECE = 1 << 25
"""Bytes of files that one task reads, about; a larger file is one alone."""


class CsvSource(Dialect, frozen=True, kw_only=True, tag="csv", tag_field="kind"):
    """Raw rows in CSV files, plain, gzip or zstd."""

    path: LocalPath


def scan_csv(
    config: CsvSource,
    root: Path,
    *,
    repair: bool = False,
    streams: Streams = "whole",
) -> Scan:
    """Scan CSV files into the declared columns, as `pipeline.sources.scan` does.

    Reads only the head of each file, and finds out how it is written; where many are
    small, it counts their lines, too. One that Polars cannot read is copied, once. A
    column of which a head needs cleaning (``$361.00``, ``"8,375.41"``) is read as text
    and cleaned, in all files, and so is every one that is no number, or whose nulls may
    be good; the others are read typed. Rows are in file and record order; blank lines
    are none.
    """
    files = find_local(config.path, root)
    all_heads = read_heads(files, config)
    groups, found, unclean = _look_at(all_heads, config)
    pieces = [
        (places, some) for places, group in groups for some in _cut(group, streams)
    ]
    heads = {shown(head.file, root): head for head in all_heads}
    count = count_lines
    if streams == "stand-ins":
        copies = {head.file: Path(f"0{_copied(head)}") for head in all_heads}
        pieces = [(places, some[:1]) for places, some in pieces]
    else:
        copies = {head.file: _readable(head, root) for head in all_heads}
        if _are_many_small(all_heads):
            count = _count_lines_of_small
    cleaned = {
        name
        for name, declared in found.columns.items()
        if name in unclean or (repair and is_checked(declared))
    }
    nulls = config.nulls
    reading = _Reading(found.columns, found.notation, cleaned, nulls, repair, count)
    return Scan(
        tuple(_scan_files(some, places, reading, copies) for places, some in pieces),
        files,
        lambda file, records: _lines_of(heads[file], records),
        partial(diagnose, heads=heads, copies=copies),
        {str(copy): file for file, copy in copies.items()},
        tuple(_said(heads, found.said)),
    )


def _cut(group: list[Head], streams: Streams) -> Iterable[list[Head]]:
    """Cut alike files into those of a stream each."""
    match streams:
        case "pieces":
            return cut(group, attrgetter("n_bytes"), _PIECE)
        case "files":
            return [[head] for head in group]
        case _:
            return [group]


def _groups(heads: Sequence[Head], config: CsvSource) -> list[_Group]:
    """Put files together that follow one another and are written alike."""
    groups: list[_Group] = []
    for _, alike in groupby(heads, lambda head: (head.lines, head.names, head.written)):
        group = list(alike)
        names, file = group[0].names, group[0].file
        places = match_columns(names, config.columns, config.rename, file)
        groups.append((places, group))
    return groups


class _Look(NamedTuple):
    """What the heads of a source's files tell of how they are to be read."""

    groups: list[_Group]
    found: Found
    unclean: set[str]
    """Columns that must be read as text and cleaned."""


_looks = Lasts[tuple[list[Head], _Look]]()


def _look_at(heads: list[Head], config: CsvSource) -> _Look:
    """Find out how files are written."""
    how = repr(config)
    last = _looks.get(how)
    if last is None or last[0] != heads:
        groups = _groups(heads, config)
        cells = _first_cells(config, groups)
        by_commas = all(of[0].written.separator == "," for _, of in groups)
        place = partial(_place_of, groups)
        found = find_notation(config, cells, place, by_commas=by_commas)
        unclean = {
            name
            for name, declared in found.columns.items()
            if is_checked(declared)
            and _needs_cleaning(declared, cells[name], found.notation)
        }
        last = heads, _Look(groups, found, unclean)
        _looks[how] = last
    return last[1]


@dataclass(frozen=True)
class _Reading:
    """How the files of a source are read."""

    columns: Mapping[str, Declared]
    notation: Notation
    cleaned: Collection[str]
    """Columns that are read as text."""
    nulls: Sequence[str]
    repair: bool
    count: Callable[[list[Path]], pl.LazyFrame]
    """Counts their lines."""


def diagnose(
    files: Sequence[SourceFile],
    heads: Mapping[str, Head],
    copies: Mapping[Path, Path],
) -> SourceError | None:
    """Say which file made Polars fail, and why; None if each can be read on its own."""
    for head in heads.values():
        if head.file not in files:
            continue
        try:
            _scan_text([copies[head.file]], head.written, infer_schema=False).select(
                pl.all().is_null().sum()
            ).collect(engine="streaming")
        except (pl.exceptions.PolarsError, OSError) as error:
            return explain(head.file, error, head.written)
    return None


def _scan_text(
    files: Sequence[Path], written: Written, **settings: Any
) -> pl.LazyFrame:
    """Scan the text of alike files, whose records may be too long or too short."""
    return pl.scan_csv(
        list(files),
        glob=False,
        separator=written.separator,
        quote_char=written.quote,
        truncate_ragged_lines=True,
        **settings,
    )


def _scan_files(
    heads: Sequence[Head],
    places: Mapping[str, int],
    reading: _Reading,
    copies: Mapping[Path, Path],
) -> Stream:
    """Scan files of one layout, and parse their rows."""
    columns, repair, written = reading.columns, reading.repair, heads[0].written
    named = [copies[head.file] for head in heads]
    names = [f"__unused {position}" for position in range(len(heads[0].names))]
    for name, position in places.items():
        names[position] = name
    dtypes: dict[str, pl.DataType] = dict.fromkeys(names, pl.String())
    for name, declared in columns.items():
        dtypes[name] = pl.String() if name in reading.cleaned else dtype_of(declared)
    lf = _scan_text(
        named,
        written,
        has_header=False,
        skip_lines=heads[0].lines,
        schema={**dtypes, OVERFLOW: pl.String},
        missing_columns="insert",
        extra_columns="ignore",
        ignore_errors=True,
        row_index_name=RECORD,
        include_file_paths=FILE if repair else None,
    )
    if reading.nulls:
        lf = lf.with_columns(_without_nulls(columns, reading.nulls))
    parsing = {
        name: parse_text(pl.col(name), columns[name], reading.notation)
        for name in sorted(reading.cleaned)
    }
    if repair:
        # Looking at every column also makes Polars refuse broken quotes in any.
        lf = lf.filter(~pl.all_horizontal(is_blank(pl.col(name)) for name in names))
        swallowed = _swallowed(names, written.separator)
        lf = lf.with_columns(pl.coalesce(OVERFLOW, swallowed).alias(OVERFLOW))
    return Stream(
        parse(lf, parsing, columns),
        parsing,
        columns,
        tuple(named),
        exact=repair,
        most_rows=_most_rows(heads, places, columns),
        lines=reading.count(named),
        header_lines=sum(head.lines for head in heads),
    )


def _readable(head: Head, root: Path) -> Path:
    """Name what Polars reads of a file: itself, or its text as UTF-8."""
    try:
        return readable_copy(head.file, head.written, root)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise explain(head.file, error, head.written) from error


def _copied(head: Head) -> str:
    """Say what makes a file's copy another than the file; nothing if there is none."""
    written = head.written
    if written.is_plain:
        return ""
    lines = f"{written.comment} {written.skip_footer} {written.above}"
    return f" {written.encoding} {lines}"


def _without_nulls(
    columns: Mapping[str, Declared], nulls: Sequence[str]
) -> Iterator[pl.Expr]:
    """Make nothing of the texts that are nothing, where that may be."""
    for name, declared in columns.items():
        if is_nullable(declared):
            is_null = pl.col(name).str.strip_chars().is_in(list(nulls))
            yield pl.when(~is_null).then(pl.col(name)).alias(name)


def _first_cells(config: Dialect, groups: Sequence[_Group]) -> Cells:
    """Take the first cells of each column that is no text, each text once."""
    found: dict[str, Sequence[str]] = {}
    for name, declared in config.columns.items():
        asked: Sequence[_Group] = () if dtype_of(declared) == pl.String else groups
        texts = dict.fromkeys(
            cell
            for places, heads in asked
            for head in heads
            for cell in head.cells(places[name])
        )
        nulls = ("", *config.nulls) if is_nullable(declared) else ("",)
        found[name] = [text for text in texts if text and text.strip() not in nulls]
    return found


def _place_of(groups: Sequence[_Group], name: str, text: str) -> str:
    """Say on which line of which file a cell stands first."""
    for places, heads in groups:
        at = places[name]
        for head in heads:
            for line, record in read_records(head.file, head.written, head.lines):
                if record[at : at + 1] == [text]:
                    return f"{head.file}:{line}"
    return str(groups[0][1][0].file)


def _said(heads: Mapping[str, Head], common: Sequence[str]) -> list[str]:
    """Say how files are written that are not as most, in a line for alike ones."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for file, head in heads.items():
        below = [f"the header on line {head.lines}"] if head.lines > 1 else []
        parts = (*head.written.said(), *below, *common)
        alike.setdefault(parts, []).append(file)
    return [
        f"{files[0]}{f' and {len(files) - 1} more' if len(files) > 1 else ''}:"
        f" read with {', '.join(parts)}"
        for parts, files in alike.items()
        if parts
    ]


def _most_rows(
    heads: Sequence[Head], found: Mapping[str, int], columns: Mapping[str, Declared]
) -> float:
    """Say how many good rows files can have by their length; infinite of packed ones.

    A good row has its line's end, a character in each column that must have one, and
    the commas before the last of these.
    """
    if any(head.is_packed for head in heads):
        return math.inf
    needed = [found[name] for name, kind in columns.items() if not is_nullable(kind)]
    shortest = 1 + len(needed) + max(needed, default=0)
    return sum(head.n_bytes // shortest + 1 for head in heads)


def _needs_cleaning(
    declared: Declared, texts: Sequence[str], notation: Notation
) -> bool:
    """Tell whether a column must be read as text and cleaned, by its first cells."""
    kind = column_of(declared).kind
    is_pointed = notation.decimal == "." or kind == "code"
    if kind not in _TYPED or is_nullable(declared) or not is_pointed:
        return True
    text = pl.DataFrame({"": texts}, schema={"": pl.String})
    cast = text.to_series().cast(dtype_of(declared), strict=False)
    cleaned = text.select(parse_text(pl.col(""), declared, notation)).to_series()
    return cleaned.null_count() < cast.null_count()


def _swallowed(names: list[str], separator: str) -> pl.Expr:
    """Find records of which each line has as many fields as the header.

    A quote that was not meant to open a field takes in the rows up to another that
    ends one: nothing is wrong with such a field but what it holds. Of less than three
    columns, prose looks the same. Gives the record's text, null for all others.
    """
    if len(names) < 3:
        return pl.lit(None, pl.String)
    cells = [pl.col(name).fill_null("") for name in names]
    text = pl.concat_str(cells, separator=separator)
    # What stands between quotes on one line has swallowed none.
    lines = [
        pl.when(cell.str.contains("\n", literal=True))
        .then(cell)
        .otherwise(cell.str.replace_all(separator, "", literal=True))
        for cell in cells
    ]
    shape = (
        pl.concat_str(lines, separator=separator).str.replace_all(
            rf"[^\{separator}\n]+", ""
        )
        + "\n"
    )
    row = separator * (len(names) - 1) + "\n"
    is_rows = shape.str.replace_all(row, "", literal=True) == ""
    return pl.when(text.str.contains("\n", literal=True) & is_rows).then(text)


def count_lines(files: list[Path]) -> pl.LazyFrame:
    """Count the lines of files, blank ones among them.

    A quote that does not close swallows the lines up to the next quote, and Polars
    does not see that in a column it was not asked for. A quoted line break, which is
    in order, looks the same from here: the repairing pass tells them apart.
    """
    # NOTE: Without quotes, Polars counts line ends and parses nothing: a third of what
    # it takes to scan a file as lines.
    lines = pl.scan_csv(
        files,
        glob=False,
        has_header=False,
        schema={"line": pl.String},
        separator="\1",
        quote_char=None,
        truncate_ragged_lines=True,
    )
    return lines.select(lines=pl.len())


def _are_many_small(heads: Sequence[Head]) -> bool:
    """Tell whether Polars would take longer to open files than to count their lines."""
    n_bytes = sum(head.n_bytes for head in heads)
    is_packed = any(head.is_packed for head in heads)
    return len(heads) > 1 and n_bytes < LEAST_BYTES * len(heads) and not is_packed


def _count_lines_of_small(files: list[Path]) -> pl.LazyFrame:
    """Count at once what `count_lines` counts, of files that are not packed."""
    n_lines = sum(map(_n_lines, files))
    return pl.LazyFrame({"lines": [n_lines]}, schema={"lines": pl.get_index_type()})


def _n_lines(file: Path) -> int:
    """Count the lines of a file; the last need not have an end."""
    n_lines, last = 0, b""
    with file.open("rb", buffering=0) as content:
        while block := content.read(LEAST_BYTES):
            n_lines += block.count(b"\n")
            last = block[-1:]
    return n_lines + (last not in (b"", b"\n"))


def _lines_of(head: Head, records: pl.Series) -> list[int | None]:
    """Find the first line of data records of a file, which still is what it was."""
    wanted = set(records)
    found = read_records(head.file, head.written, head.lines)
    numbered = enumerate(line for line, _ in islice(found, max(wanted) + 1))
    lines = {number: line for number, line in numbered if number in wanted}
    return [lines.get(record) for record in records]
