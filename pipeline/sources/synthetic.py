"""A made-up stand-in for New York's inpatient cost data, calibrated on its statistics.

Which (facility, DRG, severity) cells a year holds, their discharges, charges and costs
each come from a latent score: effects that persist from year to year, a drift and the
year's noise. The scores only rank the cells; published row counts say how many of
the ranked cells exist, and published quantiles what value each rank has (a Gaussian
copula [1]_). Totals and marginals are therefore right by construction, and the effects
only decide who is large, dear or absent.

References
----------
.. [1] Nelsen, "An Introduction to Copulas", 2nd ed., Springer, 2006, section 2.9.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Annotated, Literal

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import SourceError
from pipeline.sources.synthetic_names import DrgNames, draw_drgs, draw_facility_names

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROWS_PER_YEAR = {
    2009: 129_255,
    2010: 128_014,
    2011: 126_288,
    2012: 123_600,
    2013: 117_226,
    2014: 114_376,
    2015: 114_581,
    2016: 114_602,
    2017: 113_730,
}
RAW_SCHEMA = {
    "Year": pl.Int64,
    "Facility Id": pl.Int64,
    "Facility Name": pl.String,
    "APR DRG Code": pl.Int64,
    "APR Severity of Illness Code": pl.Int64,
    "APR DRG Description": pl.String,
    "APR Severity of Illness Description": pl.String,
    "APR Medical Surgical Code": pl.String,
    "APR Medical Surgical Description": pl.String,
    "Discharges": pl.Int64,
    "Mean Charge": pl.Float64,
    "Median Charge": pl.Float64,
    "Mean Cost": pl.Float64,
    "Median Cost": pl.Float64,
}
# Rows of severity 0 to 4 in a published count; only their shares matter here.
SEVERITY_WEIGHTS = (560, 309_809, 361_079, 325_032, 196_347)
SEVERITIES = ("Not Applicable", "Minor", "Moderate", "Major", "Extreme")
KINDS = {"M": "Medical", "P": "Surgical", "NA": "Other", "U": "Other"}

N_FACILITIES = 231
MAX_FACILITY_ID = 9_431
FACILITY_ID_STEP = 10_000  # added per replica
MAX_DISCHARGES = 6_938

# Values per rank: log(value) = a + b z + c z^2 for the rank's normal score z. The three
# reproduce the published quartiles; the square makes the heavy upper tail.
DISCHARGES_CURVE = (1.59, 1.66, 0.01)
MEAN_CHARGE_CURVE = (10.207, 0.975, 0.051)
MEAN_COST_CURVE = (9.224, 0.924, 0.083)
CHARGE_GROWTH = np.log(1.061)  # a year
COST_GROWTH = np.log(1.040)
MIDDLE_YEAR = 2012.8

# log(median / mean) in cells of 3 to 9 discharges and of more, (mean, sd): it is 0
# in smaller ones.
CHARGE_SKEW = ((-0.12, 0.15), (-0.14, 0.09))
COST_SKEW = ((-0.13, 0.15), (-0.15, 0.10))

# Standard deviations of the effects on a cell's volume score, found by trial: see the
# targets in tests/sources/test_synthetic.py.
SIZE_SD = 0.7
DRG_SD = 1.08
PAIR_SD = 0.8
CELL_SD = 0.35
TREND_SD = 0.03
PAIR_YEAR_SD = 0.15
CELL_YEAR_SD = 0.3

SEVERITY_CHARGE = np.array([0.0, -0.35, -0.2, 0.2, 0.85])


class SyntheticConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """Settings of the synthetic source."""

    seed: Annotated[int, msgspec.Meta(ge=0)] = 2009
    scale: Annotated[int, msgspec.Meta(ge=1)] = 1
    format: Literal["csv", "parquet"] = "parquet"


@dataclass(frozen=True, slots=True)
class _Drgs:
    """The DRGs and what is lasting about them, each of shape (n_drgs,)."""

    names: DrgNames
    volume: Floats
    volume_tilt: Floats  # change of the volume score per severity
    charge: Floats
    charge_tilt: Floats
    cost_ratio: Floats


@dataclass(frozen=True, slots=True)
class _Facilities:
    """One replica's facilities and what is lasting about them, by facility, DRG."""

    ids: Ints
    names: list[str]
    opened: Ints  # first year
    closed: Ints  # last year
    skipped: Ints  # a year without rows, or 0
    size: Floats
    charge: Floats
    cost_ratio: Floats
    cost_ratio_trend: Floats  # a year
    pair_volume: Floats  # (n_facilities, n_drgs), as are the next three
    pair_trend: Floats
    pair_charge: Floats
    pair_cost_ratio: Floats
    cell_volume: Floats  # (n_facilities, n_drgs, n_severities)


def generate(*, seed: int, scale: int = 1) -> Iterator[pl.DataFrame]:
    """Generate the raw data set, one frame per year and replica.

    Parameters
    ----------
    seed : int
        Same seed, same numpy and Polars: same rows.
    scale : int, default 1
        Number of replicas. Each has its own facilities and draws but shares the DRGs;
        replica 0 is what ``scale=1`` gives.

    Yields
    ------
    pl.DataFrame of shape (about 120_000, 14)
        The raw columns under their published names, ordered by year, facility id, DRG
        code and severity, also from frame to frame. Codes and discharges are Int64,
        money is Float64 US dollars of two decimals, the rest String; no nulls. Unique
        on the first, second, fourth and fifth column.
    """
    drgs = _draw_drgs(_rng(seed, 0))
    for year in ROWS_PER_YEAR:
        for replica in range(scale):
            facilities = _draw_facilities(_rng(seed, 1, replica), replica, drgs)
            yield _year(_rng(seed, 2, replica, year), year, facilities, drgs)


def write_synthetic(
    path: Path,
    *,
    seed: int,
    scale: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the synthetic data set to a CSV or Parquet file.

    The file appears under its name when it is whole; memory does not grow with
    ``scale``.

    Parameters
    ----------
    path : Path
        Ends in ``.csv`` or ``.parquet``; an existing file is replaced.
    seed, scale : int
        As in `generate`.
    progress : callable, optional
        Called with the frames written so far and the number of frames.

    Returns
    -------
    int
        Rows written, 1_081_672 per replica.

    Raises
    ------
    SourceError
        If the suffix is neither of the two.
    """
    writers = {".csv": _csv_writer, ".parquet": _parquet_writer}
    if path.suffix not in writers:
        raise SourceError(
            f"synthetic source: cannot write '{path.name}'\n"
            f"found suffix '{path.suffix}', expected one of {', '.join(writers)}\n"
            "hint: name the file synthetic.parquet or synthetic.csv"
        )
    partial = path.with_name(f".{path.name}.partial")
    n_frames, n_rows = len(ROWS_PER_YEAR) * scale, 0
    try:
        with writers[path.suffix](partial) as write:
            for i, frame in enumerate(generate(seed=seed, scale=scale), start=1):
                write(frame)
                n_rows += frame.height
                if progress is not None:
                    progress(i, n_frames)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return n_rows


@contextmanager
def _csv_writer(path: Path) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Append frames to one CSV file, with one header."""
    with path.open("wb") as file:
        yield lambda df: df.write_csv(file, include_header=file.tell() == 0)


@contextmanager
def _parquet_writer(path: Path) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Append frames to one Parquet file, a row group each."""
    schema = pl.DataFrame(schema=RAW_SCHEMA).to_arrow().schema
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield lambda df: writer.write_table(df.to_arrow())


def _rng(seed: int, *key: int) -> np.random.Generator:
    """Return an independent generator for one part of the data."""
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key))
    )


def _draw_drgs(rng: np.random.Generator) -> _Drgs:
    """Draw what every replica shares: the DRGs."""
    names = draw_drgs(rng)
    n = len(names.codes)
    kinds = np.array(names.kinds)
    volume = DRG_SD * _shuffled_normal(rng, n) - 0.85 * (kinds == "P")
    # Many hospitals have no neonatal, psychiatric or trauma unit.
    volume -= 0.7 * (np.array(names.codes) >= 580)
    volume_tilt = 0.5 * rng.standard_normal(n)
    # These two only compete with each other, for severity 0: most rows are NA, few U.
    volume_tilt[np.isin(kinds, ["NA", "U"])] = 0.0
    volume[kinds == "NA"], volume[kinds == "U"] = 0.5, -0.7
    # Rare DRGs, transplants say, are the dear ones.
    charge = (
        0.4 * _shuffled_normal(rng, n)
        + 0.25 * rng.standard_exponential(n) * np.exp(-0.5 * volume)
        + 0.5 * (kinds == "P")
        - 0.25 * volume
    )
    return _Drgs(
        names=names,
        volume=volume,
        volume_tilt=volume_tilt,
        charge=charge,
        charge_tilt=0.08 * rng.standard_normal(n),
        cost_ratio=0.12 * rng.standard_normal(n),
    )


def _draw_facilities(
    rng: np.random.Generator, replica: int, drgs: _Drgs
) -> _Facilities:
    """Draw one replica's facilities; some, mostly small ones, come and go."""
    n, n_drgs = N_FACILITIES, len(drgs.names.codes)
    # The largest few are about equal.
    size = _shuffled_normal(rng, n).clip(max=2.0)
    passing = rng.permutation(np.argsort(size + 0.7 * rng.standard_normal(n))[:61])
    closing, opening, skipping = np.split(passing, [40, 55])
    first, last = min(ROWS_PER_YEAR), max(ROWS_PER_YEAR)
    opened, closed, skipped = np.full(n, first), np.full(n, last), np.zeros(n, int)
    closed[closing] = rng.integers(first, last, closing.size)
    opened[opening] = rng.integers(first + 1, last + 1, opening.size)
    skipped[skipping] = rng.integers(first + 1, last, skipping.size)

    # A merged facility goes on under another id: its heir has the effects of its site.
    gone, heirs = closing[:6], opening[:6]
    opened[heirs] = closed[gone] + 1
    site = np.arange(n)
    site[heirs] = gone
    names = draw_facility_names(rng, n)
    for a, b in zip(gone, heirs, strict=True):
        names[b] = f"{names[b]}, Formerly {names[a]}"
    ids = rng.choice(np.arange(2, 1_800), n - 2, replace=False)

    charge, cost_ratio = _shuffled_normal(rng, n), _shuffled_normal(rng, n)
    pairs, cells = (n, n_drgs), (n, n_drgs, len(SEVERITIES))
    return _Facilities(
        ids=np.sort([1, *ids, MAX_FACILITY_ID]) + FACILITY_ID_STEP * replica,
        names=names,
        opened=opened,
        closed=closed,
        skipped=skipped,
        size=SIZE_SD * size[site],
        # Large facilities charge more, and more over their costs.
        charge=0.6 * (0.7 * size + 0.71 * charge)[site],
        cost_ratio=0.43 * (-0.75 * size - 0.2 * charge + 0.63 * cost_ratio)[site],
        cost_ratio_trend=0.02 * rng.standard_normal(n)[site],
        pair_volume=PAIR_SD * rng.standard_normal(pairs)[site],
        pair_trend=TREND_SD * rng.standard_normal(pairs)[site],
        pair_charge=0.18 * rng.standard_normal(pairs)[site],
        pair_cost_ratio=0.1 * rng.standard_normal(pairs)[site],
        cell_volume=CELL_SD * rng.standard_normal(cells)[site],
    )


def _year(
    rng: np.random.Generator, year: int, facilities: _Facilities, drgs: _Drgs
) -> pl.DataFrame:
    """Generate one replica's rows of a year."""
    volume = _volume_score(rng, year, facilities, drgs)
    excess = _excess(volume, _rows_per_severity(year))
    # In order of facility, DRG and severity, as the published rows.
    facility, drg, severity = np.nonzero(excess >= 0)
    n = facility.size
    score = excess[facility, drg, severity]
    discharges = np.ceil(_by_rank(score, DISCHARGES_CURVE)).clip(max=MAX_DISCHARGES)

    noise = 0.1 + 0.3 / np.sqrt(discharges)
    charge_score = (
        facilities.charge[facility]
        + drgs.charge[drg]
        + facilities.pair_charge[facility, drg]
        + SEVERITY_CHARGE[severity]
        + drgs.charge_tilt[drg] * severity
        # What a hospital does thousands of times is routine, hence cheap.
        - 0.05 * score
        + noise * rng.standard_normal(n)
    )
    cost_score = (
        charge_score
        + facilities.cost_ratio[facility]
        + facilities.cost_ratio_trend[facility] * (year - 2009)
        + drgs.cost_ratio[drg]
        + facilities.pair_cost_ratio[facility, drg]
        + 0.5 * noise * rng.standard_normal(n)
    )
    age = year - MIDDLE_YEAR
    charge = _by_rank(charge_score, MEAN_CHARGE_CURVE) * np.exp(CHARGE_GROWTH * age)
    cost = _by_rank(cost_score, MEAN_COST_CURVE) * np.exp(COST_GROWTH * age)
    skew = rng.standard_normal(n)
    charge_skew = _skew(discharges, skew, CHARGE_SKEW)
    skew = 0.7 * skew + 0.71 * rng.standard_normal(n)
    cost_skew = _skew(discharges, skew, COST_SKEW)

    descriptions = drgs.names.descriptions
    if year >= 2014:
        descriptions = [text.upper() for text in descriptions]
    kinds = drgs.names.kinds
    return pl.DataFrame(
        [
            np.full(n, year),
            facilities.ids[facility],
            pl.Series(facilities.names).gather(facility),
            np.array(drgs.names.codes)[drg],
            severity,
            pl.Series(descriptions).gather(drg),
            pl.Series(SEVERITIES).gather(severity),
            pl.Series(kinds).gather(drg),
            pl.Series([KINDS[kind] for kind in kinds]).gather(drg),
            discharges.astype(np.int64),
            charge.round(2),
            (charge * charge_skew).round(2),
            cost.round(2),
            (cost * cost_skew).round(2),
        ],
        schema=RAW_SCHEMA,
    )


def _volume_score(
    rng: np.random.Generator, year: int, facilities: _Facilities, drgs: _Drgs
) -> Floats:
    """Score how much a cell has to do in a year, of shape (facility, DRG, severity)."""
    severity = np.arange(len(SEVERITIES))
    age = year - MIDDLE_YEAR
    pair = (
        facilities.size[:, None]
        + drgs.volume
        + facilities.pair_volume
        + facilities.pair_trend * age
        + PAIR_YEAR_SD * rng.standard_normal(facilities.pair_volume.shape)
    )
    score = (
        pair[:, :, None]
        + facilities.cell_volume
        + drgs.volume_tilt[:, None] * (severity - 2.5)
    )
    # Counts vary less from year to year the larger they are.
    noise = CELL_YEAR_SD * np.exp(-0.25 * score.clip(min=-2.0))
    score += noise * rng.standard_normal(score.shape)
    is_open = (facilities.opened <= year) & (year <= facilities.closed)
    score[~is_open | (facilities.skipped == year)] = -np.inf
    groupable = np.isin(drgs.names.kinds, ["M", "P"])
    score[:, groupable[:, None] == (severity == 0)] = -np.inf
    return score


def _rows_per_severity(year: int) -> Ints:
    """Split a year's published row count by severity; the parts add up to it."""
    weights = np.cumsum([0, *SEVERITY_WEIGHTS])
    bounds = np.rint(ROWS_PER_YEAR[year] * weights / weights[-1])
    return np.diff(bounds).astype(np.int64)


def _excess(score: Floats, n_rows: Ints) -> Floats:
    """Subtract from each severity the score its last existing cell has."""
    flat = score.reshape(-1, len(n_rows))
    cuts = [np.partition(flat[:, i], -n)[-n] for i, n in enumerate(n_rows)]
    return score - np.array(cuts)


_Z = np.linspace(-5.5, 5.5, 4_001)
_PROBABILITY = np.array([NormalDist().cdf(z) for z in _Z])


def _normal_scores(n: int) -> Floats:
    """Return the n normal quantiles at equal steps of probability, in order."""
    return np.interp((np.arange(n) + 0.5) / n, _PROBABILITY, _Z)


def _shuffled_normal(rng: np.random.Generator, n: int) -> Floats:
    """Draw effects of the few large units; with the same spread whatever the seed."""
    return rng.permutation(_normal_scores(n))


def _by_rank(score: Floats, curve: tuple[float, float, float]) -> Floats:
    """Give each score the value that a curve has at its rank's normal score."""
    z = np.empty(score.size)
    z[np.argsort(score, kind="stable")] = _normal_scores(score.size)
    a, b, c = curve
    return np.exp(a + b * z + c * z**2)


def _skew(
    discharges: Floats, z: Floats, by_size: tuple[tuple[float, float], ...]
) -> Floats:
    """Return the median over the mean of cells with these discharges."""
    (few_mean, few_sd), (many_mean, many_sd) = by_size
    few, many = few_mean + few_sd * z, many_mean + many_sd * z
    log_ratio = np.where(discharges < 10, few, many).clip(-0.7, 0.35)
    return np.where(discharges < 3, 1.0, np.exp(log_ratio))
