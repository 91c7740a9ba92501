"""Earlier runs can be queried, restored and checked."""

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import SnapshotError
from pipeline.plan.settings import Settings, load_settings
from pipeline.run.run import RunReport, run
from pipeline.snapshots.history import describe_history, restore, verify
from pipeline.snapshots.store import Store, find_id, read_runs
from tests.commands.test_cli import SOURCE, invoke
from tests.conftest import LEAN, make_project
from tests.snapshots.conftest import ask

Load = Callable[..., Settings]


@pytest.fixture(scope="module")
def three_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, list[RunReport]]:
    """A lean project and its three runs; only to be copied."""
    root = make_project(tmp_path_factory.mktemp("three"), n_rows=3000, of=LEAN)
    words = [(*SOURCE, f"lag_columns.periods={n}") for n in (1, 2, 3)]
    return root, [run(load_settings(root, overrides=these)) for these in words]


@pytest.fixture
def runs(three_once: tuple[Path, list[RunReport]], project: Path) -> list[RunReport]:
    """Three runs of `project`, copied."""
    root, reports = three_once
    shutil.copytree(root / ".pipeline", project / ".pipeline", symlinks=True)
    return reports


def test_every_kept_run_is_a_schema_and_the_one_before_is_called_previous(
    runs: list[RunReport], store: Store
) -> None:
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
    load: Load, runs: list[RunReport], store: Store
) -> None:
    first, *_, last = runs
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
    runs: list[RunReport], store: Store
) -> None:
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
    runs: list[RunReport], store: Store
) -> None:
    first, *_ = runs
    fingerprint = first.objects["features"].fingerprint
    store.object("features", fingerprint).unlink()
    with pytest.raises(SnapshotError, match="no longer in the store: features"):
        restore(store, first.run.run_id)
    assert len(read_runs(store)) == 3


@pytest.mark.usefixtures("runs")
def test_history_says_what_made_each_version(store: Store) -> None:
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
