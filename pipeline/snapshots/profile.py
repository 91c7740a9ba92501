"""What is in a snapshot, in figures that cost little and come with the pass."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import polars as pl

from pipeline.files.parquet import scan_parquet
from pipeline.panel.keys import WORKING
from pipeline.snapshots.records import QUANTILES, ColumnProfile

SAMPLE_EVERY = 32
"""Quantiles of a large snapshot are those of every n-th row in the order of its key."""

_N_EXACT = 1 << 16

N_ROWS = "n_rows"
"""The figure that counts the rows."""

_HASH = "content hash"
_SAMPLE = "sample"
_ROW = f"{WORKING}row"


@dataclass(frozen=True)
class Profile:
    """Rows, content hash and the columns' statistics of a snapshot."""

    n_rows: int
    content_hash: str
    columns: list[ColumnProfile]


def content_hashes(path: Path, by: Sequence[str] = ()) -> dict[str, str]:
    """Hash the columns of a snapshot's file; rows are told apart as by `figures`."""
    lf = scan_parquet(path)
    schema = lf.collect_schema()
    sums = [_content_sum(name).alias(_figure(name, _HASH)) for name in schema]
    rows = with_row_hash(lf, by or schema.names())
    found = rows.select(pl.len().alias(N_ROWS), *sums).collect().row(0, named=True)
    return {
        name: _content_hash(dtype, found[N_ROWS], found[_figure(name, _HASH)])
        for name, dtype in schema.items()
    }


def contents_of(columns: Iterable[ColumnProfile]) -> dict[str, str]:
    """Give the content hash of each column."""
    return {column.name: column.content_hash for column in columns}


def with_row_hash(lf: pl.LazyFrame, by: Iterable[str]) -> pl.LazyFrame:
    """Add what `figures` tells rows apart by, such as the columns of their key."""
    return lf.with_columns(row_hash(by).alias(_ROW))


def row_hash(columns: Iterable[str]) -> pl.Expr:
    """Hash the cells of columns together."""
    return pl.sum_horizontal(_cell(name) for name in columns).hash()


def figures(schema: pl.Schema) -> list[pl.Expr]:
    """Aggregate a sorted snapshot of a schema to the row that `read_profile` reads.

    The snapshot is given `with_row_hash`.
    """
    return [*streamed_figures(schema), *samples(schema)]


def streamed_figures(schema: pl.Schema) -> list[pl.Expr]:
    """Aggregate what Polars adds up batch by batch, however many rows there are."""
    return [
        pl.len().alias(N_ROWS),
        *(_content_sum(name).alias(_figure(name, _HASH)) for name in schema),
        *(expr for column in schema for expr in _figures(column, schema[column])),
    ]


def samples(schema: pl.Schema) -> list[pl.Expr]:
    """Take every n-th value of each column of numbers, as a list.

    Of a frame cut anywhere behind a multiple of `SAMPLE_EVERY` rows, they are those of
    the pieces, one behind the other.
    """
    # One row of lists: as a frame of its own it would be planned anew.
    return [
        pl.col(name).gather_every(SAMPLE_EVERY).implode().alias(_figure(name, _SAMPLE))
        for name, dtype in schema.items()
        if dtype.is_numeric()
    ]


def is_large(n_rows: int) -> bool:
    """Tell whether a snapshot is so large that its profile is in part approximate."""
    return n_rows > _N_EXACT


def collect_profile(df: pl.DataFrame, by: Sequence[str] = ()) -> Profile:
    """Profile a frame that is in memory; rows are told apart by columns, or by all."""
    whole = None if is_large(df.height) else df
    rows = with_row_hash(df.lazy(), by or df.columns)
    return read_profile(df.schema, rows.select(figures(df.schema)).collect(), whole)


def _cell(name: str) -> pl.Expr:
    """Hash the cells of a column, wherever it stands among others."""
    return pl.col(name).hash(crc32(name.encode()))


def _content_sum(name: str) -> pl.Expr:
    """Add up the hashes of cells, each times that of its row.

    The sum is equal for equal cells of equal rows, in any order: rows that are sorted
    by a unique key have one order (Zobrist hashing [1]_, with a key of two parts). It
    costs an eighth of hashing structs.

    References
    ----------
    .. [1] Zobrist, "A New Hashing Method with Application for Game Playing",
       Technical Report 88, University of Wisconsin, 1970.
    """
    return (pl.col(_ROW) * _cell(name)).sum()


def _content_hash(dtype: pl.DataType, n_rows: int, cells_sum: int) -> str:
    """Hash a dtype, the number of rows and their `_content_sum`."""
    text = f"{dtype} {n_rows} {cells_sum}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def content_hash(columns: Iterable[ColumnProfile]) -> str:
    """Hash a snapshot by its columns' names and contents, in their order."""
    text = "\n".join(f"{column.name}:{column.content_hash}" for column in columns)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def read_profile(
    schema: pl.Schema, collected: pl.DataFrame, whole: pl.DataFrame | None
) -> Profile:
    """Make a profile of what was collected.

    Parameters
    ----------
    whole : pl.DataFrame or None
        The snapshot itself; None if it `is_large`.
    """
    samples = {
        name: _figure(name, _SAMPLE)
        for name, dtype in schema.items()
        if dtype.is_numeric()
    }
    row = collected.drop(samples.values()).row(0, named=True)
    n_rows = row[N_ROWS]
    numbers = pl.DataFrame(
        {name: collected[sample].explode() for name, sample in samples.items()}
        if whole is None
        else whole.select(samples.keys())
    )
    quantiles = numbers.select(pl.all().quantile(list(QUANTILES))).to_dicts()
    columns = [
        ColumnProfile(
            name=name,
            dtype=str(dtype),
            n_nulls=row[_figure(name, "n_nulls")],
            n_distinct=_n_distinct(row, name, whole),
            min=_text(row.get(_figure(name, "min"))),
            max=_text(row.get(_figure(name, "max"))),
            mean=_settled(row.get(_figure(name, "mean"))),
            quantiles=quantiles[0].get(name) if quantiles else None,
            content_hash=_content_hash(dtype, n_rows, row[_figure(name, _HASH)]),
        )
        for name, dtype in schema.items()
    ]
    return Profile(n_rows, content_hash(columns), columns)


def _figures(column: str, dtype: pl.DataType) -> list[pl.Expr]:
    """Compute what a column of a dtype can have."""
    values = pl.col(column)
    figures = {"n_nulls": values.null_count()}
    if not (dtype.is_nested() or isinstance(dtype, pl.Null | pl.Object)):
        figures |= {
            "n_distinct": values.approx_n_unique(),
            "min": values.min(),
            "max": values.max(),
        }
    if dtype.is_numeric():
        figures["mean"] = values.mean().cast(pl.Float64)
    return [expr.alias(_figure(column, name)) for name, expr in figures.items()]


def _figure(column: str, name: str) -> str:
    """Name a figure of a column."""
    return f"{name} {column}"


def _n_distinct(
    row: dict[str, Any], column: str, whole: pl.DataFrame | None
) -> int | None:
    """Count exactly where all rows are there, and take off the null, if any."""
    n_distinct = row.get(_figure(column, "n_distinct"))
    if n_distinct is None:
        return None
    if whole is not None:
        n_distinct = whole[column].n_unique()
    n_nulls = row[_figure(column, "n_nulls")]
    return min(n_distinct - (n_nulls > 0), row[N_ROWS] - n_nulls)


def _settled(mean: float | None) -> float | None:
    """Leave out the digits that depend on the order in which rows were added up."""
    return None if mean is None else float(f"{mean:.12g}")


def _text(value: object) -> str | None:
    """Write a smallest or largest value."""
    return None if value is None else str(value)
