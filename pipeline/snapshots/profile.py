"""What is in a snapshot, in figures that cost little and come with the pass."""

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

SAMPLE_EVERY = 32
"""Quantiles of a large snapshot are those of every n-th row in the order of its key."""

_N_EXACT = 1 << 16

N_ROWS = "n_rows"
"""The figure that counts the rows."""

_HASH = "content hash"
_SAMPLE = "sample"


class ColumnProfile(msgspec.Struct, frozen=True):
    """Statistics of a column, nulls left out; None where a dtype has no such figure."""

    name: str
    dtype: str
    n_nulls: int
    """Rows without a value."""
    n_distinct: int | None
    """Above 65,536 rows by HyperLogLog, within a few per cent."""
    min: str | None
    max: str | None
    mean: float | None
    quantiles: list[float | None] | None
    """Of numbers, at `QUANTILES`; of every 32nd row where there are more than 65,536.
    """


@dataclass(frozen=True)
class Profile:
    """Rows, content hash and the columns' statistics of a snapshot."""

    n_rows: int
    content_hash: str
    columns: list[ColumnProfile]


def figures(schema: pl.Schema) -> list[pl.Expr]:
    """Aggregate a sorted snapshot of a schema to the row that `read_profile` reads."""
    return [*streamed_figures(schema), *samples(schema)]


def streamed_figures(schema: pl.Schema) -> list[pl.Expr]:
    """Aggregate what Polars adds up batch by batch, however many rows there are."""
    return [
        pl.len().alias(N_ROWS),
        content_sum(schema).alias(_HASH),
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


def collect_profile(df: pl.DataFrame) -> Profile:
    """Profile a frame that is in memory."""
    whole = None if is_large(df.height) else df
    return read_profile(df.schema, df.select(figures(df.schema)), whole)


def content_sum(schema: pl.Schema) -> pl.Expr:
    """Add up a hash of every row, which is equal for equal rows in any order.

    A row's hash is the hash of the sum of its cells' hashes, with a seed per column
    (Zobrist hashing [1]_), which costs an eighth of hashing a struct. Rows sorted by a
    unique key have one order, so it need not count.

    References
    ----------
    .. [1] Zobrist, "A New Hashing Method with Application for Game Playing",
       Technical Report 88, University of Wisconsin, 1970.
    """
    cells = [pl.col(name).hash(i) for i, name in enumerate(schema)]
    return pl.sum_horizontal(cells).hash().sum()


def content_hash(schema: pl.Schema, n_rows: int, rows_sum: int) -> str:
    """Hash columns, dtypes, the number of rows and their `content_sum`."""
    columns = [f"{name}:{dtype}" for name, dtype in schema.items()]
    text = "\n".join([*columns, str(n_rows), str(rows_sum)])
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
        )
        for name, dtype in schema.items()
    ]
    return Profile(n_rows, content_hash(schema, n_rows, row[_HASH]), columns)


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
