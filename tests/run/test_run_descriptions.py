"""What columns mean is shown by the next run, which computes nothing for it."""

import json
from pathlib import Path

import duckdb

from pipeline.run.run import RunReport
from pipeline.run.start import start
from pipeline.snapshots.export import export
from pipeline.snapshots.history import restore
from pipeline.snapshots.store import open_store
from tests.run.conftest import query

WORDS = ("source=csv", "source.path=data/raw.csv")
COMMENTS = """
    SELECT table_name, column_name, comment FROM duckdb_columns()
    WHERE schema_name = 'main' AND comment IS NOT NULL AND table_name <> 'quarantine'
    ORDER BY ALL
"""


def test_a_changed_text_is_shown_and_nothing_is_computed(
    first: RunReport, project: Path, tmp_path: Path
) -> None:
    file = project / "configs" / "columns.yaml"
    before = {p: p.stat().st_mtime_ns for p in project.rglob("objects/*/*")}
    file.write_text('apr_drg_description: it\'s "a" <b>; -- DRG\n')
    report = start(project, None, WORDS)
    assert isinstance(report, RunReport)
    assert not report.is_new
    assert report.run.run_id == first.run.run_id
    drg = ("apr_drg_description", 'it\'s "a" <b>; -- DRG')
    said = [("discharges", *drg), ("drgs", *drg)]
    assert query(project, COMMENTS) == said

    target = tmp_path / "out.duckdb"
    export(report.catalog, target)
    with duckdb.connect(target, read_only=True) as con:
        assert con.execute(COMMENTS).fetchall() == said

    file.write_text("Mean Cost: {description: Cost, unit: US dollars}\n")
    report = start(project, None, WORDS)
    assert isinstance(report, RunReport)
    assert not report.is_new
    assert query(project, COMMENTS) == [
        ("discharges", "mean_cost", "Cost (US dollars)"),
        ("features", "mean_cost", "Cost (US dollars)"),
        ("features", "mean_cost_lag1", "Cost, 1 period before (US dollars)"),
    ]
    sql = "SELECT DISTINCT description, unit FROM meta.columns WHERE column_name = "
    assert query(project, f"{sql}'mean_cost'") == [("Cost", "US dollars")]
    assert {p: p.stat().st_mtime_ns for p in project.rglob("objects/*/*")} == before

    restore(open_store(project), first.run.run_id)
    assert len(query(project, COMMENTS)) == 3
    file.unlink()
    start(project, None, WORDS)
    assert query(project, COMMENTS) == []
    config = query(project, "SELECT config FROM meta.runs ORDER BY run_id DESC")
    assert "US dollars" not in json.dumps(config)
