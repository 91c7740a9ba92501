"""What is recorded of a run is what the catalog shows of it."""

import json
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import polars as pl
import pytest

from pipeline import sources
from pipeline.plan.compose import compose
from pipeline.plan.settings import Settings
from pipeline.plan.wiring import Selection
from pipeline.run.run import check, run
from tests.run.conftest import query

Load = Callable[..., Settings]


def test_lineage_is_that_of_the_newest_plan_also_where_the_run_before_had_it(
    project: Path, load: Load
) -> None:
    for words in ([], [], ["lag_columns.suffix=_before{}"]):
        run(load(*words), Selection(force=True))
        edges = query(project, "SELECT * EXCLUDE run_id FROM meta.lineage")
        assert edges == [astuple(edge) for edge in check(load(*words)).lineage().edges]


def test_catalog_counts_rows_of_every_stage(project: Path, load: Load) -> None:
    report = run(load())
    settings = load()
    rows, _ = sources.scan(settings.source, project).frames()
    plan = compose(rows, settings.stages)
    expected = {
        name: node.lf.select(pl.len()).collect().item()
        for name, node in plan.nodes.items()
    }
    assert {stage.name: stage.n_rows for stage in report.run.stages} == expected
    assert dict(query(project, "SELECT stage, n_rows FROM meta.stages")) == expected
    for name, node in plan.snapshots.items():
        counted = query(project, f"SELECT count(*) FROM {name}")
        assert counted == [(expected[node.stage.name],)]


def test_catalog_keeps_config_schemas_and_timings_of_every_run(
    project: Path, load: Load
) -> None:
    run(load())
    run(load("lag_columns.periods=2"))
    rows = query(
        project,
        "SELECT config->>'$.lag_columns.periods', execute_s > 0, total_s >= execute_s,"
        " n_bad_rows, source FROM meta.runs ORDER BY started_at",
    )
    assert rows == [("1", True, True, 0, "csv"), ("2", True, True, 0, "csv")]
    [(versions,)] = query(project, "SELECT versions FROM meta.runs LIMIT 1")
    assert json.loads(str(versions))["polars"] == pl.__version__
    columns = query(
        project,
        "SELECT column_name, dtype FROM meta.columns JOIN meta.runs USING (run_id)"
        " WHERE snapshot = 'features' AND column_name LIKE 'mean_cost_lag%'"
        " ORDER BY started_at",
    )
    assert columns == [
        ("mean_cost_lag1", "Float64"),
        ("mean_cost_lag2", "Float64"),
    ]


def test_profiles_of_the_columns_come_with_the_run(project: Path, load: Load) -> None:
    run(load())
    df = pl.read_parquet(project / ".pipeline/objects/features/*.parquet")
    rows = query(
        project,
        "SELECT column_name, n_nulls, n_distinct, min, max, mean, q50"
        " FROM meta.profiles WHERE snapshot = 'features' ORDER BY position",
    )
    assert [row[0] for row in rows] == df.columns
    for name, n_nulls, n_distinct, least, most, mean, q50 in rows:
        column = df[name]
        assert n_nulls == column.null_count()
        assert n_distinct == column.drop_nulls().n_unique()
        assert (least, most) == (str(column.min()), str(column.max()))
        if column.dtype.is_numeric():
            assert mean == pytest.approx(column.mean())
            assert q50 == column.quantile(0.5)


def test_dialect_that_was_found_is_said_and_recorded(
    project: Path, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    raw = project / "data" / "raw.csv"
    table = pl.read_csv(raw, infer_schema=False)
    table.write_csv(raw, separator=";")
    with caplog.at_level("INFO"):
        report = run(load())
    assert report.run.dialects == ["data/raw.csv: read with semicolons"]
    assert report.run.dialects[0] in caplog.messages
    again = run(load("source.separator=;"))
    assert not again.is_new  # the rows are the same
