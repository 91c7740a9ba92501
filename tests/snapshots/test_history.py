"""Earlier runs can be queried, restored and checked; what nobody needs goes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline.errors import SnapshotError
from pipeline.plan.settings import Settings
from pipeline.run.run import RunReport, run
from pipeline.snapshots.history import describe_history, restore, verify
from pipeline.snapshots.retention import collect_garbage, garbage
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import Store, find_id, kept_runs, open_store, read_runs
from tests.commands.test_cli import invoke

Load = Callable[..., Settings]


@pytest.fixture
def store(project: Path) -> Store:
    return open_store(project)


def ask(store: Store, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(store.catalog, read_only=True) as con:
        return con.execute(sql).fetchall()


def three_runs(load: Load) -> list[RunReport]:
    return [run(load(f"lag_columns.periods={n}")) for n in (1, 2, 3)]


def test_every_kept_run_is_a_schema_and_the_one_before_is_called_previous(
    load: Load, store: Store
) -> None:
    runs = three_runs(load)
    for report in runs:
        path = store.object("features", report.objects["features"].fingerprint)
        expected = pl.scan_parquet(path).select(pl.len()).collect().item()
        found = ask(store, f"SELECT count(*) FROM {report.run.run_id}.features")
        assert found == [(expected,)]
    [(previous,)] = ask(
        store,
        "SELECT sql FROM duckdb_views()"
        " WHERE schema_name = 'previous' AND view_name = 'features'",
    )
    assert runs[1].objects["features"].fingerprint[:16] in str(previous)


def test_only_the_last_runs_are_kept_and_all_are_recorded(
    load: Load, store: Store
) -> None:
    reports = [
        run(load(f"lag_columns.periods={n}", "history.runs=2")) for n in (1, 2, 3)
    ]
    kept = [report.run.run_id for report in reports[1:]]
    schemas = ask(store, "SELECT DISTINCT schema_name FROM duckdb_views()")
    assert {name for (name,) in schemas} >= set(kept)
    assert (reports[0].run.run_id,) not in schemas
    assert ask(store, "SELECT count(*) FROM meta.runs") == [(3,)]
    assert ask(store, "SELECT count(*) FROM meta.runs WHERE kept") == [(2,)]
    assert len(list(store.objects.glob("features/*.parquet"))) == 2
    assert len(list(store.objects.glob("discharges/*.parquet"))) == 1


def test_what_is_kept_is_told_by_the_runs_not_by_todays_configuration(
    load: Load, store: Store, project: Path
) -> None:
    for n in (1, 2, 3):
        run(load(f"lag_columns.periods={n}", "history.runs=1"))
    first_kept = run(load("lag_columns.periods=4"))  # of ten, with one left
    last = run(load("lag_columns.periods=5"))
    third = read_runs(store)[2]
    kept = [run.run_id for run in kept_runs(read_runs(store))]
    assert kept == [third.run_id, first_kept.run.run_id, last.run.run_id]
    assert verify(store) == []
    assert garbage(store, read_runs(store)) == []
    schemas = {name for (name,) in ask(store, "SELECT schema_name FROM duckdb_views()")}
    assert {name for name in schemas if str(name).startswith("r2")} == {*kept}
    # With nothing else to do, fewer are kept from now on.
    again = run(load("lag_columns.periods=5", "history.runs=2"))
    assert not again.is_new
    assert [run.run_id for run in kept_runs(read_runs(store))] == kept[1:]
    assert ask(store, "SELECT count(*) FROM meta.runs WHERE kept") == [(2,)]
    assert len(list(store.objects.glob("features/*.parquet"))) == 2
    assert verify(store) == []


def test_what_looks_back_loads_no_configuration(load: Load, project: Path) -> None:
    run(load())
    (project / "configs" / "pipeline.yaml").write_text("stages: [\n")
    for words in (
        ("sql", "FROM features LIMIT 1"),
        ("query", "costliest_drgs"),
        ("history",),
        ("runs",),
        ("verify",),
        ("gc",),
        ("restore", "latest"),
        ("diff", "features"),
        ("export", str(project / "all.duckdb")),
    ):
        result = invoke(project, *words)
        assert result.exit_code == 0, (words, result.output)


def test_restored_run_shows_its_snapshots_as_a_new_run(
    load: Load, store: Store
) -> None:
    first, *_, last = three_runs(load)
    record = restore(store, first.run.run_id)
    assert record.run_id > last.run.run_id
    assert {s.name: s.state for s in record.snapshots}["features"] == "restored"
    [(restores, periods)] = ask(
        store,
        "SELECT restores, config->>'$.lag_columns.periods' FROM meta.runs"
        f" WHERE run_id = '{record.run_id}'",
    )
    assert (restores, periods) == (first.run.run_id, "1")
    assert ask(store, "SELECT count(*) FROM features") == ask(
        store, f"SELECT count(*) FROM {first.run.run_id}.features"
    )
    back = run(load("lag_columns.periods=3"))
    assert {s.name: s.state for s in back.run.snapshots}["features"] == "restored"


def test_restore_takes_how_far_back_and_refuses_what_is_not_there(
    load: Load, store: Store
) -> None:
    runs = three_runs(load)
    assert restore(store, "-2").restores == runs[0].run.run_id
    assert restore(store, "previous").restores == runs[2].run.run_id
    with pytest.raises(SnapshotError, match="no run 'yesterday'"):
        restore(store, "yesterday")
    with pytest.raises(SnapshotError, match="several runs begin with 'r2'"):
        restore(store, "r2")


def test_the_only_run_has_none_before_it() -> None:
    with pytest.raises(SnapshotError, match="no run 'previous': there is one run only"):
        find_id(["r20260101_000000_000"], "previous")


def test_restore_of_a_run_whose_objects_are_gone_is_refused(
    load: Load, store: Store
) -> None:
    first, *_ = three_runs(load)
    fingerprint = first.objects["features"].fingerprint
    store.object("features", fingerprint).unlink()
    with pytest.raises(SnapshotError, match="no longer in the store: features"):
        restore(store, first.run.run_id)
    assert len(read_runs(store)) == 3


def test_history_says_what_made_each_version(load: Load, store: Store) -> None:
    three_runs(load)
    runs = read_runs(store)
    lines = describe_history(store, runs, "features")
    assert [line.strip() for line in lines if "->" in line] == [
        "lag_columns.periods: 1 -> 2",
        "lag_columns.periods: 2 -> 3",
    ]
    assert len(describe_history(store, runs, "discharges")) == 2
    assert len(describe_history(store, runs, None)) == 1 + 3
    with pytest.raises(SnapshotError, match="no snapshot 'feature'"):
        describe_history(store, runs, "feature")


@pytest.mark.parametrize("fault", ["removed", "cut", "changed", "no record"])
def test_damaged_object_is_named_and_made_again(
    load: Load, store: Store, fault: str
) -> None:
    report = run(load())
    assert verify(store) == []
    there = report.objects["drgs"]
    path = store.object("drgs", there.fingerprint)
    content = path.read_bytes()
    expected = {
        "removed": "is missing",
        "cut": f"has {len(content) - 9:,} bytes, expected {len(content):,}",
        "changed": "holds other bytes than were written",
        "no record": "has no record that can be read",
    }
    if fault == "removed":
        path.unlink()
    elif fault == "cut":
        path.write_bytes(content[:-9])
    elif fault == "changed":
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    else:
        path.with_suffix(".json").unlink()
    [damage] = verify(store)
    assert damage.snapshot == "drgs"
    assert damage.fault.startswith(expected[fault])
    assert damage.runs == (report.run.run_id,)
    again = run(load())
    assert again.objects["drgs"].content_hash == there.content_hash
    assert verify(store) == []


READER = """
import duckdb, sys
con = duckdb.connect(sys.argv[1], read_only=True)
print(con.execute("SELECT count(*) FROM features").fetchall(), flush=True)
sys.stdin.readline()
print(con.execute("SELECT count(*) FROM features").fetchall(), flush=True)
"""


def test_what_an_open_reader_needs_stays(load: Load, store: Store) -> None:
    first = run(load())
    with subprocess.Popen(
        [sys.executable, "-c", READER, store.catalog],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout is not None
        before = reader.stdout.readline()
        for periods in (2, 3, 4):
            run(load(f"lag_columns.periods={periods}", "history.runs=1"))
        [catalog] = store.catalogs.glob(f"{first.run.run_id}.*")
        assert catalog.exists()
        assert catalog not in garbage(store, read_runs(store))
        after, _ = reader.communicate("go on\n")
    assert after == before
    removed = collect_garbage(store, read_runs(store))
    assert catalog in removed
    assert not catalog.exists()
    path = store.object("features", first.objects["features"].fingerprint)
    assert path in removed
    with connect(store) as con:
        assert con.execute("SELECT count(*) FROM features").fetchone() is not None


def test_files_of_a_run_that_died_are_garbage(load: Load, store: Store) -> None:
    run(load())
    orphan = store.objects / "features" / "0123456789abcdef.parquet"
    orphan.write_bytes(b"half")
    old = store.runs / "20251123T130000000000"
    old.mkdir()
    assert garbage(store, read_runs(store)) == sorted([orphan, old])
    collect_garbage(store, read_runs(store))
    assert garbage(store, read_runs(store)) == []
