"""A feature of year t is the same whatever happens in year t and after it."""

from collections.abc import Callable, Iterable

import polars as pl
import pytest

from pipeline import sources
from pipeline.plan.compose import compose, compose_again
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Settings

KEY = ["year", "facility_id", "apr_drg_code"]
TARGET = "w_total_median_profit"
MONEY = ["Mean Charge", "Median Charge", "Mean Cost", "Median Cost"]
OPEN = "drop_non_lag_columns.columns=${panel.values}"
"""Lets what else is of its period through."""

ROWS = "which rows there are"
COUNTS = {"facility_drg_count", "year_drg_count", "ratio_drg_facility_vs_year"}


def other_values(future: pl.DataFrame) -> pl.DataFrame:
    """Change everything in the rows but their year, facility and DRG."""
    return future.with_columns(
        pl.col("Discharges") * 7 + pl.col("Facility Id") % 100,
        pl.col(MONEY).reverse() * 3 + 11,
        pl.col("APR Severity of Illness Code").reverse(),
        pl.lit("other").alias("Facility Name"),
        pl.lit("other").alias("APR DRG Description"),
    )


def rows_dropped(future: pl.DataFrame) -> pl.DataFrame:
    """Keep every third row, and of some DRGs none."""
    return future[::3].filter(pl.col("APR DRG Code") % 5 != 0)


def rows_added(future: pl.DataFrame) -> pl.DataFrame:
    """Add rows of new facilities, of new DRGs, and of known ones that did not meet."""
    is_new = pl.col("Facility Id") % 3 == 0
    facility, drg = pl.col("Facility Id"), pl.col("APR DRG Code")
    added = future.with_columns(
        pl.when(is_new).then(facility + 100_000).otherwise(facility),
        pl.when(facility % 2 == 0).then(drg + 5_000).otherwise(drg.reverse()),
        pl.col("Discharges") * 50,
    )
    return pl.concat([future, added])


def cut_off(future: pl.DataFrame) -> pl.DataFrame:
    """Keep the first year only."""
    return future.filter(pl.col("Year") == pl.col("Year").min())


FUTURES = pytest.mark.parametrize(
    "change", [other_values, rows_dropped, rows_added, cut_off]
)


def find_leaks(
    settings: Settings,
    change: Callable[[pl.DataFrame], pl.DataFrame],
    years: Iterable[int],
) -> set[str]:
    """Change the rows from a year on, for each year: name the features that differ."""
    rows = sources.scan(settings.source, settings.root).frames()[0]
    # Without some amounts: a gap must not be filled from later years.
    is_known = pl.sum_horizontal("Year", "Facility Id", "APR DRG Code") % 9 > 0
    raw = rows.with_columns(pl.when(is_known).then(pl.col(MONEY))).collect()
    plan = compose(raw.lazy(), settings.stages)
    before = features(raw, plan)
    leaks: set[str] = set()
    for year in years:
        is_past = pl.col("Year") < year
        other = pl.concat([raw.filter(is_past), change(raw.filter(~is_past))])
        leaks |= difference(before, features(other, plan), year)
    return leaks


def features(raw: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Run the pipeline on raw rows."""
    return compose_again(plan, raw.lazy(), {}).lf("drop_non_lag_columns").collect()


def difference(before: pl.DataFrame, after: pl.DataFrame, year: int) -> set[str]:
    """Compare the rows of earlier years, and those of the year that are still there."""
    rows = before.filter(pl.col("year") <= year).join(after, on=KEY, suffix=" after")
    assert rows["year"].max() == year
    names = [name for name in before.columns if name not in [*KEY, TARGET]]
    is_other = rows.select(
        pl.col(n).ne_missing(pl.col(f"{n} after")).any() for n in names
    )
    past, past_after = (df.filter(pl.col("year") < year) for df in (before, after))
    is_same_past = past.select(KEY).sort(KEY).equals(past_after.select(KEY).sort(KEY))
    return {n for n in names if is_other[n].item()} | (
        set() if is_same_past else {ROWS}
    )


@FUTURES
def test_no_feature_of_the_default_depends_on_its_own_year_or_a_later_one(
    shipped_settings: Callable[..., Settings],
    change: Callable[[pl.DataFrame], pl.DataFrame],
) -> None:
    assert find_leaks(shipped_settings(), change, [2010, 2013, 2017]) == set()


@FUTURES
def test_the_leaks_of_the_origin_are_found(
    shipped_settings: Callable[..., Settings],
    change: Callable[[pl.DataFrame], pl.DataFrame],
) -> None:
    expected = {"yearly_discharge_bin", ROWS} | COUNTS
    assert find_leaks(shipped_settings(profile="origin"), change, [2014]) == expected


@pytest.mark.slow  # the audit finds them, too
@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("yearly_discharge_bin.lag=0", {"yearly_discharge_bin"}),
        ("ratio_drg_facility_vs_year.lag=0", COUNTS),
        ("lag_columns.by=row", set()),
    ],
)
def test_a_leak_is_found_where_a_single_value_opens_it(
    shipped_settings: Callable[..., Settings], override: str, expected: set[str]
) -> None:
    assert (
        find_leaks(shipped_settings(override, OPEN), rows_dropped, [2014]) == expected
    )
