"""What every source gives: good rows, bad cells, and the files they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.errors import SourceError, nearest
from pipeline.files import SourceFile
from pipeline.sources.columns import Kind, is_checked, is_good, why_bad

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
OVERFLOW = "__overflow"
GOOD = "__good"
_RAW = "__raw "

_MOST_SHOWN = 200
"""Characters of a record that is wrong as a whole."""


@dataclass(frozen=True)
class Scan:
    """A source, read lazily.

    Attributes
    ----------
    rows : pl.LazyFrame
        The good rows: the declared columns, in the declared order.
    bad : pl.LazyFrame
        The bad cells, one a row, of schema ``BAD_SCHEMA``; ``record`` counts a file's
        data records from 0, ``column`` is null when the record as a whole is wrong.
    exact : bool
        Whether ``bad`` can be believed. If False, an empty ``bad`` means that all is
        well; anything else, that the source must be scanned again with
        ``repair=True``, because values were lost and repairable ones count as bad.
    files : tuple of SourceFile
        What is read, sorted.
    streams : tuple of Stream
        The same, file by file, to be read batch by batch.
    """

    rows: pl.LazyFrame
    bad: pl.LazyFrame
    exact: bool
    files: tuple[SourceFile, ...]
    streams: tuple["Stream", ...]


@dataclass(frozen=True)
class Stream:
    """One file, of which good rows and bad cells can be taken batch by batch.

    Attributes
    ----------
    judged : pl.LazyFrame
        What `judge` gives.
    parsed : mapping of str to pl.Expr
        As there.
    columns : mapping of str to Kind
        The declared columns.
    file : str
        Its name in the table of bad cells.
    lines : pl.LazyFrame or None
        One row: ``lines``, how many the file has, where there must be a record for
        each but those of the header.
    header_lines : int
        How many lines those are.
    n_rows : int or None
        How many rows `judged` has, where the file says so; any of them can then be read
        without those before.
    """

    judged: pl.LazyFrame
    parsed: Mapping[str, pl.Expr]
    columns: Mapping[str, Kind]
    file: str
    lines: pl.LazyFrame | None = None
    header_lines: int = 0
    n_rows: int | None = None

    def good(self, batch: pl.LazyFrame) -> pl.LazyFrame:
        """Take the good rows of some of `judged`: the declared columns."""
        return batch.filter(pl.col(GOOD)).select(list(self.columns))

    def bad(self, batch: pl.LazyFrame) -> pl.LazyFrame:
        """List the bad cells of some of `judged`, of schema ``BAD_SCHEMA``."""
        return bad_cells(batch, self.parsed, self.columns, self.file)

    def lost(self, records: pl.LazyFrame) -> pl.LazyFrame:
        """Make a bad cell if the file has not as many records as it should.

        Parameters
        ----------
        records : pl.LazyFrame of shape (1, 1)
            ``records``: how many rows `judged` has.
        """
        if self.lines is None:
            return pl.LazyFrame(schema=BAD_SCHEMA)
        counts = pl.concat([records, self.lines], how="horizontal")
        odd = counts.filter(pl.col("records") + self.header_lines != pl.col("lines"))
        return odd.with_columns(
            pl.lit(self.file).alias("file"),
            pl.lit(None, pl.UInt32).alias("record"),
            pl.lit(None, pl.String).alias("column"),
            pl.lit(None, pl.String).alias("value"),
            pl.lit("records span lines").alias("reason"),
        ).select(BAD_SCHEMA.names())


def scan_of(
    streams: Sequence[Stream], files: tuple[SourceFile, ...], *, exact: bool
) -> Scan:
    """Put the streams of a source's files behind each other."""
    bad = [part for stream in streams for part in _bad_of(stream)]
    return Scan(
        rows=pl.concat([stream.good(stream.judged) for stream in streams]),
        bad=pl.concat(bad),
        exact=exact,
        files=files,
        streams=tuple(streams),
    )


def _bad_of(stream: Stream) -> list[pl.LazyFrame]:
    """List the bad cells of a whole stream."""
    bad = [stream.bad(stream.judged)]
    if stream.lines is not None:
        # Counting a column keeps Polars from a short cut that does not parse the rows.
        records = stream.judged.select(records=pl.col(GOOD).count())
        bad.append(stream.lost(records))
    return bad


def match_columns(
    found: list[str],
    columns: Mapping[str, Kind],
    rename: Mapping[str, str],
    file: SourceFile,
) -> dict[str, int]:
    """Find the declared columns among a file's columns.

    Parameters
    ----------
    found : list of str
        The file's column names, in its order.
    columns : mapping of str to Kind
        The declared columns.
    rename : mapping of str to str
        Found name to declared name.
    file : SourceFile
        For the message.

    Returns
    -------
    dict of str to int
        The position in ``found`` of each declared column, in the declared order.

    Raises
    ------
    SourceError
        If a declared column is absent or there twice.
    """
    names = [rename.get(name, name) for name in found]
    absent = [name for name in columns if name not in names]
    twice = [name for name in columns if names.count(name) > 1]
    if absent:
        lines = "\n".join(f"  {name!r}{nearest(name, names)}" for name in absent)
        hint = (
            "map found names to declared ones under `rename` in the source's config"
            if len(found) > 1
            else "separate the fields by commas"
        )
        raise SourceError(
            f"{file}: {len(absent)} of {len(columns)} declared columns are missing\n"
            f"found: {', '.join(map(repr, names))}\n"
            f"expected also:\n{lines}\n"
            f"hint: {hint}"
        )
    if twice:
        raise SourceError(
            f"{file}: column {twice[0]!r} is there {names.count(twice[0])} times\n"
            f"found: {', '.join(map(repr, names))}\n"
            "expected: each declared column once\n"
            "hint: rename or remove one of them in the file"
        )
    return {name: names.index(name) for name in columns}


def judge(
    lf: pl.LazyFrame, parsed: Mapping[str, pl.Expr], columns: Mapping[str, Kind]
) -> pl.LazyFrame:
    """Parse one file's cells and mark its good rows.

    The verdict is a column that good rows and bad cells share. As two opposite
    filters, Polars would push it into the scan twice and read the file twice.

    Parameters
    ----------
    lf : pl.LazyFrame
        The file's rows with the declared columns as found, their number ``RECORD``
        and what stood right of the last column, ``OVERFLOW``.
    parsed : mapping of str to pl.Expr
        How to read the columns that were not found with their declared dtype.
    columns : mapping of str to Kind
        The declared columns.

    Returns
    -------
    pl.LazyFrame
        ``lf`` with the columns parsed, their raw cells beside them, and ``GOOD``, a
        Boolean without nulls.
    """
    good = [
        is_good(_raw(name, parsed), pl.col(name), kind)
        for name, kind in columns.items()
        if is_checked(kind)
    ]
    verdict = pl.all_horizontal(*good, pl.col(OVERFLOW).is_null()).fill_null(False)
    return lf.with_columns(
        *(pl.col(name).alias(_RAW + name) for name in parsed),
        *(expr.alias(name) for name, expr in parsed.items()),
    ).with_columns(verdict.alias(GOOD))


def bad_cells(
    judged: pl.LazyFrame,
    parsed: Mapping[str, pl.Expr],
    columns: Mapping[str, Kind],
    file: str,
) -> pl.LazyFrame:
    """List the bad cells of one file, one a row, of schema ``BAD_SCHEMA``."""
    cells = [
        _cell(name, raw, why_bad(raw, pl.col(name), kind))
        for name, kind in columns.items()
        if is_checked(kind)
        for raw in [_raw(name, parsed)]
    ]
    overflow = pl.col(OVERFLOW)
    too_long = (
        pl.when(overflow.str.contains("\n", literal=True))
        .then(pl.lit("quoted lines, each of which could be a row"))
        .when(overflow.is_not_null())
        .then(pl.lit("more fields than the header"))
    )
    cells.append(_cell(None, overflow.str.head(_MOST_SHOWN), too_long))
    return (
        judged.filter(~pl.col(GOOD))
        .select(
            file=pl.lit(file),
            record=pl.col(RECORD).cast(pl.UInt32),
            cell=pl.concat_list(cells),
        )
        .explode("cell")
        .unnest("cell")
        .filter(pl.col("reason").is_not_null())
    )


def _raw(name: str, parsed: Mapping[str, pl.Expr]) -> pl.Expr:
    """Refer to a column's cells as they were before parsing."""
    return pl.col(_RAW + name if name in parsed else name)


def _cell(column: str | None, value: pl.Expr, reason: pl.Expr) -> pl.Expr:
    """Make one cell of the bad table; it stays only if it has a reason."""
    return pl.struct(
        column=pl.lit(column, pl.String),
        value=value.cast(pl.String),
        reason=reason.cast(pl.String),
    )
