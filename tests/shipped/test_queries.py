import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import polars as pl
import pytest

from pipeline.errors import QueryError
from pipeline.modeling.forecast import publish_forecast
from pipeline.plan.settings import Settings, load_settings
from pipeline.run.run import RunReport, run
from pipeline.snapshots.queries import load_query, query_names
from pipeline.snapshots.sql import connect, run_query
from pipeline.snapshots.store import open_store
from tests.conftest import GOLDEN, ROOT

QUERIES = ROOT / "queries"
NAMES = query_names(QUERIES)

# A row whose cost is above its charge, which the golden rows lack, and a bad one.
LOSS = "2017,1,Loss Hospital,53,1,Loss,Minor,M,Medical,10,100.5,90.0,300.5,200.0"
BAD = "2017,1,Bad Hospital,53,2,Bad,Moderate,M,Medical,many,4.0,3.0,2.0,1.0"
GOOD = f"{(GOLDEN / 'raw.csv').read_text().strip()}\n{LOSS}"

# In place of a model's: the hospital above and one that is not known.
FORECAST = pl.DataFrame(
    {
        "facility_id": pl.Series([1, 2], dtype=pl.Int32),
        "apr_drg_code": pl.Series([53, 99], dtype=pl.Int32),
        "year": pl.Series([2018, 2018], dtype=pl.Int32),
        "prediction": [-1000.4, 2000.6],
        "lower": [-1500.0, 1000.0],
        "upper": [500.0, 4000.0],
        "target": "w_total_median_profit",
        "unit": "$",
        "model_version": pl.Series([3, 3], dtype=pl.Int32),
    }
)

TOTALS = pl.DataFrame(
    {
        "total_by": ["all", "facility_id", "facility_id"],
        "total_of": ["all", "1", "2"],
        "year": pl.Series([2018, 2018, 2018], dtype=pl.Int32),
        "total": [1000.2, -1000.4, 2000.6],
        "lower": [None, -1500.0, 1000.0],
        "upper": [None, 500.0, 4000.0],
        "n_rows": pl.Series([2, 1, 1], dtype=pl.UInt32),
        "unit": "$",
        "target": "w_total_median_profit",
    }
)

every_query = pytest.mark.parametrize("name", NAMES)


class Project(NamedTuple):
    """The catalog of a project of two runs, and what these said."""

    con: duckdb.DuckDBPyConnection
    before: RunReport
    last: RunReport


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    root = tmp_path_factory.mktemp("project")
    for name in ("configs", "transforms"):  # the latter leads nowhere if there is none
        (root / name).symlink_to(ROOT / name)
    (root / "raw.csv").write_text(f"{GOOD}\n{BAD}\n")
    path = f"source.path={root / 'raw.csv'}"
    source = ("source=csv", path, "source.max_bad_rows=1")

    def settings(*overrides: str) -> Settings:
        return load_settings(root, overrides=(*source, *overrides))

    before = run(settings("drop_rare_drgs.min_total=0"))
    key = ["facility_id", "apr_drg_code", "year"]
    made = {"predictions": FORECAST, "predicted_totals": TOTALS}
    publish_forecast(settings(), made, "0" * 64, key=key, reason="a test")
    last = run(settings())
    with connect(open_store(root)) as con:
        yield Project(con, before, last)


@pytest.fixture(scope="module")
def raw() -> pl.DataFrame:
    return pl.read_csv(GOOD.encode(), infer_schema_length=None).select(
        year="Year",
        facility="Facility Id",
        drg="APR DRG Code",
        severity="APR Severity of Illness Code",
        n="Discharges",
        charge=pl.col("Mean Charge") * pl.col("Discharges"),
        cost=pl.col("Mean Cost") * pl.col("Discharges"),
    )


def ask(
    con: duckdb.DuckDBPyConnection, name: str, given: dict[str, str]
) -> pl.DataFrame:
    found = run_query(con, load_query(QUERIES, name), given)
    return con.sql(found.sql, params=found.values).pl()


def answer(project: Project, name: str, **given: str) -> pl.DataFrame:
    return ask(project.con, name, given)


def sums(rows: pl.DataFrame, *keys: str) -> pl.DataFrame:
    return rows.group_by(keys).agg(pl.col("n", "charge", "cost").sum())


def pairs(df: pl.DataFrame, key: str, value: str) -> dict[int | str, float]:
    return dict(df.select(key, value).iter_rows())


@every_query
def test_every_query_gives_rows_with_its_defaults(project: Project, name: str) -> None:
    assert answer(project, name).height > 0


@every_query
def test_every_query_takes_each_parameter_as_text(project: Project, name: str) -> None:
    parameters = load_query(QUERIES, name).parameters
    given = {
        parameter.name: str(project.con.sql(f"SELECT {parameter.default}").pl().item())
        for parameter in parameters
    }
    assert answer(project, name, **given).equals(answer(project, name))


@pytest.mark.parametrize(
    "name", [n for n in NAMES if "$n_rows" in load_query(QUERIES, n).sql]
)
def test_n_rows_limits_the_answer_to_its_first_rows(
    project: Project, name: str
) -> None:
    assert answer(project, name, n_rows="1").equals(answer(project, name).head(1))


@every_query
def test_every_header_asks_a_question_and_explains_its_parameters(name: str) -> None:
    query = load_query(QUERIES, name)
    assert query.question.endswith("?")
    assert all(parameter.meaning for parameter in query.parameters)
    assert len(query.parameters) == query.sql.count("-- param")


@every_query
def test_every_query_uses_the_parameters_it_declares(name: str) -> None:
    query = load_query(QUERIES, name)
    used = set(re.findall(r"\$(\w+)", re.sub(r"--.*", "", query.sql)))
    assert used == {parameter.name for parameter in query.parameters}


def test_costliest_drgs_have_the_largest_sums(
    project: Project, raw: pl.DataFrame
) -> None:
    found = answer(project, "costliest_drgs", year="2012", n_rows="5")
    by_drg = sums(raw.filter(year=2012), "drg").sort("cost", descending=True)
    top, total = by_drg.head(5), by_drg["cost"].sum()
    assert found["apr_drg_code"].to_list() == top["drg"].to_list()
    assert found["total_cost_usd"].to_list() == pytest.approx(top["cost"], abs=0.51)
    share = 100 * top["cost"].cum_sum() / total
    assert found["cumulative_share_pct"].to_list() == pytest.approx(share, abs=0.006)


def test_drg_cost_growth_compares_cost_per_discharge(
    project: Project, raw: pl.DataFrame
) -> None:
    found = answer(project, "drg_cost_growth", from_year="2010", to_year="2014")
    first, last = (sums(raw.filter(year=year), "drg") for year in (2010, 2014))
    both = first.join(last, on="drg").filter(pl.min_horizontal("n", "n_right") >= 100)
    growth = (pl.col("cost_right") / pl.col("n_right")) / (pl.col("cost") / pl.col("n"))
    both = both.with_columns(pct=100 * (growth - 1), yearly=100 * (growth**0.25 - 1))
    both = both.top_k(20, by="pct")
    assert pairs(found, "apr_drg_code", "growth_pct") == pytest.approx(
        pairs(both, "drg", "pct"), abs=0.06
    )
    assert pairs(found, "apr_drg_code", "yearly_growth_pct") == pytest.approx(
        pairs(both, "drg", "yearly"), abs=0.006
    )


def test_drg_concentration_sums_squared_shares(
    project: Project, raw: pl.DataFrame
) -> None:
    found = answer(project, "drg_concentration", n_rows="99", min_discharges="1")
    share = 100 * pl.col("n") / pl.col("n").sum().over("drg")
    shares = sums(raw.filter(year=2017), "drg", "facility").with_columns(share=share)
    by_drg = shares.group_by("drg").agg(
        index=(pl.col("share") ** 2).sum(), largest=pl.col("share").max()
    )
    assert pairs(found, "apr_drg_code", "herfindahl_index") == pytest.approx(
        pairs(by_drg, "drg", "index"), abs=0.51
    )
    assert pairs(found, "apr_drg_code", "largest_share_pct") == pytest.approx(
        pairs(by_drg, "drg", "largest"), abs=0.06
    )


def test_drg_market_share_divides_the_discharges_of_the_drg(
    project: Project, raw: pl.DataFrame
) -> None:
    found = answer(project, "drg_market_share", drg="840", n_rows="99")
    rows = raw.filter(year=2017, drg=840)
    severity = (pl.col("severity") * pl.col("n")).sum() / pl.col("n").sum()
    facilities = rows.group_by("facility").agg(
        share=100 * pl.col("n").sum() / rows["n"].sum(), severity=severity
    )
    assert pairs(found, "facility_id", "share_pct") == pytest.approx(
        pairs(facilities, "facility", "share"), abs=0.006
    )
    assert pairs(found, "facility_id", "mean_severity") == pytest.approx(
        pairs(facilities, "facility", "severity"), abs=0.006
    )


def test_drg_cost_spread_takes_percentiles_over_facilities(
    project: Project, raw: pl.DataFrame
) -> None:
    found = answer(project, "drg_cost_spread", n_rows="99")
    facilities = sums(raw.filter(year=2017), "drg", "facility").filter(
        pl.col("n") >= 20
    )
    cost = pl.col("cost") / pl.col("n")
    p10, p90 = (cost.quantile(q, interpolation="linear") for q in (0.1, 0.9))
    by_drg = facilities.group_by("drg").agg(n=pl.len(), spread=p90 / p10)
    assert pairs(found, "apr_drg_code", "p90_to_p10") == pytest.approx(
        pairs(by_drg.filter(pl.col("n") >= 10), "drg", "spread"), abs=0.006
    )


def test_severity_adjusted_cost_compares_with_the_same_drg_and_severity(
    project: Project, raw: pl.DataFrame
) -> None:
    found = answer(project, "severity_adjusted_cost", n_rows="99", min_discharges="1")
    stratum = ["drg", "severity"]
    state_mean = pl.col("cost").sum().over(stratum) / pl.col("n").sum().over(stratum)
    rows = raw.filter(year=2017).with_columns(expected=state_mean * pl.col("n"))
    index = pl.col("cost").sum() / pl.col("expected").sum()
    expected = rows.group_by("facility").agg(index=index)
    assert pairs(found, "facility_id", "cost_index") == pytest.approx(
        pairs(expected, "facility", "index"), abs=0.0006
    )
    assert found["cost_index"].is_sorted(descending=True)


def test_cost_to_charge_ratios_rank_from_the_lowest(
    project: Project, raw: pl.DataFrame
) -> None:
    found = answer(project, "cost_to_charge_ratios")
    facilities = sums(raw.filter(year=2017), "facility").filter(pl.col("n") >= 100)
    ratio = facilities["cost"] / facilities["charge"]
    assert found["rank"].to_list() == list(range(1, len(ratio) + 1))
    assert found["cost_to_charge"].to_list() == pytest.approx(ratio.sort(), abs=0.0006)
    assert found["state_median"][0] == pytest.approx(ratio.median(), abs=0.0006)


def test_facility_cost_change_is_its_volume_and_rate_effects(
    project: Project, raw: pl.DataFrame
) -> None:
    found = answer(project, "facility_cost_change", min_discharges="1", n_rows="99")
    effects = found["volume_effect_usd"] + found["rate_effect_usd"]
    assert effects.to_list() == pytest.approx(found["change_usd"].to_list(), abs=1.1)

    before, last = (sums(raw.filter(year=year), "facility") for year in (2016, 2017))
    both = before.join(last, on="facility")
    dearer = pl.col("cost_right") / pl.col("n_right") - pl.col("cost") / pl.col("n")
    rate = both.select("facility", rate=dearer * pl.col("n_right"))
    assert pairs(found, "facility_id", "rate_effect_usd") == pytest.approx(
        pairs(rate, "facility", "rate"), abs=0.51
    )


def test_facility_losses_finds_what_costs_more_than_it_charges(
    project: Project, raw: pl.DataFrame
) -> None:
    found = answer(project, "facility_losses", n_rows="999", min_discharges="1")
    groups = sums(raw.filter(year=2017), "facility", "drg")
    losses = groups.filter(pl.col("cost") > pl.col("charge"))
    assert set(found.select("facility_id", "apr_drg_code").iter_rows()) == set(
        losses.select("facility", "drg").iter_rows()
    )
    assert found["loss_usd"].sum() == pytest.approx(
        (losses["cost"] - losses["charge"]).sum(), abs=0.51 * losses.height
    )


def test_charge_outliers_are_those_beyond_the_fences(
    project: Project, raw: pl.DataFrame
) -> None:
    found = answer(project, "charge_outliers", k="1.0", n_rows="9999")
    rows = raw.filter(pl.col("year") == 2017, pl.col("n") >= 5)
    ratio = (rows["charge"] / rows["cost"]).to_numpy()
    q1, q3 = np.quantile(ratio, [0.25, 0.75])
    beyond = np.maximum(ratio - q3, 0) + np.minimum(ratio - q1, 0)
    expected = beyond[abs(beyond) > q3 - q1] / (q3 - q1)
    assert sorted(found["iqrs_beyond"]) == pytest.approx(sorted(expected), abs=0.006)


def test_charges_and_costs_by_year_grow_from_the_year_before(
    project: Project, raw: pl.DataFrame
) -> None:
    found = answer(project, "charges_and_costs_by_year")
    by_year = sums(raw, "year").sort("year")
    growth = 100 * (by_year["charge"] / by_year["n"]).pct_change()
    assert found["charge_growth_pct"].to_list()[1:] == pytest.approx(
        growth[1:].to_list(), abs=0.06
    )


def test_severity_mix_weighs_by_discharges(project: Project, raw: pl.DataFrame) -> None:
    found = answer(project, "severity_mix_by_year")
    share = 100 * pl.col("n").filter(severity=4).sum() / pl.col("n").sum()
    extreme = raw.group_by("year").agg(extreme=share)
    assert pairs(found, "year", "extreme_pct") == pytest.approx(
        pairs(extreme, "year", "extreme"), abs=0.006
    )


def test_naive_forecast_scores_last_years_value(project: Project) -> None:
    found = answer(project, "naive_forecast").filter(forecast="last_year")
    features = project.con.sql("FROM features").pl()
    for year, r2, mae in found.select("year", "r2", "mae").iter_rows():
        target, past = (
            features.filter(year=year)
            .select("w_total_median_profit", "w_total_median_profit_lag1")
            .drop_nulls()
            .to_numpy()
            .T
        )
        assert r2 == pytest.approx(
            1 - np.mean((target - past) ** 2) / np.var(target), abs=6e-5
        )
        assert mae == pytest.approx(np.mean(abs(target - past)), abs=0.0051)


def test_a_query_of_the_target_follows_it(project: Project) -> None:
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA meta")
        con.execute("""CREATE TABLE meta.runs AS SELECT 'r1' AS run_id,
            '{"panel": {"target": "sum_discharges"}}'::JSON AS config""")
        lagged = "sum_discharges_lag1, sum_discharges_rolling2"
        panel = project.con.sql(
            f"SELECT year, facility_id, apr_drg_code, sum_discharges, {lagged} FROM"
            " facility_drg_year JOIN features USING (year, facility_id, apr_drg_code)"
        ).pl()
        con.execute("CREATE TABLE features AS FROM panel")
        naive = ask(con, "naive_forecast", {})
        found = ask(con, "feature_correlations", {})
    known = panel.drop_nulls("sum_discharges_lag1").filter(year=2017)
    error = known["sum_discharges"] - known["sum_discharges_lag1"]
    last = naive.filter(year=2017, forecast="last_year")
    assert last["mae"].item() == pytest.approx(error.abs().mean(), abs=0.0051)
    assert {*found["feature"]} == {"year", *lagged.split(", ")}


def test_panel_turnover_counts_pairs_that_come_and_go(project: Project) -> None:
    found = answer(project, "panel_turnover")
    panel = project.con.sql("FROM facility_drg_year").pl()
    by_year = [
        set(panel.filter(year=year).select("facility_id", "apr_drg_code").iter_rows())
        for year in range(2009, 2018)
    ]
    pairs_of_years = [*pairwise(by_year)]
    come = [len(after - before) for before, after in pairs_of_years]
    stay = [len(after & before) for before, after in pairs_of_years]
    go = [len(before - after) for before, after in pairs_of_years]
    # Of the years before the first and after the last, nothing is known.
    assert found["n_come"].to_list() == [None, *come]
    assert found["n_stay"].to_list() == [None, *stay]
    assert found["n_go"].to_list() == [*go, None]


def test_feature_nulls_counts_every_column(project: Project) -> None:
    features = project.con.sql("FROM features").pl()
    nulls = {column: features[column].null_count() for column in features.columns}
    assert pairs(answer(project, "feature_nulls"), "feature", "n_nulls") == nulls


def test_feature_correlations_are_pearsons(project: Project) -> None:
    found = answer(project, "feature_correlations")
    features = project.con.sql("FROM features").pl()
    for feature, correlation in found.drop_nulls().iter_rows():
        both = features.select(feature, "w_total_median_profit").drop_nulls()
        expected = np.corrcoef(both.to_numpy().T)[0, 1]
        assert correlation == pytest.approx(expected, abs=6e-5)


def test_stage_rows_compares_with_the_run_before(project: Project) -> None:
    last = answer(project, "stage_rows", n_runs="1")
    n_rows, n_before = (
        {stage.name: stage.n_rows or 0 for stage in report.run.stages}
        for report in (project.last, project.before)
    )
    assert pairs(last, "stage", "n_rows") == n_rows
    change = pairs(last, "stage", "change")["drop_rare_drgs"]
    assert change == n_rows["drop_rare_drgs"] - n_before["drop_rare_drgs"] < 0


def test_run_history_lists_the_latest_run_first(project: Project) -> None:
    found = answer(project, "run_history")
    last, _, before = found["run_id"]  # the one between is of the forecast
    assert (last, before) == (project.last.run.run_id, project.before.run.run_id)
    n_rows = sum(there.n_rows for there in project.last.objects.values())
    assert found["n_snapshot_rows"][0] == n_rows
    assert found["n_bad_rows"].to_list() == [1, 1, 1]


def test_largest_forecasts_stand_beside_the_year_before(project: Project) -> None:
    found = answer(project, "largest_forecasts")
    amounts = ["forecast", "lower", "upper", "last_year", "unit"]
    assert found.select("facility_name", *amounts).rows() == [
        (None, 2000.6, 1000, 4000, None, "$"),
        # 10 discharges with a median profit of 90 - 200.
        ("Loss Hospital", -1000.4, -1500, 500, -1100, "$"),
    ]
    assert found["year"].to_list() == [2018, 2018]
    assert found["model_version"].to_list() == [3, 3]


def test_forecast_totals_name_each_facility(project: Project) -> None:
    found = answer(project, "forecast_totals")
    assert found.select("name", "total", "lower", "upper").rows() == [
        (None, 2001, 1000, 4000),
        ("all", 1000, None, None),
        ("Loss Hospital", -1000, -1500, 500),
    ]


def test_bad_rows_show_the_first_of_each_kind(project: Project) -> None:
    found = answer(project, "bad_rows").row(0, named=True)
    assert Path(found["file"]).name == "raw.csv"
    assert (found["column"], found["n_values"]) == ("Discharges", 1)
    assert found["first_value"] == "many"


def test_a_wrong_parameter_is_told_the_nearest(project: Project) -> None:
    with pytest.raises(QueryError, match="no parameter 'yaer'; did you mean 'year'"):
        answer(project, "costliest_drgs", yaer="2017")


@pytest.mark.parametrize("value", ["soon", ""])
def test_a_value_of_the_wrong_type_is_shown(project: Project, value: str) -> None:
    with pytest.raises(QueryError, match=f"'year': expected INTEGER, found '{value}'"):
        answer(project, "costliest_drgs", year=value)


def test_an_unknown_query_is_told_the_nearest(project: Project) -> None:
    message = "no query 'costliest_drg'; did you mean 'costliest_drgs'"
    with pytest.raises(QueryError, match=message):
        answer(project, "costliest_drg")
