"""Whatever is read from the store is what was written to it, or is refused in words."""

import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from pipeline.errors import PipelineError, SnapshotError
from pipeline.files.checksum import seal, unseal
from pipeline.plan.settings import load_settings
from pipeline.run.run import run
from pipeline.snapshots.history import verify
from pipeline.snapshots.store import (
    Store,
    files_of,
    object_fault,
    open_store,
    read_current,
    read_runs,
    verified_object,
)
from tests.commands.test_cli import SOURCE, invoke
from tests.conftest import LEAN, make_project

if TYPE_CHECKING:
    from pipeline.snapshots.records import RunRecord

N_FLIPS = 20

PERIODS = (1, 2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of few rows with two runs, not to be changed."""
    root = make_project(tmp_path_factory.mktemp("made"), n_rows=3000, of=LEAN)
    for periods in PERIODS:
        run_with(root, periods)
    return root


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    shutil.copytree(made, tmp_path, symlinks=True, dirs_exist_ok=True)
    return tmp_path


def run_with(root: Path, periods: int) -> "RunRecord":
    words = (*SOURCE, f"lag_columns.periods={periods}", "drop_rare_drgs.min_total=20")
    return run(load_settings(root, overrides=words)).run


def flip(path: Path, rng: random.Random) -> None:
    """Change one bit."""
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def object_of(store: Store, run: "RunRecord", snapshot: str) -> Path:
    [found] = [s for s in run.snapshots if s.name == snapshot]
    return store.object(snapshot, found.fingerprint)


def test_no_flipped_bit_passes_a_seal() -> None:
    sealed = seal(b'{"n":1}')
    assert unseal(sealed) == b'{"n":1}'
    for i in range(8 * len(sealed)):
        content = bytearray(sealed)
        content[i // 8] ^= 1 << i % 8
        assert unseal(bytes(content)) is None
    for n in range(len(sealed)):
        assert unseal(sealed[:n]) is None


def test_no_flipped_bit_of_an_object_or_its_record_is_read(copy: Path) -> None:
    store, rng = open_store(copy), random.Random(7)
    path = object_of(store, read_runs(store)[-1], "features")
    fingerprint = read_runs(store)[-1].snapshots[-2].fingerprint
    assert path == store.object("features", fingerprint)
    for file in (path, path.with_suffix(".json")):
        content = file.read_bytes()
        for _ in range(N_FLIPS):
            flip(file, rng)
            assert object_fault(store, "features", fingerprint)
            file.write_bytes(content)
            assert verified_object(store, "features", fingerprint) == path
    flip(path, rng)
    with pytest.raises(SnapshotError, match="holds other bytes than were written"):
        verified_object(store, "features", fingerprint)
    assert not path.exists()


def test_what_is_read_to_compute_is_made_again_if_it_is_damaged(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, rng = open_store(copy), random.Random(7)
    newest = read_runs(store)[-1]
    path = object_of(store, newest, "discharges")
    content = path.read_bytes()
    older = read_runs(store)[0]
    expected = pl.read_parquet(object_of(store, older, "features"))
    for file in files_of(object_of(store, older, "features")):
        file.unlink()
    flip(path, rng)
    again = run_with(copy, PERIODS[0])
    assert "'discharges' holds other bytes than were written" in caplog.text
    states = {s.name: s.state for s in again.snapshots}
    assert (states["discharges"], states["features"]) == ("computed", "computed")
    assert path.read_bytes() == content
    assert pl.read_parquet(object_of(store, again, "features")).equals(expected)


def test_what_is_restored_compared_or_exported_is_held_to_its_bytes(copy: Path) -> None:
    store, rng = open_store(copy), random.Random(7)
    older, newest = read_runs(store)
    path = object_of(store, newest, "features")
    content = path.read_bytes()
    record = path.with_suffix(".json").read_bytes()
    for words in (
        ("diff", "features"),
        ("export", str(copy / "all.duckdb")),
        ("restore", "latest"),
    ):
        path.write_bytes(content)
        path.with_suffix(".json").write_bytes(record)
        flip(path, rng)
        result = invoke(copy, *words)
        assert result.exit_code == 1 + (words[0] == "diff"), result.output
        assert "holds other bytes than were written" in result.stderr
        assert not path.exists()
    flip(object_of(store, older, "features"), rng)
    again = run_with(copy, PERIODS[0])
    assert {s.name: s.state for s in again.snapshots}["features"] == "computed"


def test_record_of_the_newest_run_is_never_stepped_over(copy: Path) -> None:
    store, rng = open_store(copy), random.Random(7)
    newest = read_runs(store)[-1]
    path = store.runs / f"{newest.run_id}.json"
    content = path.read_bytes()
    for _ in range(N_FLIPS):
        path.write_bytes(content)
        flip(path, rng)
        for read in (read_runs, read_current):
            with pytest.raises(SnapshotError, match="holds other bytes than were"):
                read(store)
    for lose in (path.unlink, lambda: path.write_bytes(b"")):
        lose()
        for words in (("sql", "FROM drgs"), ("history",), ("verify",), ("gc",)):
            result = invoke(copy, *words)
            assert result.exit_code == 1, words
            assert f"error: {path}: the record of the newest run" in result.stderr
            assert "hint: `just run` drops it" in result.stderr
    again = run_with(copy, PERIODS[1])
    assert {s.name: s.state for s in again.snapshots}["features"] == "restored"
    assert len(read_runs(store)) == len(PERIODS)
    assert invoke(copy, "verify").exit_code == 0
    assert invoke(copy, "sql", "FROM drgs").exit_code == 0


def test_run_stands_in_for_a_lost_one_only_when_it_is_published(copy: Path) -> None:
    store = open_store(copy)
    invoke(copy, "restore", "latest")  # so that the run before has the same snapshots
    older, newest = read_runs(store)[-2:]
    path = store.runs / f"{newest.run_id}.json"
    flip(path, random.Random(7))
    with pytest.raises(PipelineError):
        run(load_settings(copy, overrides=(*SOURCE, "source.path=nowhere.csv")))
    assert "the record of the newest run" in invoke(copy, "sql", "FROM drgs").stderr
    again = run_with(copy, PERIODS[1])
    assert not path.exists()
    assert again.run_id > newest.run_id > older.run_id
    assert [s.fingerprint for s in again.snapshots] == [
        s.fingerprint for s in older.snapshots
    ]


def test_damage_to_an_older_run_is_named_with_what_mends_it(copy: Path) -> None:
    store, rng = open_store(copy), random.Random(7)
    older, newest = read_runs(store)
    path = object_of(store, older, "features")
    flip(path, rng)
    [damage] = verify(store)
    assert damage.runs == (older.run_id,)
    assert f"with the configuration of {older.run_id}" in damage.cure
    run_with(copy, PERIODS[0])
    assert verify(store) == []
    record = store.runs / f"{newest.run_id}.json"
    flip(record, rng)
    assert f"{newest.run_id}  its record is damaged" in invoke(copy, "history").stdout
    [damage] = verify(store)
    assert (damage.path, damage.runs) == (str(record), (newest.run_id,))
    assert "nothing brings it back" in damage.cure
    assert verify(store) == []


def test_object_that_duckdb_cannot_read_does_not_stop_a_run(copy: Path) -> None:
    store = open_store(copy)
    path = object_of(store, read_runs(store)[0], "features")
    path.write_bytes(bytes(path.stat().st_size))
    run_with(copy, 3)
    assert not path.exists()
    [damage] = verify(store)
    assert damage.fault == "is missing"


STRAYS = (
    "runs/{run} (copy).json",
    "runs/.hidden.json",
    "runs/~x.json",
    "runs/r99991231_235959_999.json",
    "objects/notes.txt",
    "objects/features/features.parquet",
    "catalogs/mine.duckdb",
    "logs/spark.log",
    "logs/error-0123abcd.txt",
    "logs/mine.jsonl",
)


def test_what_the_store_does_not_name_so_is_left_alone_and_named(copy: Path) -> None:
    store = open_store(copy)
    newest = read_runs(store)[-1].run_id
    record = (store.runs / f"{newest}.json").read_bytes()
    strays = [store.folder / name.format(run=newest) for name in STRAYS]
    for stray in strays:
        stray.write_bytes(record)
    folders = [store.runs / "x.json", store.runs / "r99990101_000000_000.json"]
    for folder in folders:
        folder.mkdir()
    assert [run.run_id for run in read_runs(store)][-1] == newest
    for words in (("sql", "FROM drgs"), ("history",), ("runs",), ("verify",)):
        assert invoke(copy, *words).exit_code == 0, words
    before = run_with(copy, 3).run_id
    assert newest < before < run_with(copy, PERIODS[0]).run_id < "r9"
    result = invoke(copy, "gc")
    assert result.exit_code == 0
    for path in (*strays, *folders):
        assert path.exists()
        if path.name not in ("spark.log", "error-0123abcd.txt"):
            assert result.stderr.count(str(path.relative_to(store.folder))) == 1
