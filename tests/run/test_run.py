"""A run from raw rows to a catalog anyone can open, and what stops it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest
from filelock import FileLock
from polars.testing import assert_frame_equal

from pipeline import sources
from pipeline.engine.one_pass import snapshot_frames
from pipeline.errors import SchemaError, SnapshotError, SourceError
from pipeline.plan.compose import compose
from pipeline.plan.settings import Settings, load_settings
from pipeline.plan.wiring import Selection
from pipeline.run.run import check, run
from pipeline.snapshots.history import verify
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import open_store
from pipeline.sources import source
from pipeline.sources.csv_file import Head
from pipeline.sources.dialect import Written
from tests.conftest import PROJECT
from tests.run.conftest import query

Load = Callable[..., Settings]


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


def test_config_mistake_stops_the_run_before_the_source_is_made(project: Path) -> None:
    settings = load_settings(project, overrides=("lag_columns.columns=[no_such]",))
    with pytest.raises(SchemaError, match="no_such"):
        run(settings)
    assert not (project / ".pipeline").exists()


@pytest.mark.parametrize(
    ("override", "entry"),
    [("panel.target=nosuch", "panel.target"), ("panel.means=[nosuch]", "panel.means")],
)
def test_a_name_that_is_no_column_leads_to_the_entry_of_the_panel(
    override: str, entry: str
) -> None:
    with pytest.raises(SchemaError) as error:
        check(load_settings(PROJECT, overrides=("source=csv", override)))
    first, *_, hint = str(error.value).splitlines()
    assert '"nosuch"' in first
    assert hint.startswith("hint: see pipeline/transforms/")
    assert hint.endswith(f"; the name is that of `{entry}`")


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

    def look(file: Path, written: Written, head: Head) -> None:
        looked.append(file.name)
        real(file, written, head)

    monkeypatch.setattr(source, "refuse_unsound", look)
    run(load())
    run(load(), Selection(force=True))
    assert looked == ["raw.csv"]
    run(load("source.decimal=."), Selection(force=True))
    assert looked == ["raw.csv"] * 2
    with (project / "data" / "raw.csv").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(SourceError, match="a byte of zero on line 3002"):
        run(load())
