"""What a kept run or an open reader needs stays; what nobody needs goes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.plan.settings import Settings
from pipeline.run.run import run
from pipeline.snapshots.history import verify
from pipeline.snapshots.retention import collect_garbage, garbage
from pipeline.snapshots.sql import connect
from pipeline.snapshots.store import Store, kept_runs, read_runs
from tests.snapshots.conftest import ask

Load = Callable[..., Settings]

READER = """
import duckdb, sys
con = duckdb.connect(sys.argv[1], read_only=True)
print(con.execute("SELECT count(*) FROM features").fetchall(), flush=True)
sys.stdin.readline()
print(con.execute("SELECT count(*) FROM features").fetchall(), flush=True)
"""


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


def test_what_sources_made_goes_where_nothing_has_used_it_for_long(
    load: Load, store: Store, project: Path
) -> None:
    store.data.mkdir(parents=True, exist_ok=True)
    read = store.data / "made-dice-1-2.csv"
    read.write_bytes((project / "data" / "raw.csv").read_bytes())
    run(load("source.path=.pipeline/data/made-dice-1-2.csv"))
    old = [store.data / f"{name}-1-2.parquet" for name in ("made", "query", "rows")]
    for path in (*old, store.data / "own.parquet", store.data / "rows-3.parquet"):
        path.touch()
    long_ago = time.time() - 31 * 24 * 3600
    for path in (read, *old, store.data / "own.parquet"):
        os.utime(path, (long_ago, long_ago))
    assert garbage(store, read_runs(store)) == old
