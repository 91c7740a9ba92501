"""A run is held to the contracts of its snapshots before anything is published."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import ConfigError, ContractError, SchemaError
from pipeline.plan.settings import Settings
from pipeline.run.run import check, run
from pipeline.snapshots.store import open_store
from tests.run.conftest import query

Load = Callable[..., Settings]


def test_failed_contract_publishes_nothing_and_keeps_the_rows(
    project: Path, load: Load
) -> None:
    run(load())
    before = query(project, "FROM meta.snapshots")
    with pytest.raises(ContractError) as caught:
        run(load("checks.discharges.ranges.mean_cost={max: 1000}"))
    message = str(caught.value)
    n_failures = query(
        project, "SELECT count(*) FROM discharges WHERE mean_cost > 1000"
    )[0][0]
    assert message.startswith(
        "snapshot 'discharges' of stage 'drop_rare_drgs': 1 check failed\n"
    )
    assert f"found {n_failures:,} of 2,382 rows" in message
    assert "year 2009, facility_id" in message
    assert query(project, "FROM meta.snapshots") == before

    kept = open_store(project).failed / "discharges.ranges.mean_cost.parquet"
    rows = pl.read_parquet(kept)
    assert rows["mean_cost"].min() > 1000  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
    assert rows.height == min(n_failures, 1000)
    run(load("lag_columns.periods=2"))
    assert not kept.exists()


def test_contract_alone_changed_is_checked_on_the_object_that_is_there(
    project: Path, load: Load
) -> None:
    run(load())
    with pytest.raises(ContractError, match="drgs"):
        run(load("checks.drgs.rows={max: 1}"))
    report = run(load("checks.drgs.rows={max: 1000}"))
    assert {s.state for s in report.run.snapshots} == {"fresh"}
    found = query(
        project,
        "SELECT n_failures FROM meta.checks JOIN meta.runs USING (run_id)"
        " WHERE snapshot = 'drgs' AND check_name = 'rows.max'",
    )
    assert found == [(0,)]
    assert not run(load("checks.drgs.rows={max: 1000}")).is_new


def test_warning_does_not_stop_the_run_and_is_recorded(
    project: Path, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    run(load("checks.drgs={rows: {exact: 7}, warn: [rows.exact]}"))
    assert "drgs: rows.exact: expected 7 rows; found 30 rows" in caplog.text
    found = query(
        project,
        "SELECT severity, n_failures FROM meta.checks WHERE check_name = 'rows.exact'",
    )
    assert found == [("warn", 23)]


def test_change_of_rows_is_measured_against_the_run_before_of_its_source(
    project: Path, load: Load
) -> None:
    change = "checks.features.rows={change: 0.1}"
    run(load(change))
    pl.read_csv(project / "data" / "raw.csv", infer_schema=False).filter(
        pl.col("Year") < "2014"
    ).write_csv(project / "data" / "old.csv")
    run(load(change, "source.path=data/old.csv"))
    with pytest.raises(ContractError, match=r"rows\.change"):
        run(load(change, "drop_rare_drgs.min_total=60"))
    run(load(change, "lag_columns.by=row"))


def test_rows_must_be_unique_by_the_key_unless_said_otherwise(load: Load) -> None:
    with pytest.raises(ContractError, match="expected unique rows"):
        run(load("stages.drop_rare_drgs.key=[facility_id, year]"))
    run(
        load(
            "stages.drop_rare_drgs.key=[facility_id, year]",
            "checks.discharges.key=false",
        )
    )


def test_contract_that_cannot_hold_is_refused_before_data_is_read(
    project: Path, load: Load
) -> None:
    overrides = (
        "checks.features.required=[mean_cots_lag1]",
        "checks.features.columns={year: String}",
    )
    with pytest.raises(SchemaError) as caught:
        check(load("source.path=absent.csv", *overrides))
    message = str(caught.value)
    assert "checks.features: 2 mistakes" in message
    assert "did you mean 'mean_cost_lag1'" in message
    assert not (project / ".pipeline").exists()


def test_contract_of_no_snapshot_is_refused(load: Load) -> None:
    with pytest.raises(ConfigError, match="no stage publishes 'feature'"):
        load("checks.feature={key: false}")
    load("checks.feature=null")


def test_rows_of_every_snapshot_that_fails_are_kept(project: Path, load: Load) -> None:
    overrides = (
        "checks.drgs.ranges.apr_drg_code={max: 10}",
        "checks.discharges.ranges.facility_id={max: 10}",
    )
    with pytest.raises(ContractError, match=r"snapshot 'discharges'"):
        run(load(*overrides))
    names = {path.name for path in open_store(project).failed.iterdir()}
    assert names == {
        "drgs.ranges.apr_drg_code.parquet",
        "discharges.ranges.facility_id.parquet",
    }
