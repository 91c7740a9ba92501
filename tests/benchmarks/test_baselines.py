# pandas annotates most methods as returning a union of Series, DataFrame and scalars.
# pyright: reportArgumentType=false, reportReturnType=false
# pyright: reportGeneralTypeIssues=false

from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from benchmarks import duckdb_features, numpy_packed, pandas_origin, pandas_vectorised
from benchmarks.semantics import KEY, ORIGIN, Semantics

GOLDEN = Path(__file__).parents[1] / "golden"
RAW_NAMES = [
    *("Year", "Facility Id", "Facility Name", "APR DRG Code"),
    *("APR Severity of Illness Code", "APR DRG Description"),
    *("APR Severity of Illness Description", "APR Medical Surgical Code"),
    *("APR Medical Surgical Description", "Discharges"),
    *("Mean Charge", "Median Charge", "Mean Cost", "Median Cost"),
]
FAST = [pandas_vectorised, numpy_packed, duckdb_features]
# Plain pandas calls Python for each group, so it gets one facility in so many.
ALL = pytest.mark.parametrize(
    ("baseline", "one_in"),
    [(pandas_origin, 8), (pandas_vectorised, 1), (numpy_packed, 1)],
    ids=["origin", "vectorised", "packed"],
)


def golden(step: str) -> pd.DataFrame:
    """Read what the origin's own function returned."""
    return pd.read_parquet(GOLDEN / f"{step}.parquet")


def facilities(df: pd.DataFrame, one_in: int) -> pd.DataFrame:
    """Keep the rows of one facility in so many."""
    kept = sorted(df["facility_id"].unique())[::one_in]
    return df[df["facility_id"].isin(kept)].reset_index(drop=True)


def run_steps(baseline: ModuleType, one_in: int) -> dict[str, pd.DataFrame]:
    """Run each pandas step the origin's way, for one facility in so many."""
    money = baseline.money_columns(baseline.read_raw(GOLDEN / "raw.csv"))
    kept = facilities(baseline.drop_rare_drgs(money, ORIGIN), one_in)
    panel = golden("agg_severities").sort_values(KEY, ignore_index=True)
    binned = baseline.ratio_drg_facility_vs_year(panel, ORIGIN)
    binned = facilities(baseline.yearly_discharge_bin(binned, ORIGIN), one_in)
    rolled = baseline.rolling_columns(baseline.lag_columns(binned, ORIGIN), ORIGIN)
    return {
        "total_mean_cost": facilities(money, one_in),
        "drop_rare_drgs": kept,
        "agg_severities": baseline.agg_severities(kept),
        "yearly_discharge_bin": binned,
        "rolling_columns": rolled,
        "drop_non_lag_columns": baseline.drop_non_lag_columns(rolled),
    }


def features(baseline: ModuleType, path: Path, semantics: Semantics) -> pd.DataFrame:
    """Run a whole baseline on a raw CSV."""
    result = baseline.features(baseline.read_raw(path), semantics)
    return result if isinstance(result, pd.DataFrame) else result.to_pandas()


def assert_same(actual: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Compare values and column order; not dtypes, nor the index."""
    pd.testing.assert_frame_equal(
        actual.reset_index(drop=True),
        expected.reset_index(drop=True),
        check_dtype=False,
        rtol=1e-9,
        atol=1e-12,
    )


def panel_of(rows: list[tuple], path: Path) -> Path:
    """Write (year, facility, severity, discharges, charge) rows as a raw CSV."""
    raw = [
        (
            year,
            facility,
            "A",
            1,
            severity,
            "D",
            "S",
            "M",
            "Medical",
            n,
            value,
            value,
            1,
            0,
        )
        for year, facility, severity, n, value in rows
    ]
    pd.DataFrame(raw, columns=RAW_NAMES).to_csv(path, index=False)
    return path


@ALL
def test_every_step_reproduces_the_golden_result(
    baseline: ModuleType, one_in: int
) -> None:
    for step, actual in run_steps(baseline, one_in).items():
        expected = facilities(golden(step), one_in)
        columns = [column for column in expected.columns if column in actual.columns]
        key = [
            *KEY,
            *("apr_severity_of_illness_code", "discharges", "mean_charge"),
        ]
        key = [column for column in key if column in columns]
        assert set(expected.columns) - set(columns) <= {
            "facility_name",
            "apr_medical_surgical_code",
        }
        assert_same(
            actual.sort_values(key)[columns], expected.sort_values(key)[columns]
        )


@pytest.mark.parametrize("baseline", FAST, ids=["vectorised", "packed", "duckdb"])
def test_the_features_reproduce_the_golden_result(baseline: ModuleType) -> None:
    expected = golden("drop_non_lag_columns").sort_values(KEY)
    actual = features(baseline, GOLDEN / "raw.csv", ORIGIN)
    assert_same(actual[expected.columns], expected)


@pytest.mark.parametrize(
    "semantics",
    [
        Semantics(
            reference_periods=1, min_discharges=100, group_lag=1, by_calendar=True
        ),
        Semantics(
            reference_periods=3, min_discharges=200, group_lag=2, by_calendar=False
        ),
    ],
    ids=["default", "mixed"],
)
def test_the_baselines_agree_on_the_features(
    semantics: Semantics, tmp_path: Path
) -> None:
    path = tmp_path / "raw.csv"
    raw = pd.read_csv(GOLDEN / "raw.csv", keep_default_na=False)
    kept = sorted(raw["Facility Id"].unique())[::8]
    raw[raw["Facility Id"].isin(kept)].to_csv(path, index=False)
    expected = features(pandas_origin, path, semantics)
    assert len(expected) > 100
    assert len(set(expected["apr_drg_code"])) < len(set(raw["APR DRG Code"]))
    for baseline in FAST:
        assert_same(features(baseline, path, semantics), expected)


def test_weighted_means_and_medians_match_the_hand_worked_ones(tmp_path: Path) -> None:
    groups = {  # facility: (severity, discharges, charge) of each row, median, mean
        1: ([(1, 2, 30.0), (2, 1, 10.0), (3, 1, 20.0)], 20.0, 22.5),  # 2 of 4 is half
        2: ([(1, 5, 50.0), (1, 1, 40.0), (2, 4, 60.0)], 50.0, 53.0),  # severity twice
        3: ([(4, 7, 70.0)], 70.0, 70.0),  # one row
        4: ([(1, 9, None), (2, 1, 80.0), (3, 1, 90.0)], 80.0, 85.0),  # nulls skipped
        5: ([(1, 9, None), (2, 1, None)], None, None),  # nothing but nulls
        6: ([(1, 1, 5.0), (2, 1, 5.0), (3, 3, 6.0)], 6.0, 5.6),  # ties, below half
    }
    rows = [(2010, facility, *row) for facility, (g, *_) in groups.items() for row in g]
    path = panel_of(
        # The year after shows the medians of 2010 as lags.
        rows + [(2011, facility, 1, 1, 1.0) for facility in groups],
        tmp_path / "raw.csv",
    )
    columns = ["w_median_charge", "w_mean_charge"]
    expected = pd.DataFrame(
        [(median, mean) for _, median, mean in groups.values()], columns=columns
    )
    everything = Semantics(
        reference_periods=None, min_discharges=0, group_lag=0, by_calendar=True
    )
    for baseline in (pandas_origin, pandas_vectorised, numpy_packed):
        rows_2010 = baseline.money_columns(baseline.read_raw(path)).query(
            "year == 2010"
        )
        assert_same(baseline.agg_severities(rows_2010)[columns], expected)
    sql = features(duckdb_features, path, everything)
    lags = sql[[f"{column}_lag1" for column in columns]]
    # Facility 5 has no rolling mean either, so its row goes.
    assert_same(lags.set_axis(columns, axis=1), expected.dropna())


def test_a_skipped_year_is_null_by_calendar_and_bridged_by_row(tmp_path: Path) -> None:
    path = panel_of(
        [(2009, 1, 1, 4, 10.0), (2011, 1, 1, 4, 30.0), (2014, 1, 1, 4, 60.0)],
        tmp_path / "raw.csv",
    )
    lag, rolling = "w_median_charge_lag1", "w_median_charge_rolling2"
    for by_calendar, expected in (
        (True, [[2011, None, 10]]),
        (False, [[2011, 10, 10], [2014, 30, 20]]),
    ):
        semantics = Semantics(
            reference_periods=None,
            min_discharges=0,
            group_lag=0,
            by_calendar=by_calendar,
        )
        for baseline in (pandas_origin, *FAST):
            frame = features(baseline, path, semantics)
            assert_same(
                frame[["year", lag, rolling]].astype(float),
                pd.DataFrame(expected, columns=["year", lag, rolling], dtype=float),
            )
