"""What cannot be compared with is said."""

from pathlib import Path

import pytest

from pipeline.errors import SnapshotError
from pipeline.review.before import before
from pipeline.snapshots.store import open_store


def test_what_is_not_there_is_said(tmp_path: Path, reviewed: Path) -> None:
    (tmp_path / "odd.duckdb").write_text("no database")
    for root, against, said in (
        (tmp_path, "latest", "there are no runs yet to compare with"),
        (tmp_path, "lock", "pipeline.lock: is not there"),
        (tmp_path, str(tmp_path / "no.duckdb"), "no.duckdb: is not there"),
        (tmp_path, str(tmp_path / "odd.duckdb"), "odd.duckdb: cannot be read as an"),
        (reviewed, "r1999", "r1999"),
    ):
        with (
            pytest.raises(SnapshotError, match=said),
            before(open_store(root), against),
        ):
            pass


def test_runs_exports_and_locks_know_the_same_hashes(reviewed: Path) -> None:
    store = open_store(reviewed)
    known: list[dict[str, tuple[int, str]]] = []
    for against in ("latest", "lock", str(reviewed / "before.duckdb")):
        with before(store, against) as then:
            known.append({n: (s.n_rows, s.content) for n, s in then.snapshots.items()})
    by_run, by_lock, by_export = known
    assert by_run == by_export
    assert by_lock == by_run | {"quarantine": (by_run["quarantine"][0], "")}
