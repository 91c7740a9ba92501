"""The features in plain pandas: one function per step, a Python call per group.

This is how the original pipeline went about it, and the slowest of the baselines. It is
written to be checked by eye; the two steps that have no group to call Python for are
those of `pandas_vectorised`, too.
"""

# pandas annotates most methods as returning a union of Series, DataFrame and scalars.
# pyright: reportArgumentType=false, reportReturnType=false
# pyright: reportAttributeAccessIssue=false, reportIndexIssue=false
# pyright: reportCallIssue=false, reportOperatorIssue=false

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.semantics import (
    KEY,
    LAGGED,
    MEANS,
    MEDIANS,
    SEVERITIES,
    TARGET,
    Semantics,
)


def read_raw(path: Path) -> pd.DataFrame:
    """Read the raw CSV, with canonical names and without description columns."""
    money = ["Mean Charge", "Median Charge", "Mean Cost", "Median Cost"]
    raw = pd.read_csv(path, keep_default_na=False, na_values=dict.fromkeys(money, ""))
    names = raw.columns.str.lower().str.replace("[^a-z0-9]+", "_", regex=True)
    raw = raw.set_axis(names, axis=1)
    return raw.loc[:, ~names.str.endswith("description")]


def features(raw: pd.DataFrame, semantics: Semantics) -> pd.DataFrame:
    """Run every step on the raw rows."""
    df = drop_rare_drgs(money_columns(raw), semantics)
    df = ratio_drg_facility_vs_year(agg_severities(df), semantics)
    df = yearly_discharge_bin(df, semantics)
    df = rolling_columns(lag_columns(df, semantics), semantics)
    return drop_non_lag_columns(df)


def money_columns(df: pd.DataFrame) -> pd.DataFrame:
    """Add profits per discharge, and profits and costs of all discharges."""
    df = df.copy()
    df["median_profit"] = df["median_charge"] - df["median_cost"]
    df["mean_profit"] = df["mean_charge"] - df["mean_cost"]
    df["total_mean_profit"] = df["mean_profit"] * df["discharges"]
    df["total_median_profit"] = df["median_profit"] * df["discharges"]
    df["total_median_cost"] = df["median_cost"] * df["discharges"]
    df["total_mean_cost"] = df["mean_cost"] * df["discharges"]
    return df


def drop_rare_drgs(df: pd.DataFrame, semantics: Semantics) -> pd.DataFrame:
    """Keep the DRGs with more than the minimum of discharges in the reference years."""
    reference = df
    if semantics.reference_periods is not None:
        reference = df[df["year"] < df["year"].min() + semantics.reference_periods]
    discharges = reference.groupby("apr_drg_code")["discharges"].sum()
    kept = discharges.index[discharges > semantics.min_discharges]
    return df[df["apr_drg_code"].isin(kept)]


def agg_severities(df: pd.DataFrame) -> pd.DataFrame:
    """Aggregate the severities to one row per facility, DRG and year."""
    return df.groupby(KEY).apply(_aggregate_group).reset_index()


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> float:
    """Mean of the values, each counted with its weight."""
    present = ~np.isnan(values)
    if not present.any():
        return np.nan
    return np.average(values[present], weights=weights[present])


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """Lowest value whose cumulative weight reaches half of the total."""
    present = ~np.isnan(values)
    if not present.any():
        return np.nan
    order = np.argsort(values[present])
    cumulative = np.cumsum(weights[present][order])
    first = np.argmax(2 * cumulative >= cumulative[-1])
    return values[present][order][first]


def ratio_drg_facility_vs_year(df: pd.DataFrame, semantics: Semantics) -> pd.DataFrame:
    """Add the number of DRGs of the facility and of the year, and their ratio."""
    facility, year, ratio = (
        f"{name}{semantics.suffix}"
        for name in (
            "facility_drg_count",
            "year_drg_count",
            "ratio_drg_facility_vs_year",
        )
    )
    for name, group in ((facility, ["year", "facility_id"]), (year, ["year"])):
        counts = df.groupby(group)["apr_drg_code"].nunique().rename(name).reset_index()
        counts["year"] += semantics.group_lag
        df = df.merge(counts, on=group, how="left")
    df[ratio] = df[facility] / df[year]
    return df


def yearly_discharge_bin(df: pd.DataFrame, semantics: Semantics) -> pd.DataFrame:
    """Add the fifth of the year's facilities that the facility's discharges fall in."""
    name = f"yearly_discharge_bin{semantics.suffix}"
    totals = df.groupby(["year", "facility_id"])["sum_discharges"].sum()
    bins = totals.groupby("year").transform(
        lambda total: pd.qcut(total, 5, labels=False, duplicates="drop")
    )
    bins = bins.rename(name).reset_index()
    bins["year"] += semantics.group_lag
    return df.merge(bins, on=["year", "facility_id"], how="left")


def lag_columns(df: pd.DataFrame, semantics: Semantics) -> pd.DataFrame:
    """Add each column's value of the year (or row) before."""
    return _add_per_pair(df, lambda panel: panel.shift(1), "lag1", semantics)


def rolling_columns(df: pd.DataFrame, semantics: Semantics) -> pd.DataFrame:
    """Add each column's mean over the two years (or rows) before."""
    df = _add_per_pair(
        df,
        lambda panel: panel.rolling(2, min_periods=1).mean().shift(1),
        "rolling2",
        semantics,
    )
    return df.dropna(subset=[f"{column}_rolling2" for column in LAGGED])


def drop_non_lag_columns(df: pd.DataFrame) -> pd.DataFrame:
    """Drop the columns of the same year, except the target."""
    df = df.drop(columns=[column for column in LAGGED if column != TARGET])
    return df[["year", "facility_id", "apr_drg_code", *df.columns.drop(KEY)]]


def _aggregate_group(group: pd.DataFrame) -> pd.Series:
    """Aggregate the rows of one facility, DRG and year."""
    weights = group["discharges"]
    total = weights.sum()
    row = {"sum_discharges": total}
    for severity in SEVERITIES:
        of_severity = group["apr_severity_of_illness_code"] == severity
        row[f"severity_{severity}_portion"] = weights[of_severity].sum() / total
    for column in MEANS:
        row[f"w_{column}"] = weighted_mean(group[column].to_numpy(), weights.to_numpy())
    for column in MEDIANS:
        row[f"w_{column}"] = weighted_median(
            group[column].to_numpy(), weights.to_numpy()
        )
    return pd.Series(row)


def _add_per_pair(
    df: pd.DataFrame,
    function: Callable[[pd.DataFrame], pd.DataFrame],
    suffix: str,
    semantics: Semantics,
) -> pd.DataFrame:
    """Add columns computed on the years of each facility and DRG."""

    def apply(group: pd.DataFrame) -> pd.DataFrame:
        """Apply the function to the years of one facility and DRG."""
        panel = group.set_index("year")[LAGGED]
        if semantics.by_calendar:
            panel = panel.reindex(range(panel.index.min(), panel.index.max() + 1))
        return function(panel).loc[group["year"]]

    df = df.sort_values(KEY, ignore_index=True)
    added = df.groupby(["facility_id", "apr_drg_code"]).apply(apply)
    return df.join(added.add_suffix(f"_{suffix}").reset_index(drop=True))
