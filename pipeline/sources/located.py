"""Some rows of a source, each with its file and line."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import SourceError
from pipeline.files.local import shown
from pipeline.files.parquet import scan_parquet
from pipeline.sources.columns import is_nullable
from pipeline.sources.csv import count_lines
from pipeline.sources.scan import BAD_SCHEMA, FILE, GOOD, RECORD, Scan, Stream
from pipeline.sources.source import SourceConfig, scan

PLACE = ("\0file", "\0line")
"""Columns that say where a row stands: as users know the file, and counted from 1."""


def locate(
    config: SourceConfig,
    root: Path,
    test: pl.Expr,
    columns: Sequence[str],
    *,
    exact: bool,
) -> pl.DataFrame:
    """Read the good rows of which something holds: `columns`, and the `PLACE` of each.

    In the order of the files. Unless `exact` says so, they are read as a clean source
    is, which takes no look at other columns, and it must have no bad row; where values
    turn out to need mending, all is read again.
    """
    found = scan(config, root, repair=exact)
    try:
        if not found.exact:
            parts = [_clean(s, root, found, test, columns) for s in found.streams]
            rows = [part for part in parts if part is not None]
            if len(rows) == len(parts):
                return pl.concat(rows)
            found = scan(config, root, repair=True)
        return _placed(found, root, pl.col(GOOD) & test, columns)
    except (PolarsError, OSError) as error:
        raise found.diagnose(found.files) or SourceError(
            f"the source cannot be read\nfound: {error}"
        ) from error


def locate_bad(
    config: SourceConfig, root: Path, test: pl.Expr, columns: Sequence[str]
) -> pl.DataFrame:
    """Read the rows that are set aside, as `locate` does good ones.

    Their bad cells are null, to the test as well.
    """
    return _placed(scan(config, root, repair=True), root, ~pl.col(GOOD) & test, columns)


class Copied(msgspec.Struct, frozen=True):
    """Rows of clean files, whose records are their lines; and where these begin."""

    columns: list[str]
    never_null: list[str]
    """Those that hold a value, unless the files turn out not to be clean."""
    files: list[str]
    """As users know them."""
    starts: list[int]
    """Of each file, the number of its first record."""
    n_header: int

    def placed(self, rows: pl.DataFrame) -> pl.DataFrame | None:
        """Give records their places; None if their values need mending."""
        never = pl.col([c for c in self.never_null if c in rows.columns])
        if rows.select(never.is_null().any()).sum_horizontal().sum():
            return None
        start = pl.Series("start", self.starts, dtype=pl.UInt32)
        records, names = rows[RECORD], pl.Series(self.files, dtype=pl.String)
        number = start.search_sorted(records, side="right").cast(pl.Int64) - 1
        line = records.cast(pl.Int64) - start.gather(number) + self.n_header + 1
        place = [names.gather(number).alias(PLACE[0]), line.alias(PLACE[1])]
        return rows.drop(RECORD).with_columns(place)


def copy_clean(
    config: SourceConfig, root: Path, columns: Sequence[str], to: Path
) -> Copied | None:
    """Write columns of all rows of a source; None unless it is clean and of one kind.

    What `locate_in` reads of it is what `locate` reads of the source.
    """
    found = scan(config, root)
    if found.exact or len(found.streams) != 1:
        return None
    [stream] = found.streams
    rows = stream.rows.select(RECORD, *columns)
    sunk = rows.sink_parquet(to, compression="lz4", lazy=True)
    return _read_clean(stream, root, found, columns, sunk)[1]


def locate_in(
    copy: Path, of: Copied, test: pl.Expr, columns: Sequence[str]
) -> pl.DataFrame | None:
    """Read what `locate` does in a copy; None if values need mending."""
    rows = scan_parquet(copy).filter(test).select(RECORD, *columns)
    return of.placed(rows.collect(engine="streaming"))


def _clean(
    stream: Stream,
    root: Path,
    found: Scan,
    test: pl.Expr,
    columns: Sequence[str],
) -> pl.DataFrame | None:
    """Read rows of files whose records are their lines; None if they may not be."""
    rows = stream.rows.filter(test).select(RECORD, *columns)
    read, of = _read_clean(stream, root, found, columns, rows)
    return of.placed(read) if of else None


def _read_clean(
    stream: Stream,
    root: Path,
    found: Scan,
    columns: Sequence[str],
    rows: pl.LazyFrame,
) -> tuple[pl.DataFrame, Copied | None]:
    """Collect rows of a stream, and tell where records stand if each is a line."""
    if any(found.origins.get(str(file), file) != file for file in stream.files):
        return pl.DataFrame(), None
    # As in `Stream.all_bad`: what is counted must be parsed.
    n_records = pl.col(columns[0]).is_null().count()
    lost = stream.lost(stream.rows.select(records=n_records))
    read, bad = pl.collect_all([rows, lost], engine="streaming")
    if bad.height:
        return read, None
    n_header = stream.header_lines // len(stream.files)
    starts = [0]
    for file in stream.files[:-1]:
        n_lines = count_lines([Path(str(file))]).collect().item()
        starts.append(starts[-1] + n_lines - n_header)
    never = [name for name in columns if not is_nullable(stream.columns[name])]
    names = [shown(file, root) for file in stream.files]
    return read, Copied([*columns], never, names, starts, n_header)


def _placed(
    found: Scan, root: Path, test: pl.Expr, columns: Sequence[str]
) -> pl.DataFrame:
    """Read rows of streams that are exact, good or bad, and look up their lines."""
    rows = pl.concat(
        stream.rows.filter(test).select(FILE, RECORD, *columns)
        for stream in found.streams
    ).collect(engine="streaming")
    index = pl.int_range(pl.len()).cast(pl.String)
    cells = rows.select(
        pl.col(FILE).alias("file"),
        pl.col(RECORD).cast(pl.UInt32).alias("record"),
        pl.lit(None, pl.String).alias("column"),
        index.alias("value"),
        pl.lit(None, pl.String).alias("reason"),
    )
    lines = found.numbered(cells.select(BAD_SCHEMA.names()), root)
    places = lines.select(
        pl.col("file").alias(PLACE[0]),
        pl.col("line").alias(PLACE[1]),
        pl.col("value").alias(RECORD),
    )
    return (
        rows.drop(FILE)
        .with_columns(index.alias(RECORD))
        .join(places, on=RECORD, how="left", maintain_order="left")
        .drop(RECORD)
    )
