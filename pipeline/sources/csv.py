"""CSV files: one or a glob, each with its own column order and dialect.

A clean file is read straight into the declared dtypes. What Polars cannot read that
way becomes null, so the first pass only says *that* something is wrong; a second one
(``repair=True``) reads every number as text, cleans it, and says *what*.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Annotated, TypeAlias

import polars as pl
from msgspec import Meta

from pipeline.errors import SourceError
from pipeline.files.local import SourceFile, find_local
from pipeline.sources.columns import (
    DeclaredColumns,
    Kind,
    dtype_of,
    is_blank,
    is_checked,
    is_nullable,
    parse_text,
)
from pipeline.sources.csv_file import Head, explain, read_heads, read_records
from pipeline.sources.scan import (
    BAD_SCHEMA,
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

_PIECE = 1 << 25
"""Bytes of files that one task reads, about; a larger file is one alone."""


class CsvSource(
    DeclaredColumns, frozen=True, kw_only=True, tag="csv", tag_field="kind"
):
    """Raw rows in CSV files, plain, gzip or zstd, with a header, UTF-8.

    ``path`` is a file or a glob, relative to the project's folder.
    """

    path: Annotated[
        str,
        Meta(
            pattern="^(?!s3://)",
            description="a path on this machine; kind: parquet reads from s3://, too",
        ),
    ]


def scan_csv(
    config: CsvSource,
    root: Path,
    *,
    repair: bool = False,
    streams: Streams = "whole",
) -> Scan:
    """Scan CSV files into the declared columns, as `pipeline.sources.scan` does.

    Reads only the head of each file. A column of which a head needs cleaning
    (``$361.00``, ``"8,375.41"``) is read as text and cleaned, in all files, and so is
    every ``label``, and every ``number``, whose nulls may be good; the others are read
    typed. Rows are in file and record order; blank lines are none.
    """
    files = find_local(config.path, root)
    groups: list[_Group] = []
    for _, heads in groupby(
        read_heads(files), key=lambda head: (head.lines, head.names)
    ):
        group = list(heads)
        names, file = group[0].names, group[0].file
        found = match_columns(names, config.columns, config.rename, file)
        groups.append((found, group))
    cleaned = {
        name
        for name, kind in config.columns.items()
        if is_checked(kind) and (repair or _needs_cleaning(name, kind, groups))
    }
    found_streams = [
        _scan_files(heads, found, cleaned, config, repair, streams)
        for found, group in groups
        for heads in (
            cut(group, attrgetter("n_bytes"), _PIECE)
            if streams == "pieces"
            else [group]
        )
    ]
    return Scan(tuple(found_streams), files, number_lines, diagnose)


def number_lines(bad: pl.DataFrame, root: Path) -> pl.DataFrame:
    """Find the line of the file on which each bad record starts, counted from 1.

    `bad` is what `Scan.placed` gave, from CSV files that still are what they were; it
    becomes ``file``, ``line``, ``column``, ``value``, ``reason``, sorted by the first
    two.
    """
    parts = [
        group.with_columns(
            line=pl.col("record").replace_strict(
                _lines_of(root / str(file), set(group["record"])),
                default=None,
                return_dtype=pl.Int64,
            )
        )
        for (file,), group in bad.group_by("file", maintain_order=True)
    ]
    columns = ["file", "line", "column", "value", "reason"]
    if not parts:
        return pl.DataFrame(schema={**BAD_SCHEMA, "line": pl.Int64}).select(columns)
    return pl.concat(parts).select(columns).sort("file", "line", maintain_order=True)


def diagnose(files: Sequence[SourceFile]) -> SourceError | None:
    """Say which file made Polars fail, and why; None if each can be read on its own."""
    for file in (file for file in files if isinstance(file, Path)):
        try:
            pl.scan_csv(
                file, glob=False, infer_schema=False, truncate_ragged_lines=True
            ).select(pl.all().is_null().sum()).collect(engine="streaming")
        except (pl.exceptions.PolarsError, OSError) as error:
            return explain(file, error)
    return None


def _scan_files(
    heads: Sequence[Head],
    found: Mapping[str, int],
    cleaned: Collection[str],
    config: CsvSource,
    repair: bool,
    streams: Streams,
) -> Stream:
    """Scan files of one layout, and parse their rows."""
    heads = heads[:1] if streams == "stand-ins" else heads
    files = [head.file for head in heads]
    named = [Path("0")] if streams == "stand-ins" else files
    names = [f"__unused {position}" for position in range(len(heads[0].names))]
    for name, position in found.items():
        names[position] = name
    dtypes: dict[str, type[pl.DataType]] = dict.fromkeys(names, pl.String)
    for name, kind in config.columns.items():
        dtypes[name] = pl.String if name in cleaned else dtype_of(kind)
    lf = pl.scan_csv(
        named,
        glob=False,
        has_header=False,
        skip_lines=heads[0].lines,
        schema={**dtypes, OVERFLOW: pl.String},
        missing_columns="insert",
        extra_columns="ignore",
        truncate_ragged_lines=True,
        ignore_errors=True,
        row_index_name=RECORD,
        include_file_paths=FILE if repair else None,
    )
    parsing = {
        name: parse_text(pl.col(name), config.columns[name]) for name in sorted(cleaned)
    }
    if repair:
        # Looking at every column also makes Polars refuse broken quotes in any.
        lf = lf.filter(~pl.all_horizontal(is_blank(pl.col(name)) for name in names))
        lf = lf.with_columns(pl.coalesce(OVERFLOW, _swallowed(names)).alias(OVERFLOW))
    return Stream(
        parse(lf, parsing, config.columns),
        parsing,
        config.columns,
        tuple(files),
        exact=repair,
        most_rows=_most_rows(heads, found, config.columns),
        lines=_count_lines(named),
        header_lines=sum(head.lines for head in heads),
    )


def _most_rows(
    heads: Sequence[Head], found: Mapping[str, int], columns: Mapping[str, Kind]
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


def _needs_cleaning(name: str, kind: Kind, groups: Iterable[_Group]) -> bool:
    """Tell whether a column must be read as text and cleaned, by its first cells."""
    if kind in ("label", "number"):
        return True
    cells = {
        cell: None
        for found, heads in groups
        for head in heads
        for cell in head.cells(found[name])
    }
    text = pl.DataFrame({"text": [*cells]}, schema={"text": pl.String})
    cast = text.to_series().cast(dtype_of(kind), strict=False)
    cleaned = text.select(parse_text(pl.col("text"), kind)).to_series()
    return cleaned.null_count() < cast.null_count()


def _swallowed(names: list[str]) -> pl.Expr:
    """Find records of which each line has as many fields as the header.

    A quote that was not meant to open a field takes in the rows up to another that
    ends one: nothing is wrong with such a field but what it holds. Of less than three
    columns, prose looks the same. Gives the record's text, null for all others.
    """
    if len(names) < 3:
        return pl.lit(None, pl.String)
    cells = [pl.col(name).fill_null("") for name in names]
    text = pl.concat_str(cells, separator=",")
    shape = text.str.replace_all(r"[^,\n]+", "") + "\n"
    row = "," * (len(names) - 1) + "\n"
    is_rows = shape.str.replace_all(row, "", literal=True) == ""
    return pl.when(text.str.contains("\n", literal=True) & is_rows).then(text)


def _count_lines(files: list[Path]) -> pl.LazyFrame:
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


def _lines_of(file: Path, wanted: set[int]) -> dict[int, int]:
    """Find the first line of the wanted data records of a file."""
    records = read_records(file)
    next(record for _, record in records if record)  # the header
    numbered = enumerate(line for line, _ in islice(records, max(wanted) + 1))
    return {number: line for number, line in numbered if number in wanted}
