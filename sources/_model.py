"""The statistical model behind the synthetic data, calibrated on published numbers.

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

from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sources._names import DrgNames, draw_drgs, draw_facility_names

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Cells: TypeAlias = tuple[Ints, ...]  # facility, DRG and severity, by position

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
UPPER_CASE_FROM = 2014  # DRG descriptions are in title case before

# log(median / mean) in cells of 3 to 9 discharges and of more, (mean, sd): it is 0
# in smaller ones.
CHARGE_SKEW = ((-0.12, 0.15), (-0.14, 0.09))
COST_SKEW = ((-0.13, 0.15), (-0.15, 0.10))

# Standard deviations of the effects on a cell's volume score, found by trial: see the
# targets in tests/synthetic/calibration.py.
SIZE_SD = 0.7
DRG_SD = 1.02
PAIR_SD = 0.8
CELL_SD = 0.3
TREND_SD = 0.03
PAIR_YEAR_SD = 0.15
CELL_YEAR_SD = 0.3

# Change of log(charge) by severity 0 to 4.
SEVERITY_CHARGE = np.array([0.0, -0.35, -0.2, 0.2, 0.85])


@dataclass(frozen=True, slots=True)
class Drgs:
    """The DRGs and what is lasting about them, each of shape (n_drgs,)."""

    names: DrgNames
    volume: Floats
    volume_tilt: Floats  # change of the volume score per severity
    charge: Floats
    charge_tilt: Floats
    cost_ratio: Floats


@dataclass(frozen=True, slots=True)
class Facilities:
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


def rng_of(seed: int, *key: int) -> np.random.Generator:
    """Return an independent generator for one part of the data."""
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key))
    )


def draw_drg_effects(rng: np.random.Generator) -> Drgs:
    """Draw the DRGs and their effects, which every replica shares."""
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
    return Drgs(
        names=names,
        volume=volume,
        volume_tilt=volume_tilt,
        charge=charge,
        charge_tilt=0.08 * rng.standard_normal(n),
        cost_ratio=0.12 * rng.standard_normal(n),
    )


def draw_facilities(rng: np.random.Generator, replica: int, drgs: Drgs) -> Facilities:
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
    return Facilities(
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


def draw_year(
    rng: np.random.Generator, year: int, facilities: Facilities, drgs: Drgs
) -> pl.DataFrame:
    """Generate one replica's rows of a year, in the raw columns.

    Ordered by facility id, DRG code and severity; no nulls.
    """
    excess = _excess(
        _volume_score(rng, year, facilities, drgs), _rows_per_severity(year)
    )
    cells = np.nonzero(excess >= 0)
    facility, drg, severity = cells
    n = facility.size
    score = excess[cells]
    discharges = np.ceil(_by_rank(score, DISCHARGES_CURVE)).clip(max=MAX_DISCHARGES)

    noise_sd = 0.1 + 0.3 / np.sqrt(discharges)
    charge_score = _charge_score(cells, facilities, drgs)
    # What a hospital does thousands of times is routine, hence cheap.
    charge_score += noise_sd * rng.standard_normal(n) - 0.05 * score
    cost_score = charge_score + _cost_ratio(cells, year, facilities, drgs)
    cost_score += 0.5 * noise_sd * rng.standard_normal(n)
    age = year - MIDDLE_YEAR
    charge = _by_rank(charge_score, MEAN_CHARGE_CURVE) * np.exp(CHARGE_GROWTH * age)
    cost = _by_rank(cost_score, MEAN_COST_CURVE) * np.exp(COST_GROWTH * age)

    # The same patients make both medians, so that they are skewed alike.
    z_charge = rng.standard_normal(n)
    z_cost = 0.7 * z_charge + 0.71 * rng.standard_normal(n)
    kinds, descriptions = drgs.names.kinds, drgs.names.descriptions
    if year >= UPPER_CASE_FROM:
        descriptions = [text.upper() for text in descriptions]
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
            (charge * _skew(discharges, z_charge, CHARGE_SKEW)).round(2),
            cost.round(2),
            (cost * _skew(discharges, z_cost, COST_SKEW)).round(2),
        ],
        schema=RAW_SCHEMA,
    )


def _charge_score(cells: Cells, facilities: Facilities, drgs: Drgs) -> Floats:
    """Score how much cells charge, as far as it lasts; of shape (n_cells,)."""
    facility, drg, severity = cells
    return (
        facilities.charge[facility]
        + drgs.charge[drg]
        + facilities.pair_charge[facility, drg]
        + SEVERITY_CHARGE[severity]
        + drgs.charge_tilt[drg] * severity
    )


def _cost_ratio(cells: Cells, year: int, facilities: Facilities, drgs: Drgs) -> Floats:
    """Return the log of cost over charge, but for its level and the year's noise."""
    facility, drg, _ = cells
    return (
        facilities.cost_ratio[facility]
        + facilities.cost_ratio_trend[facility] * (year - min(ROWS_PER_YEAR))
        + drgs.cost_ratio[drg]
        + facilities.pair_cost_ratio[facility, drg]
    )


def _volume_score(
    rng: np.random.Generator, year: int, facilities: Facilities, drgs: Drgs
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
