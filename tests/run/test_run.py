"""A run from raw rows to a catalog anyone can open, and what stops it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from filelock import FileLock
from polars.testing import assert_frame_equal

from pipeline import sources
from pipeline.engine.one_pass import snapshot_frames
from pipeline.errors import PipelineError, SchemaError, SnapshotError, SourceError
from pipeline.plan.compose import compose
from pipeline.plan.settings import Settings, load_settings
from pipeline.run.freshness import Selection
from pipeline.run.run import check, run
from pipeline.snapshots.history import verify
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store
from pipeline.sources import source
from tests.conftest import PROJECT, make_project

Load = Callable[..., Settings]


def query(project: Path, sql: str) -> list[tuple[Any, ...]]:
    """Ask the catalog as any DuckDB client does."""
    with duckdb.connect(
        project / ".pipeline" / "snapshots.duckdb", read_only=True
    ) as con:
        return con.execute(sql).fetchall()


def spoil(project: Path, *lines: str) -> None:
    """Append lines to the raw rows."""
    with (project / "data" / "raw.csv").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_snapshots_hold_what_the_stages_give(project: Path, load: Load) -> None:
    report = run(load())
    settings = load()
    rows, _ = sources.scan(settings.source, project).frames()
    plan = compose(rows, settings.stages)
    assert [s.name for s in report.run.snapshots] == [*plan.snapshots, "quarantine"]
    for name, node in plan.snapshots.items():
        published = pl.read_parquet(project / ".pipeline/objects" / name / "*.parquet")
        assert_frame_equal(published, snapshot_frames(plan)[name].collect())
        assert published.select(node.stage.key).equals(
            published.select(node.stage.key).sort(node.stage.key)
        )


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


def test_reader_keeps_its_run_while_the_next_is_published(
    project: Path, load: Load
) -> None:
    run(load("drop_rare_drgs.min_total=40"))
    before = query(project, "SELECT count(*) FROM features")
    catalog = project / ".pipeline" / "snapshots.duckdb"
    with duckdb.connect(catalog.resolve(), read_only=True) as reader:
        run(load())
        assert reader.execute("SELECT count(*) FROM features").fetchall() == before
    assert query(project, "SELECT count(*) FROM features") != before


def test_bad_rows_are_set_aside_with_line_column_value_and_reason(
    project: Path, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    clean = run(load())
    name = '"Two\nLines"'
    spoil(
        project,
        f"2017,1,{name},53,2,Bad,Moderate,M,Medical,many,4.0,3.0,2.0,-1.0",
        "2017,,No Code,53,2,Bad,Moderate,M,Medical,0,4.0,3.0,2.0,1.0",
        '2017,1,Good,53,2,Good,Moderate,M,Medical,"1,000",$4.00,3.0,2.0,1.0',
    )
    with caplog.at_level("INFO"):
        report = run(load())

    assert report.run.n_bad_rows == 2
    assert report.objects["discharges"].n_rows == (
        clean.objects["discharges"].n_rows + 1
    )
    assert "repairing" in caplog.text
    n_lines = 3_000 + 1  # and the header
    assert query(project, "SELECT * EXCLUDE file FROM quarantine") == [
        (n_lines + 1, "Discharges", "many", "unreadable count"),
        (n_lines + 1, "Median Cost", "-1.0", "negative money"),
        (n_lines + 3, "Facility Id", None, "missing code"),
        (n_lines + 3, "Discharges", "0", "count below 1"),
    ]


def test_too_many_bad_rows_fail_the_run_and_leave_the_last_one(
    project: Path, load: Load
) -> None:
    run(load())
    before = query(project, "FROM meta.snapshots")
    spoil(project, "2017,1,A,53,2,Bad,Moderate,M,Medical,many,4.0,3.0,2.0,1.0")
    with pytest.raises(SourceError) as caught:
        run(load("source.max_bad_rows=0"))
    message = str(caught.value)
    assert "1 bad rows, expected at most 0" in message
    assert "data/raw.csv:3002: Discharges: 'many' unreadable count" in message
    assert query(project, "FROM meta.snapshots") == before
    assert not (project / ".pipeline" / "staging").exists()


@pytest.mark.parametrize(
    ("spoiled", "part"),
    [
        (b"2017,1,\xff\xfe,53,2,B,M,M,M,1,4.0,3.0,2.0,1.0\n", "is not UTF-8"),
        (b'2017,1,"open,53,2,B,M,M,M,1,4.0,3.0,2.0,1.0\n', "is not closed"),
    ],
    ids=["encoding", "quote"],
)
def test_fault_deep_in_a_file_names_the_file_and_line(
    project: Path, load: Load, spoiled: bytes, part: str
) -> None:
    with (project / "data" / "raw.csv").open("ab") as file:
        file.write(spoiled)
    with pytest.raises(SourceError) as caught:
        run(load())
    assert "raw.csv: cannot be read as CSV" in str(caught.value)
    assert "line 3002" in str(caught.value)
    assert part in str(caught.value)
    assert not (project / ".pipeline" / "snapshots.duckdb").exists()


def test_config_mistake_stops_the_run_before_the_source_is_made(project: Path) -> None:
    settings = load_settings(project, overrides=("lag_columns.columns=[no_such]",))
    with pytest.raises(SchemaError, match="no_such"):
        run(settings)
    assert not (project / ".pipeline").exists()


def test_failure_while_executing_leaves_the_last_run(tmp_path: Path) -> None:
    project = make_project(tmp_path / "sums", n_rows=3000, of=PROJECT)
    words = ("source=csv", "source.path=data/raw.csv", "drop_rare_drgs.min_total=20")
    run(load_settings(project, overrides=words))
    before = query(project, "FROM meta.snapshots")
    # Products this large do not fit the exact sum.
    n = 9 * 10**14
    spoil(project, f"2017,1,A,53,2,B,Moderate,M,Medical,{n},{n},3.0,2.0,1.0")
    with pytest.raises(PipelineError, match="nothing was published"):
        run(load_settings(project, overrides=words))
    assert query(project, "FROM meta.snapshots") == before
    assert len(list((project / ".pipeline" / "runs").iterdir())) == 1
    assert not (project / ".pipeline" / "staging").exists()


def test_run_removes_what_a_killed_download_left(project: Path, load: Load) -> None:
    left = project / ".pipeline" / "data" / "costs.csv.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    run(load())
    assert not left.exists()


def test_second_run_is_refused_while_one_is_writing(project: Path, load: Load) -> None:
    run(load())
    with (
        FileLock(project / ".pipeline" / "lock"),
        pytest.raises(SnapshotError, match="another run is writing"),
    ):
        run(load())


def test_two_runs_give_the_same_bytes(project: Path, load: Load) -> None:
    def contents() -> dict[str, bytes]:
        objects = project / ".pipeline" / "objects"
        return {path.name: path.read_bytes() for path in objects.rglob("*.parquet")}

    run(load())
    first = contents()
    shutil.rmtree(project / ".pipeline")
    run(load())
    assert contents() == first


def test_catalog_is_written_for_older_duckdb_clients(project: Path, load: Load) -> None:
    run(load())
    [(name, tags)] = query(
        project,
        "SELECT database_name, tags FROM duckdb_databases() WHERE NOT internal",
    )
    assert name == "snapshots"
    assert tags["storage_version"].startswith("v1.5.0")


def test_folder_with_brackets_and_quotes_in_its_name_works(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    odd = tmp_path_factory.mktemp("odd") / "a [x] 'b' \"c\""
    shutil.copytree(project, odd)
    settings = load_settings(odd, overrides=("source=csv", "source.path=data/*.csv"))
    run(settings)
    assert not run(settings).is_new
    assert verify(open_store(odd)) == []
    with connect(open_store(odd)) as con:
        assert con.execute("SELECT count(*) FROM discharges").fetchall() == [(2_382,)]
    assert query(odd, "SELECT count(*) FROM discharges") == [(2_382,)]
    # DuckDB would take the brackets for a pattern, and read a sibling that fits it.
    [(view,)] = query(
        odd,
        "SELECT sql FROM duckdb_views()"
        " WHERE schema_name = 'main' AND view_name = 'drgs'",
    )
    assert "a [[]x] " in view


def test_moved_project_goes_on_working(project: Path, load: Load) -> None:
    run(load())
    moved = project.with_name("moved")
    project.rename(moved)
    with connect(open_store(moved)) as con:
        assert con.execute("SELECT count(*) FROM discharges").fetchall() == [(2_382,)]
    settings = load_settings(moved, overrides=("source=csv", "source.path=data/*.csv"))
    assert not run(settings).is_new


@pytest.mark.parametrize("how", ["damaged", "older"])
def test_catalog_that_does_not_fit_is_made_again(
    project: Path, load: Load, how: str
) -> None:
    run(load())
    catalog = (project / ".pipeline" / "snapshots.duckdb").resolve()
    if how == "damaged":
        catalog.write_bytes(b"damaged" * 1000)
    else:
        with duckdb.connect(catalog) as con:
            con.execute("UPDATE meta.catalog SET format = 0")
    assert not run(load()).is_new
    assert query(project, "SELECT count(*) FROM meta.runs") == [(1,)]
    assert query(project, "SELECT count(*) FROM discharges") == [(2_382,)]


def test_a_file_is_looked_at_byte_by_byte_until_a_run_has_read_it(
    project: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    real = source.refuse_unsound

    def look(file: Path) -> None:
        looked.append(file.name)
        real(file)

    monkeypatch.setattr(source, "refuse_unsound", look)
    run(load())
    run(load(), Selection(force=True))
    assert looked == ["raw.csv"]
    with (project / "data" / "raw.csv").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(SourceError, match="a byte of zero on line 3002"):
        run(load())
