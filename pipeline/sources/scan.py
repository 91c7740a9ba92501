"""What every source gives: good rows, bad cells, and the files they come from.

Files whose declared columns stand alike are one scan of Polars, not one each: a plan
of a thousand scans takes a minute, or stands still.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import polars as pl

from pipeline.errors import SourceError, nearest
from pipeline.files.local import SourceFile, shown
from pipeline.sources.columns import Declared, is_checked, is_good, why_bad

BAD_SCHEMA = pl.Schema(
    {
        "file": pl.String,
        "record": pl.UInt32,
        "column": pl.String,
        "value": pl.String,
        "reason": pl.String,
    }
)

# Names no declared column has.
RECORD = "__record"
FILE = "__file"
OVERFLOW = "__overflow"
GOOD = "__good"
_RAW = "__raw "

MOST_BAD = 100_000
"""Rows of a stream, or of one batch of it, whose cells are listed."""

_MOST_SHOWN = 200
"""Characters of a bad cell."""

# NOTE: Each scan of a plan that has more results than rows takes threads of its own,
# and of some hundred Polars stood still ("POLARS_MAX_BLOCKING_THREAD_COUNT reached").
_MOST_STREAMS = 32
"""Streams that are read in one pass, at most."""

Streams: TypeAlias = Literal["whole", "pieces", "files", "stand-ins"]
"""What alike files that follow one another become: a stream; several, each large enough
for a task; one each; or one of a file called 0, whose plan says how they are read,
wherever they are, and cannot be run."""

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Stream:
    """Consecutive files of which the declared columns stand alike, read as one.

    Good rows and bad cells can be taken batch by batch.
    """

    rows: pl.LazyFrame
    """What `parse` gives of them."""
    parsing: Mapping[str, pl.Expr]
    columns: Mapping[str, Declared]
    files: tuple[SourceFile, ...]
    exact: bool
    """Whether `rows` says in `FILE` which file a row is of."""
    most_rows: float
    """How many good rows there are at most; infinite if the files do not tell."""
    lines: pl.LazyFrame | None = None
    """One row: ``lines``, how many the files have, where there must be a record for
    each but those of the headers, unless it is exact."""
    header_lines: int = 0
    has_slices: bool = False
    """Whether any rows can be read without those before, of `most_rows`."""

    def good(self, batch: pl.LazyFrame) -> pl.LazyFrame:
        """Take the good rows of some of `rows`: the declared columns."""
        return batch.filter(pl.col(GOOD)).select(list(self.columns))

    def bad(self, batch: pl.LazyFrame) -> pl.LazyFrame:
        """List the bad cells of some of `rows`, of schema ``BAD_SCHEMA``."""
        file = pl.col(FILE) if self.exact else pl.lit(None, pl.String)
        # Any makes one that is not exact be read again, and is forgotten.
        rows = batch.filter(~pl.col(GOOD)).head(MOST_BAD if self.exact else 1)
        return bad_cells(rows, self.parsing, self.columns, file)

    def lost(self, records: pl.LazyFrame) -> pl.LazyFrame:
        """Make a bad cell if the files have not as many records as they should.

        None has more records than lines, so that what one lacks no other makes up for.
        `records` has one row: ``records``, how many `rows` are.
        """
        if self.lines is None or self.exact:
            return pl.LazyFrame(schema=BAD_SCHEMA)
        counts = pl.concat([records, self.lines], how="horizontal")
        odd = counts.filter(pl.col("records") + self.header_lines != pl.col("lines"))
        cell = {name: pl.lit(None, dtype) for name, dtype in BAD_SCHEMA.items()}
        cell["reason"] = pl.lit("records span lines")
        return odd.with_columns(**cell).select(BAD_SCHEMA.names())

    def all_bad(self) -> list[pl.LazyFrame]:
        """List the bad cells of all rows."""
        bad = [self.bad(self.rows)]
        if self.lines is not None and not self.exact:
            # Counting a column keeps Polars from a short cut that does not parse rows.
            bad.append(self.lost(self.rows.select(records=pl.col(GOOD).count())))
        return bad

    def counted(self) -> "Stream":
        """Count the lines, once, if that tells more of the rows than is known."""
        if self.lines is None or self.has_slices:
            return self
        lines = self.lines.collect(engine="streaming")
        most_rows = lines.item() - self.header_lines
        return replace(self, most_rows=most_rows, lines=lines.lazy())

    def starts(self) -> pl.DataFrame:
        """Count the rows before each file that has some: `FILE` and ``start``."""
        start = pl.col(RECORD).min().alias("start")
        return self.rows.group_by(FILE).agg(start).collect(engine="streaming")


@dataclass(frozen=True)
class Scan:
    """A source, read lazily: the files, one stream after the other."""

    streams: tuple[Stream, ...]
    files: tuple[SourceFile, ...]
    lines_of: Callable[[str, pl.Series], Sequence[int | None] | pl.Series]
    """Says of records of a file, which users know by a name, on which lines they stand:
    records count from 0, lines from 1."""
    diagnose: Callable[[Sequence[SourceFile]], SourceError | None]
    """Names the file that made a run fail, and why; None if each can be read."""
    origins: Mapping[str, SourceFile] = field(default_factory=dict[str, SourceFile])
    """Of what copy a file was read, by its path."""
    said: tuple[str, ...] = ()
    """What was found out of how the files are written, a line for alike ones."""

    @property
    def exact(self) -> bool:
        """Whether bad cells can be believed.

        If not, none means that all is well; any, that the source must be scanned again
        with ``repair=True``, because values were lost and repairable ones count as bad.
        """
        return all(stream.exact for stream in self.streams)

    @property
    def most_rows(self) -> float:
        """How many good rows there are at most; infinite if the files do not tell."""
        return sum(stream.most_rows for stream in self.streams)

    def counted(self) -> "Scan":
        """Count the lines of files that say nothing else of how many rows they have."""
        return replace(self, streams=tuple(s.counted() for s in self.streams))

    def frames(self) -> tuple[pl.LazyFrame, pl.LazyFrame]:
        """Give the good rows and the bad cells of all files.

        They are read in the pass that uses them; where there are too many streams for
        one, at once. The declared columns are in file and record order; a bad cell has
        a row of schema ``BAD_SCHEMA``, with names and numbers that `placed` mends.
        """
        n = _MOST_STREAMS
        if len(self.streams) <= n:
            return _frames(self.streams)
        parts = [
            pl.collect_all(_frames(self.streams[i : i + n]), engine="streaming")
            for i in range(0, len(self.streams), n)
        ]
        rows, bad = zip(*parts, strict=True)
        return pl.concat(rows).lazy(), pl.concat(bad).lazy()

    def good_of(self, name: str, root: Path) -> pl.LazyFrame:
        """Take the good rows of a file, which users know by a name; of exact ones."""
        of = self._read()
        [(stream, read)] = [
            (stream, str(read))
            for stream in self.streams
            for read in stream.files
            if shown(of[str(read)], root) == name
        ]
        return stream.good(stream.rows.filter(pl.col(FILE) == read))

    def _read(self) -> dict[str, SourceFile]:
        """Say of which file what is read is, which may be a copy."""
        return {str(file): file for file in self.files} | {**self.origins}

    def placed(self, bad: pl.DataFrame, root: Path) -> pl.DataFrame:
        """Say of bad cells in which record of which file they are.

        `bad` is of any of the streams, which are exact. ``file`` becomes what users
        know it by, ``record`` counts its data records from 0.
        """
        found = set(bad["file"])
        starts = [
            stream.starts()
            for stream in self.streams
            if len(stream.files) > 1 and found.intersection(map(str, stream.files))
        ]
        if starts:
            start = pl.col("start").fill_null(0)
            bad = bad.join(
                pl.concat(starts),
                left_on="file",
                right_on=FILE,
                how="left",
                maintain_order="left",
            ).select(
                *(pl.col(name) for name in BAD_SCHEMA if name != "record"),
                (pl.col("record") - start).alias("record"),
            )
        names = {read: shown(file, root) for read, file in self._read().items()}
        file = pl.col("file").replace_strict(names, return_dtype=pl.String)
        return bad.with_columns(file).select(BAD_SCHEMA.names())

    def numbered(self, bad: pl.DataFrame, root: Path) -> pl.DataFrame:
        """Say on which line of its file, or in which row of it, each bad cell stands.

        `bad` is what was set aside, which is exact then. Gives ``file``, ``line``
        (counted from 1), ``column``, ``value`` and ``reason``.
        """
        return self.number_lines(self.placed(bad, root))

    def number_lines(self, bad: pl.DataFrame) -> pl.DataFrame:
        """Say of cells that are `placed` on which line they stand, sorted by that."""
        numbered = [
            group.with_columns(
                pl.Series("line", self.lines_of(str(file), group["record"]), pl.Int64)
            )
            for (file,), group in bad.group_by("file", maintain_order=True)
        ] or [bad.with_columns(line=pl.lit(None, pl.Int64))]
        columns = ["file", "line", "column", "value", "reason"]
        lines = pl.concat(numbered).select(columns)
        return lines.sort("file", "line", maintain_order=True)


def _frames(streams: Sequence[Stream]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Put the rows of streams behind each other, and their bad cells."""
    bad = [part for stream in streams for part in stream.all_bad()]
    return pl.concat([s.good(s.rows) for s in streams]), pl.concat(bad)


def cut(
    items: Sequence[_Item], size: Callable[[_Item], int], most: int
) -> Iterator[list[_Item]]:
    """Cut a sequence into pieces of a total size; an item may be larger alone."""
    piece: list[_Item] = []
    total = 0
    for item in items:
        if piece and total + size(item) > most:
            yield piece
            piece, total = [], 0
        piece.append(item)
        total += size(item)
    yield piece


def declared_names(found: Sequence[str], rename: Mapping[str, str]) -> list[str]:
    """Give found names the declared ones; blanks around a name are no part of it."""
    return [rename.get(name, rename.get(name.strip(), name.strip())) for name in found]


def match_columns(
    found: list[str],
    columns: Mapping[str, Declared],
    rename: Mapping[str, str],
    file: SourceFile,
) -> dict[str, int]:
    """Find the declared columns among a file's: the position of each in ``found``.

    Blanks around a found name are no part of it; ``rename`` leads from found names to
    declared ones. A SourceError if a declared column is absent or there twice.
    """
    names = declared_names(found, rename)
    absent = [name for name in columns if name not in names]
    twice = [name for name in columns if names.count(name) > 1]
    if absent:
        lines = "\n".join(f"  {name!r}{nearest(name, names)}" for name in absent)
        raise SourceError(
            f"{file}: {len(absent)} of {len(columns)} declared columns are missing\n"
            f"found: {', '.join(map(repr, names))}\n"
            f"expected also:\n{lines}\n"
            f"hint: {_missing_hint(absent, columns, file)}"
        )
    if twice:
        raise SourceError(
            f"{file}: column {twice[0]!r} is there {names.count(twice[0])} times\n"
            f"found: {', '.join(map(repr, names))}\n"
            "expected: each declared column once\n"
            "hint: rename or remove one of them in the file"
        )
    return {name: names.index(name) for name in columns}


def _missing_hint(
    absent: list[str],
    columns: Mapping[str, Declared],
    file: SourceFile,
) -> str:
    """Say what probably to do about a file that lacks columns."""
    if len(absent) == len(columns):
        return (
            "spell them in `columns` or `rename` as the file does; if it has no"
            " header, say source.header=false"
        )
    for folder in Path(str(file)).parts[:-1]:
        name, equals, _ = folder.partition("=")
        if equals and name.casefold() in map(str.casefold, absent):
            return f"write {name!r} into the file: the folder {folder!r} is not read"
    return (
        "map found names to declared ones under `rename` in the source's config, or"
        " take out of `columns` what no stage needs"
    )


def parse(
    lf: pl.LazyFrame, parsing: Mapping[str, pl.Expr], columns: Mapping[str, Declared]
) -> pl.LazyFrame:
    """Parse the cells of files and mark their good rows.

    Whether a row is good is a column that good rows and bad cells share. As two
    opposite filters, Polars would push it into the scan twice and read the files twice.

    `lf` holds the declared `columns` as found, the rows' number ``RECORD``, what stood
    right of the last column, ``OVERFLOW``, and maybe ``FILE``; `parsing` says how to
    read those that were not found with their declared dtype. Their raw cells come
    beside them, and ``GOOD``, a Boolean without nulls.
    """
    good = [
        is_good(_raw(name, parsing), pl.col(name), kind)
        for name, kind in columns.items()
        if is_checked(kind)
    ]
    is_good_row = pl.all_horizontal(*good, pl.col(OVERFLOW).is_null()).fill_null(False)
    return lf.with_columns(
        *(pl.col(name).alias(_RAW + name) for name in parsing),
        *(expr.alias(name) for name, expr in parsing.items()),
    ).with_columns(is_good_row.alias(GOOD))


def bad_cells(
    bad: pl.LazyFrame,
    parsing: Mapping[str, pl.Expr],
    columns: Mapping[str, Declared],
    file: pl.Expr,
) -> pl.LazyFrame:
    """List the bad cells of bad rows, one a row, of schema ``BAD_SCHEMA``."""
    cells = [
        _cell(name, raw, why_bad(raw, pl.col(name), kind))
        for name, kind in columns.items()
        if is_checked(kind)
        for raw in [_raw(name, parsing)]
    ]
    overflow = pl.col(OVERFLOW)
    too_long = (
        pl.when(overflow.str.contains("\n", literal=True))
        .then(pl.lit("quoted lines, each of which could be a row"))
        .when(overflow.is_not_null())
        .then(pl.lit("more fields than the header"))
    )
    cells.append(_cell(None, overflow, too_long))
    return (
        bad.select(
            file=file,
            record=pl.col(RECORD).cast(pl.UInt32),
            cell=pl.concat_list(cells),
        )
        .explode("cell")
        .unnest("cell")
        .filter(pl.col("reason").is_not_null())
    )


def _raw(name: str, parsing: Mapping[str, pl.Expr]) -> pl.Expr:
    """Refer to a column's cells as they were before parsing."""
    return pl.col(_RAW + name if name in parsing else name)


def _cell(column: str | None, value: pl.Expr, reason: pl.Expr) -> pl.Expr:
    """Make one cell of the bad table; it stays only if it has a reason."""
    return pl.struct(
        column=pl.lit(column, pl.String),
        value=value.cast(pl.String).str.head(_MOST_SHOWN),
        reason=reason.cast(pl.String),
    )
