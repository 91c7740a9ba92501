import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.contracts.contract import Contract, Rows
from pipeline.errors import ContractError, PipelineError
from pipeline.panel.periods import Every, Time
from pipeline.plan.compose import compose
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Periods, Settings, Stage, load_settings
from pipeline.run.plausible import (
    empty_columns,
    empty_snapshots,
    empty_stages,
    odd_periods,
)
from pipeline.run.run import run
from pipeline.snapshots.profile import collect_profile
from pipeline.transforms import load_transform
from pipeline.transforms.product import Config
from tests.modeling.shops import shops

Load = Callable[..., Settings]


def said(rows: Mapping[Time, int], **allowed: Any) -> str:
    """What is said of a panel with so many rows in each period."""
    return "\n".join(odd_periods(Periods(time="t", **allowed), "sales", rows))


def months(years: range) -> list[Time]:
    return [year * 100 + month for year in years for month in range(1, 13)]


@pytest.mark.parametrize(
    ("every", "times"),
    [
        pytest.param(1, range(2009, 2018), id="years"),
        pytest.param(5, range(1950, 2001, 5), id="every fifth year"),
        pytest.param(1, range(2020 * 12, 2023 * 12), id="months counted"),
        pytest.param(1, [2015], id="one period"),
        pytest.param(1, [], id="none"),
        pytest.param("1mo", [date(2020, m, 1) for m in range(1, 13)], id="months"),
        pytest.param("1q", [date(2020, m, 1) for m in (1, 4, 7, 10)], id="quarters"),
        pytest.param("5y", [date(y, 7, 1) for y in (1998, 2003, 2008)], id="5 years"),
        # Sundays: a week may begin on any day.
        pytest.param("1w", [date(2020, 12, d) for d in (20, 27)], id="weeks"),
        pytest.param("1d", [date(2020, 2, 29), date(2020, 3, 1)], id="a leap day"),
        pytest.param(
            "1h",
            [datetime(2020, 1, 1, 23, 30), datetime(2020, 1, 2, 0, 30)],
            id="hours",
        ),
    ],
)
def test_panels_without_a_gap_pass(every: Every, times: list[Time]) -> None:
    assert said(dict.fromkeys(times, 10), every=every) == ""


@pytest.mark.parametrize(
    ("every", "times", "stray"),
    [
        ("1mo", [date(2020, 1, 31), date(2020, 2, 29)], "2020-01-31, 2020-02-29"),
        ("1mo", [date(2020, 1, 1), date(2020, 1, 15)], "2020-01-15"),
        ("1w", [date(2020, 12, 20), date(2020, 12, 28)], "2020-12-28"),
        ("1y", [date(2019, 1, 1), date(2020, 7, 1)], "2020-07-01"),
        (
            "1h",
            [datetime(2020, 1, 1, 0), datetime(2020, 1, 1, 1, 15)],
            "2020-01-01 01:15:00",
        ),
    ],
)
def test_times_within_a_period_are_named(
    every: Every, times: list[Time], stray: str
) -> None:
    text = said(dict.fromkeys(times, 10), every=every)
    assert f"holds times that begin no period of `panel.every: {every}`" in text
    assert f"found: {stray}\n" in text
    assert "`to_period`" in text


def test_gaps_of_dates_are_named_and_allowed_as_dates() -> None:
    rows: dict[Time, int] = dict.fromkeys([date(2020, 1, 1), date(2020, 4, 1)], 10)
    text = said(rows, every="1mo")
    assert "goes in periods of 1mo, but not from 2020-01-01 to 2020-04-01" in text
    missing = ["2020-02-01", "2020-03-01"]
    assert f"`panel.missing_periods: [{', '.join(missing)}]`" in text
    assert said(rows, every="1mo", missing_periods=missing) == ""
    assert said(rows, every="1mo", missing_periods=missing[:1]) != ""


@pytest.mark.parametrize(
    ("times", "cause"),
    [
        (months(range(2015, 2018)), "look like YYYYMM, .*'%Y%m'}, with .*: 1mo`"),
        ([20150101, 20150102, 20150201], "look like YYYYMMDD"),
        ([20151, 20152, 20153, 20154, 20161], "look like YYYYQ"),
        ([202351, 202352, 202401], "look like YYYYWW"),
        (
            [*range(5), *range(7, 12), *range(14, 19), *range(21, 80, 2)],
            "periods: any`",
        ),
        ([2009, 2010, 2012], r"`panel.missing_periods: \[2011\]`"),
        ([1990, 1995, 2005], "`panel.every: 5` says"),
    ],
)
def test_a_step_no_unit_makes_is_named_with_its_cause(
    times: list[Time], cause: str
) -> None:
    text = said(dict.fromkeys(times, 10))
    assert "sales" in text
    assert re.search(cause, text)


def test_a_stray_period_is_a_slip_with_its_number_of_rows() -> None:
    text = said({0: 1, **dict.fromkeys(range(2009, 2018), 1000)})
    assert "not from 0 to 2009" in text
    assert "correct or remove 1 row of 0" in text


def test_a_first_or_last_period_with_a_sliver_of_the_rows_is_refused() -> None:
    years: dict[Time, int] = dict.fromkeys(range(2009, 2018), 1000)
    assert "has 1 row of 2008" in said({2008: 1, **years})
    assert "has 9 rows of 2018" in said({**years, 2018: 9})
    assert said({**years, 2018: 10}) == ""


def test_periods_that_are_named_are_allowed() -> None:
    rows: dict[Time, int] = {2009: 1, **dict.fromkeys((2010, 2011, 2013), 1000)}
    assert said(rows, missing_periods=[2012], sparse_periods=[2009]) == ""
    assert said(rows, missing_periods="any", sparse_periods=[2009]) == ""
    assert "2011 to 2013" in said(rows, missing_periods=[2014], sparse_periods=[2009])


def plan_of(*stages: Stage) -> Plan:
    return compose(pl.LazyFrame({"x": [1.0]}), stages)


def square(name: str, given: str = "source", *, may_be_empty: bool = False) -> Stage:
    config = Config(factor="x", by="x", column="y")
    return Stage(
        name,
        load_transform("product"),
        (given,),
        config,
        name,
        ("x",),
        may_be_empty,
    )


def test_a_stage_that_leaves_none_of_its_rows_is_named_not_those_behind_it() -> None:
    plan = plan_of(square("a"), square("b", "a"), square("c", "b"))
    [text] = empty_stages(plan, {}, {"a": 5, "b": 0, "c": 0})
    assert text.startswith("stage 'b' left none of 5 rows")
    assert "stages.b.may_be_empty: true" in text


def test_a_stage_may_be_empty_if_it_or_its_snapshot_says_so() -> None:
    n_rows = {"a": 5, "b": 0}
    said_so = plan_of(square("a"), square("b", "a", may_be_empty=True))
    assert list(empty_stages(said_so, {}, n_rows)) == []
    plan = plan_of(square("a"), square("b", "a"))
    assert list(empty_stages(plan, {"b": Contract(rows=Rows(min=0))}, n_rows)) == []


def test_a_snapshot_without_rows_is_named_unless_its_contract_allows_it() -> None:
    profiles = {"a": collect_profile(pl.DataFrame({"x": []}, {"x": pl.Float64}))}
    [text] = empty_snapshots({}, profiles)
    assert text.startswith("snapshot 'a' has no rows")
    for rows in (Rows(min=0), Rows(exact=0)):
        assert list(empty_snapshots({"a": Contract(rows=rows)}, profiles)) == []
    assert list(empty_snapshots({"a": Contract(rows=Rows(max=9))}, profiles)) != []


def test_a_column_of_numbers_without_any_is_named_unless_allowed() -> None:
    plan = plan_of(square("a"))
    df = pl.DataFrame({"x": [1.0, 2.0], "y": [None, None]}, schema=plan.schema("a"))
    profiles = {"a": collect_profile(df)}
    [text] = empty_columns(plan, {}, profiles)
    assert "snapshot 'a': no value in any of 2 rows of y" in text
    assert list(empty_columns(plan, {"a": Contract(empty=["y"])}, profiles)) == []


def test_a_run_with_one_row_of_the_year_0_publishes_nothing(
    project: Path, load: Load
) -> None:
    raw = project / "data" / "raw.csv"
    header, first, *_ = raw.read_text().splitlines()
    stray = ",".join(["0", *first.split(",")[1:]])
    raw.write_text(raw.read_text() + stray + "\n")
    assert header.startswith("Year,")
    with pytest.raises(ContractError, match="remove 1 row of 0 at the source"):
        run(load("drop_rare_drgs.reference_periods=null"))
    assert not (project / ".pipeline" / "snapshots.duckdb").exists()


def test_a_run_whose_stage_leaves_nothing_publishes_nothing(
    project: Path, load: Load
) -> None:
    with pytest.raises(PipelineError, match="'drop_rare_drgs' left none of 3,000"):
        run(load("drop_rare_drgs.min_total=1000000"))
    assert not (project / ".pipeline" / "snapshots.duckdb").exists()


def test_a_panel_of_every_fifth_year_says_so(tmp_path: Path) -> None:
    root = shops(tmp_path, range(1990, 2011, 5))
    with pytest.raises(ContractError) as caught:
        run(load_settings(root, overrides=()))
    message = str(caught.value)
    assert "stage 'rolling_columns' left none of 100 rows" in message
    assert "`panel.every: 5` says how far they are" in message
    run(load_settings(root, overrides=("panel.every=5",)))
