"""The origin's steps in vectorised pandas: whole columns at a time, no call per group.

It stays with pandas' own operations and the definitions as they are written; what more
can be had by reading nine columns only and packing keys is in `numpy_packed`.
"""

# pandas annotates most methods as returning a union of Series, DataFrame and scalars.
# pyright: reportArgumentType=false, reportReturnType=false
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportOperatorIssue=false, reportIndexIssue=false

import pandas as pd

from benchmarks.pandas_origin import drop_non_lag_columns, drop_rare_drgs
from benchmarks.pandas_origin import read_raw as read_raw
from benchmarks.semantics import KEY, LAGGED, MEANS, MEDIANS, SEVERITIES, Semantics

PAIR = ["facility_id", "apr_drg_code"]
FACILITY_YEAR = ["year", "facility_id"]


def features(raw: pd.DataFrame, semantics: Semantics) -> pd.DataFrame:
    """Run every step on the raw rows."""
    df = money_columns(drop_rare_drgs(raw, semantics))
    df = ratio_drg_facility_vs_year(agg_severities(df), semantics)
    df = yearly_discharge_bin(df, semantics)
    df = rolling_columns(lag_columns(df, semantics), semantics)
    return drop_non_lag_columns(df)


def money_columns(df: pd.DataFrame) -> pd.DataFrame:
    """Add profits per discharge, and profits and costs of all discharges."""
    median_profit = df["median_charge"] - df["median_cost"]
    mean_profit = df["mean_charge"] - df["mean_cost"]
    return df.assign(
        median_profit=median_profit,
        mean_profit=mean_profit,
        total_mean_profit=mean_profit * df["discharges"],
        total_median_profit=median_profit * df["discharges"],
        total_median_cost=df["median_cost"] * df["discharges"],
        total_mean_cost=df["mean_cost"] * df["discharges"],
    )


def agg_severities(df: pd.DataFrame) -> pd.DataFrame:
    """Aggregate the severities to one row per facility, DRG and year."""
    by = df.groupby(KEY)
    # The groups are numbered in the order of their keys, as are the panel's rows.
    panel = by["discharges"].sum().rename("sum_discharges").reset_index()
    group = by.ngroup()
    weights = df["discharges"]
    severity = df["apr_severity_of_illness_code"]
    of_severity = pd.DataFrame(
        {
            f"severity_{code}_portion": weights.where(severity == code, 0)
            for code in SEVERITIES
        }
    )
    portions = of_severity.groupby(group).sum().div(panel["sum_discharges"], axis=0)
    means = weighted_means(df[MEANS], weights, group).add_prefix("w_")
    medians = {
        f"w_{column}": weighted_median(df[column], weights, group) for column in MEDIANS
    }
    return panel.join([portions, means]).assign(**medians)


def weighted_means(
    values: pd.DataFrame, weights: pd.Series, group: pd.Series
) -> pd.DataFrame:
    """Average the columns of each group, each value counted with its weight."""
    weighted = values.mul(weights, axis=0).groupby(group).sum()
    total = values.notna().mul(weights, axis=0).groupby(group).sum()
    return weighted / total


def weighted_median(
    values: pd.Series, weights: pd.Series, group: pd.Series
) -> pd.Series:
    """Take each group's lowest value at which half of its weight is reached."""
    df = pd.DataFrame({"group": group, "value": values, "weight": weights})
    df = df.dropna().sort_values(["group", "value"])
    by_group = df.groupby("group", sort=False)["weight"]
    reached = 2 * by_group.cumsum() >= by_group.transform("sum")
    return df[reached].drop_duplicates("group").set_index("group")["value"]


def ratio_drg_facility_vs_year(df: pd.DataFrame, semantics: Semantics) -> pd.DataFrame:
    """Add the number of DRGs of the facility and of the year, and their ratio."""
    suffix = semantics.suffix
    facility, year = f"facility_drg_count{suffix}", f"year_drg_count{suffix}"
    by_facility = df.groupby(FACILITY_YEAR)["apr_drg_code"].nunique()
    by_year = df.groupby("year")["apr_drg_code"].nunique()
    df = _join_at_lag(df, by_facility.to_frame("facility_drg_count"), semantics)
    df = _join_at_lag(df, by_year.to_frame("year_drg_count"), semantics)
    return df.assign(**{f"ratio_drg_facility_vs_year{suffix}": df[facility] / df[year]})


def yearly_discharge_bin(df: pd.DataFrame, semantics: Semantics) -> pd.DataFrame:
    """Add the fifth of the year's facilities that the facility's discharges fall in."""
    totals = df.groupby(FACILITY_YEAR)["sum_discharges"].sum()
    # One call for each of the few years: pandas has no quantile bins within groups.
    bins = totals.groupby("year").transform(
        lambda total: pd.qcut(total, 5, labels=False, duplicates="drop")
    )
    return _join_at_lag(df, bins.to_frame("yearly_discharge_bin"), semantics)


def lag_columns(df: pd.DataFrame, semantics: Semantics) -> pd.DataFrame:
    """Add each column's value of the year (or row) before."""
    return df.join(_values_before(df, 1, semantics).add_suffix("_lag1"))


def rolling_columns(df: pd.DataFrame, semantics: Semantics) -> pd.DataFrame:
    """Add each column's mean over the two years (or rows) before."""
    one = _values_before(df, 1, semantics)
    two = _values_before(df, 2, semantics)
    mean = (one.fillna(two) + two.fillna(one)) / 2
    return df.join(mean.dropna().add_suffix("_rolling2"), how="inner")


def _join_at_lag(
    df: pd.DataFrame, by: pd.DataFrame, semantics: Semantics
) -> pd.DataFrame:
    """Add the columns of `group_lag` years before, by the frame's index."""
    earlier = by.add_suffix(semantics.suffix).reset_index()
    earlier["year"] += semantics.group_lag
    return df.merge(earlier, on=by.index.names, how="left")


def _values_before(df: pd.DataFrame, steps: int, semantics: Semantics) -> pd.DataFrame:
    """Take the lagged columns of so many years (or rows) before, or null."""
    if not semantics.by_calendar:
        return df.groupby(PAIR, sort=False)[LAGGED].shift(steps)
    # CPU seconds for the full file, three calls: 0.14; `reindex` by the key 0.27;
    # shifted rows where the year is the right one 0.22.
    earlier = df[[*KEY, *LAGGED]].assign(year=df["year"] + steps)
    return df[KEY].merge(earlier, on=KEY, how="left")[LAGGED].set_axis(df.index)
