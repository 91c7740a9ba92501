"""How features were distributed in the rows a model learned from, and what drifts.

That is told by the population stability index [1]_, nulls, categories that were never
seen, and values beyond all that were; no model is asked.

References
----------
.. [1] Yurdakul, "Statistical Properties of Population Stability Index", dissertation,
   Western Michigan University, 2018.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline.modeling.fit.design import FeatureSchema

MAX_PSI = 0.2
MAX_MORE_NULLS = 0.05
"""Share of the rows, above that of then."""
MAX_UNSEEN = 0.01
"""Of the values."""
MAX_BEYOND = 0.05
MAX_BEYOND_OF_PART = 0.5
"""Of the values, outside the range of all that were learned from; of a part of a panel
more, as each has its few that are the largest of all."""

_TENTHS = [i / 10 for i in range(11)]
_N_SAMPLED = 1 << 16
_N_FORECASTS = 64
"""That are kept apart: more than the weeks of a year."""

_PER_BIN = 10
"""Rows a bin should have; with fewer, chance makes an index of any size."""

_Z = 3.0902
"""Of what a normal variable exceeds once in a thousand times."""

_FORECAST = "forecast of rows"
"""Column that tells forecasts apart, of a name that no feature has."""

_OF_NOW_AND_THEN = ("nulls", "q10", "q50", "q90")

SCHEMA = {
    "feature": pl.String,
    "why": pl.String,
    "psi": pl.Float64,
    "psi_by_chance": pl.Float64,
    "unseen": pl.Float64,
    "beyond": pl.Float64,
    **dict.fromkeys(_OF_NOW_AND_THEN, pl.Float64),
    **{f"{name}_learned": pl.Float64 for name in _OF_NOW_AND_THEN},
    "n_rows": pl.Int64,
}
"""Of what `drift` gives."""

_Counts: TypeAlias = npt.NDArray[np.int64]


class Distribution(msgspec.Struct, frozen=True):
    """How a feature was distributed."""

    nulls: float
    """Share of the rows."""
    shares: list[float]
    """Of the values: up to each edge and above the last, or of each category."""
    tenths: list[float]
    """Quantiles of numbers, from the smallest to the largest; of categories none."""
    counts: list[list[int]] | None = []
    """Values as in `shares`, of the rows of each of the newest forecasts, but of those
    with few; None of what has one value in each, as the month has: that it is another
    one now says nothing."""

    @property
    def edges(self) -> list[float]:
        """The inner quantiles, each once."""
        return [*dict.fromkeys(self.tenths[1:-1])]


class Learned(msgspec.Struct, frozen=True):
    """How all features were distributed in rows that were learned from."""

    n_rows: int
    features: dict[str, Distribution]


def distributions(
    df: pl.DataFrame, schema: FeatureSchema, forecast: pl.Expr
) -> Learned:
    """Note how the features of a schema are distributed in a frame.

    `forecast` tells apart the rows that are forecast at once, null of those that are
    not all there. Of more than 65,536 rows, every n-th is looked at, but for the ends
    of numbers.
    """
    sample = df.gather_every(-(-df.height // _N_SAMPLED))
    asked = sample.with_columns(forecast.alias(_FORECAST)).drop_nulls(_FORECAST)
    parts = asked.sort(_FORECAST).partition_by(_FORECAST, maintain_order=True)
    features: dict[str, Distribution] = {}
    for name in schema.dtypes:
        nulls = sample[name].null_count() / sample.height
        known = schema.vocabulary.get(name)
        values = _values(sample[name], known)
        tenths: list[float] = []
        if known is None and len(values):
            tenths = np.quantile(values, _TENTHS, method="lower").tolist()
            ends = (df[name].min(), df[name].max())
            tenths[0], tenths[-1] = (float(end) for end in ends)  # pyright: ignore[reportArgumentType]
        empty = Distribution(nulls, [], tenths)
        counts = _counts(values, empty, known)
        shares = (counts / max(counts.sum(), 1)).round(6).tolist()
        one = msgspec.structs.replace(empty, shares=shares)
        apart = _counts_apart(one, [part[name] for part in parts], known)
        features[name] = msgspec.structs.replace(one, counts=apart)
    return Learned(sample.height, features)


def _counts_apart(
    known: Distribution, parts: list[pl.Series], vocabulary: list[Any] | None
) -> list[list[int]] | None:
    """Count the values of each forecast; see `Distribution.counts`."""
    values = [_values(part, vocabulary) for part in parts]
    if len(parts) > 1 and all((v[1:] == v[:-1]).all() for v in values):
        return None
    newest = values[-_N_FORECASTS:]
    # Of a few rows, what else there may be cannot be told.
    least = max(map(len, newest), default=0) / 2
    return [
        _counts(v, known, vocabulary).tolist()
        for v in newest
        if len(v) >= max(least, 1)
    ]


def drift(
    learned: Learned, df: pl.DataFrame, schema: FeatureSchema, *, is_whole: bool = True
) -> pl.DataFrame:
    """Hold the features of other rows against those that were learned from.

    Gives a row per feature that is in `df` with the same dtype, sorted as in the
    schema. Column ``why`` says what drifted, and is null of what did not: a `psi`
    above `MAX_PSI` or `nulls` that are `MAX_MORE_NULLS` more, both beyond what chance
    makes of so many rows once in a thousand times; more than `MAX_UNSEEN` of the values
    in categories never seen, or `MAX_BEYOND` of them beyond all that were seen.
    The `psi` is the least: against all rows, or those of the one forecast that they are
    most alike, as the months of a year are unlike each other.
    Of rows that are a part of a panel only (not `is_whole`), the last two are looked
    at, with `MAX_BEYOND_OF_PART`: a part may be distributed as it likes, and there are
    no quantiles of it.
    """
    rows = held(learned, df, schema, is_whole=is_whole)
    return pl.DataFrame(rows, schema=SCHEMA)


def held(
    learned: Learned, df: pl.DataFrame, schema: FeatureSchema, *, is_whole: bool
) -> list[dict[str, Any]]:
    """Give the rows of `drift`."""
    rows: list[dict[str, Any]] = []
    dtypes = df.schema
    for name, known in learned.features.items():
        if str(dtypes.get(name)) != schema.dtypes[name] or df.is_empty():
            continue
        of_all = learned.n_rows if is_whole else None
        row = _held(known, of_all, df[name], schema.vocabulary.get(name))
        why = "; ".join(_faults(row, known, is_whole=is_whole)) or None
        rows.append(row | {"feature": name, "why": why})
    return rows


def is_plain(why: pl.Expr) -> pl.Expr:
    """Tell whether nulls or categories never seen are among what `drift` says."""
    return why.str.contains("% null, |never seen")


def _held(
    known: Distribution,
    n_learned: int | None,
    column: pl.Series,
    vocabulary: list[Any] | None,
) -> dict[str, Any]:
    """Measure a feature of other rows beside that of then.

    Without the number of rows that were learned from, there are no index and quantiles.
    """
    values = _values(column, vocabulary)
    row: dict[str, Any] = dict.fromkeys(SCHEMA) | {"n_rows": len(column)}
    row["nulls"], row["nulls_learned"] = column.null_count() / len(column), known.nulls
    if known.tenths:
        for q in (1, 5, 9):
            row[f"q{q}0_learned"] = known.tenths[q]
    if not len(values) or not known.shares:
        return row
    if vocabulary is not None:
        there = _counts(values, known, vocabulary).sum()
        row["unseen"] = 1 - there / len(values)
    elif known.tenths:
        first, last = known.tenths[0], known.tenths[-1]
        row["beyond"] = float(np.mean((values < first) | (values > last)))
    if n_learned is None:
        return row
    if known.counts is not None:
        counts = _counts(values, known, vocabulary)
        n = round(n_learned * (1 - known.nulls))
        then = [np.array(known.shares) * n, *map(np.array, known.counts)]
        indices = [_index(counts, of, is_ordered=vocabulary is None) for of in then]
        row["psi"], row["psi_by_chance"] = min(indices, key=_excess)
    if vocabulary is None and known.tenths:
        found = np.quantile(values, (0.1, 0.5, 0.9), method="lower").tolist()
        row |= dict(zip(("q10", "q50", "q90"), found, strict=True))
    return row


def _faults(
    row: dict[str, Any], known: Distribution, *, is_whole: bool
) -> Iterator[str]:
    """Say what of a feature drifted."""
    psi = row["psi"]
    now, then = row["nulls"], row["nulls_learned"]
    by_chance = _Z * (then * (1 - then) / row["n_rows"]) ** 0.5
    if is_whole and now - then > max(MAX_MORE_NULLS, by_chance):
        yield f"{now:.1%} null, {then:.1%} then"
    if (row["unseen"] or 0) > MAX_UNSEEN:
        yield f"{row['unseen']:.1%} in categories never seen"
    if psi is not None and _excess((psi, row["psi_by_chance"])) > 0:
        yield f"PSI {psi:.2f}"
    if (row["beyond"] or 0) > (MAX_BEYOND if is_whole else MAX_BEYOND_OF_PART):
        ends = f"{known.tenths[0]:,.6g} to {known.tenths[-1]:,.6g}"
        yield f"{row['beyond']:.1%} beyond {ends}"


def _values(column: pl.Series, vocabulary: list[Any] | None) -> npt.NDArray[Any]:
    """Take what is not null: numbers as floats, categories as they are."""
    # Without nulls there is nothing to plan, which is what takes longest of few rows.
    values = column.drop_nulls() if column.null_count() else column
    return (values if vocabulary is not None else values.cast(pl.Float64)).to_numpy()


def _counts(
    values: npt.NDArray[Any], known: Distribution, vocabulary: list[Any] | None
) -> _Counts:
    """Count the values of each bin or category; those of no category are left out."""
    if vocabulary is None:
        edges = known.edges
        bins = np.searchsorted(edges, values, side="left")
        return np.bincount(bins, minlength=len(edges) + 1)
    positions = {value: i for i, value in enumerate(vocabulary)}
    found, counts = np.unique(values, return_counts=True)
    all_counts = np.zeros(len(vocabulary), dtype=np.int64)
    for value, count in zip(found.tolist(), counts.tolist(), strict=True):
        if value in positions:
            all_counts[positions[value]] = count
    return all_counts


def _excess(index: tuple[float, float]) -> float:
    """Tell how far an index is above what it may be, and what chance makes it."""
    psi, by_chance = index
    return psi - max(MAX_PSI, by_chance)


def _index(
    counts: _Counts, learned: npt.NDArray[Any], *, is_ordered: bool
) -> tuple[float, float]:
    """Give the population stability index, and what chance makes of so many rows.

    Bins are merged until they should have ten rows each; half a row more in each keeps
    it finite. Of the same distribution, it is the chi-squared of one degree of freedom
    less than there are bins, times 1/n + 1/m.
    """
    n, n_learned = int(counts.sum()), max(float(learned.sum()), 1.0)
    bins = _merged(learned / n_learned, n, is_ordered=is_ordered)
    n_bins = int(bins.max()) + 1
    then = np.bincount(bins, learned) + 0.5
    now = np.bincount(bins, counts) + 0.5
    p, q = then / then.sum(), now / now.sum()
    psi = float(np.sum((q - p) * np.log(q / p)))
    freedom = max(n_bins - 1, 1)
    # By Wilson and Hilferty's approximation.
    chi_squared = (
        freedom * (1 - 2 / (9 * freedom) + _Z * (2 / (9 * freedom)) ** 0.5) ** 3
    )
    by_chance = chi_squared * (1 / max(n, 1) + 1 / n_learned)
    return psi, float(by_chance)


def _merged(
    shares: npt.NDArray[np.float64], n: int, *, is_ordered: bool
) -> npt.NDArray[np.int64]:
    """Merge bins so that each should have ten of `n` rows, and give their numbers."""
    order = np.arange(len(shares)) if is_ordered else np.argsort(-shares, kind="stable")
    middles = np.cumsum(shares[order]) - shares[order] / 2
    wanted = np.empty(len(shares), dtype=np.int64)
    wanted[order] = np.floor(middles * max(n // _PER_BIN, 2))
    return np.unique(wanted, return_inverse=True)[1]
