"""A run is on the disk before it is published; what others contribute stays with it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline.plan.settings import Settings
from pipeline.run.run import run
from pipeline.snapshots.publish import contribute
from pipeline.snapshots.store import Store, open_store, read_runs
from tests.commands.test_cli import SOURCE, invoke
from tests.conftest import ROOT

CALLS = "fsync,rename,renameat,renameat2,symlink,symlinkat,unlink,unlinkat"


def trace(root: Path, *words: str) -> list[tuple[str, ...]]:
    """Run a command; list each call with the paths below the state's folder."""
    strace = shutil.which("strace")
    if strace is None:
        assert "CI" not in os.environ, "strace is needed: see .ci/run"
        pytest.skip("needs strace")
    log = root / "strace.log"
    subprocess.run(
        [
            *(strace, "-f", "--seccomp-bpf", "-y", "-qq", "-s", "4096"),
            *("-e", f"trace={CALLS}", "-o", log),
            *(sys.executable, "-m", "pipeline", *words),
        ],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    state = re.escape(f"{root}/.pipeline")
    calls: list[tuple[str, ...]] = []
    for line in log.read_text().splitlines():
        name, _, rest = line.partition(" ")[2].lstrip().partition("(")
        paths = re.findall(rf'[<"]{state}/?([^>"]*)[>"]', rest)
        if paths and rest.rpartition(" = ")[2].startswith("0"):
            calls.append((name.rstrip("at2"), *paths))
    return calls


def test_objects_then_records_then_catalog_then_link_are_on_the_disk(
    project: Path, load: Callable[..., Settings]
) -> None:
    before = run(load("lag_columns.periods=2")).run.run_id
    words = ("drop_rare_drgs.min_total=600", "history.runs=1")
    calls = trace(project, "run", *SOURCE, *words)
    [_, after] = read_runs(open_store(project))
    made = {s.name: s.fingerprint[:16] for s in after.snapshots if s.state != "fresh"}
    assert {*made} == {"discharges", "features"}

    def at(*call: str) -> int:
        assert calls.count(call) == 1, (call, calls)
        return calls.index(call)

    def flushed(path: str, *, since: int, until: int) -> bool:
        return ("fsync", path) in calls[since + 1 : until]

    record, run_record = f"runs/{after.run_id}.json.next", f"runs/{after.run_id}.json"
    recorded = at("rename", record, run_record)
    for name, fingerprint in made.items():
        staged, folder = f"staging/{name}.parquet", f"objects/{name}"
        object_ = f"{folder}/{fingerprint}"
        moved = at("rename", staged, f"{object_}.parquet")
        described = at("rename", f"{object_}.json.next", f"{object_}.json")
        assert flushed(staged, since=-1, until=moved)
        assert flushed(folder, since=moved, until=described)
        assert flushed(f"{object_}.json.next", since=moved, until=described)
        assert flushed(folder, since=described, until=recorded)
    assert flushed(record, since=-1, until=recorded)
    [(catalog, placed)] = [
        (call[2], i)
        for i, call in enumerate(calls)
        if call[0] == "rename" and call[2].startswith(f"catalogs/{after.run_id}.")
    ]
    linked = at("rename", "snapshots.duckdb.next", "snapshots.duckdb")
    assert flushed("runs", since=recorded, until=linked)
    assert flushed(f"{catalog}/snapshots.duckdb", since=placed, until=linked)
    assert flushed(catalog, since=placed, until=linked)
    assert flushed("catalogs", since=placed, until=linked)
    assert flushed("", since=linked, until=len(calls))
    # Users find a catalog at any moment: the link is replaced and never removed.
    assert [c for c in calls if c[-1] == "snapshots.duckdb"] == [calls[linked]]
    gone = [i for i, c in enumerate(calls) if c[0] == "unlink" and before in c[-1]]
    assert all(i > linked for i in gone)


@pytest.fixture
def store(published: Path, tmp_path: Path) -> Store:
    root = shutil.copytree(published, tmp_path / "copy", symlinks=True)
    return open_store(root)


def models(store: Store) -> str:
    """Ask for the models the catalog shows."""
    sql = "SELECT string_agg(model, ' ') FROM meta.models"
    result = invoke(store.root, "sql", sql, "--format", "csv")
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()[1]


def test_tables_of_contributors_are_there_before_their_rows(store: Store) -> None:
    for table in ("models", "evaluations"):
        result = invoke(
            store.root, "sql", f"SELECT * FROM meta.{table}", "--format", "csv"
        )
        assert len(result.stdout.splitlines()) == 1
        assert "fingerprint" in result.stdout


def test_rows_take_the_place_of_those_before_and_stay_with_later_runs(
    store: Store,
) -> None:
    for names in (["a", "b"], ["c"]):
        contribute(store, {"models": pl.DataFrame({"model": names})})
        assert models(store) == " ".join(names)
    assert len([*store.meta.iterdir()]) == 1
    assert invoke(store.root, "run", *SOURCE, "--force").exit_code == 0
    assert models(store) == "c"
    contribute(store, {"models": pl.DataFrame()})
    assert models(store) == ""
    assert not [*store.meta.iterdir()]


def test_rows_that_were_not_yet_removed_are_no_longer_shown(store: Store) -> None:
    contribute(store, {"models": pl.DataFrame({"model": ["before"]})})
    [before] = store.meta.iterdir()
    content = before.read_bytes()
    contribute(store, {"models": pl.DataFrame({"model": ["now"]})})
    before.write_bytes(content)
    os.utime(before, (0, 0))
    contribute(store, {})
    assert models(store) == "now"


def test_rows_that_are_not_what_was_written_are_named_and_left_out(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    contribute(store, {"models": pl.DataFrame({"model": ["a"]})})
    [file] = store.meta.iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    contribute(store, {})
    assert models(store) == ""
    assert f"{file}: is not what was written, and left out" in caplog.text
