"""A store that clones share, in a folder; in a bucket: tests/files/test_shared.py."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.errors import SnapshotError
from pipeline.files.checksum import seal, unseal
from pipeline.files.parquet import read_parquet
from pipeline.files.shared import Entry, Shared
from pipeline.log import LOG
from pipeline.plan.settings import load_settings
from pipeline.plan.wiring import Selection
from pipeline.run.explain import describe_freshness
from pipeline.run.run import RunReport, run
from pipeline.snapshots.publish import publish_run
from pipeline.snapshots.shared import clear_shared, fetch_objects, pull_run, push_run
from pipeline.snapshots.store import open_store, read_object, read_runs
from tests.conftest import LEAN, ROOT, make_project
from tests.snapshots.conftest import ask

WORDS = ("source=csv", "source.path=data/raw.csv")


def words(shared: Path) -> tuple[str, ...]:
    return (*WORDS, f"store.remote={shared}")


def opened(shared: str) -> Shared:
    return Shared(shared, LOG.warning)


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunReport, Path]:
    """A project, its run, and where that was pushed; only to be read and copied."""
    root, shared = (tmp_path_factory.mktemp(name) for name in ("main", "shared"))
    make_project(root, n_rows=3000, of=LEAN)
    report = run(load_settings(root, overrides=(*words(shared), "store.push=true")))
    return root, report, shared


@pytest.fixture
def shared(main: tuple[Path, RunReport, Path], tmp_path: Path) -> Path:
    """A copy of that place, to be spoiled."""
    return Path(shutil.copytree(main[2], tmp_path / "shared"))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The project in another folder, where nothing was run."""
    (tmp_path / "a clone").mkdir()
    return make_project(tmp_path / "a clone", n_rows=3000, of=LEAN)


def run_in(clone: Path, shared: Path, *more: str) -> RunReport:
    return run(load_settings(clone, overrides=(*words(shared), *more)))


def states(report: RunReport) -> dict[str, str]:
    return {s.name: s.state for s in report.run.snapshots}


def frames(root: Path, report: RunReport) -> dict[str, pl.DataFrame]:
    store = open_store(root)
    snapshots = report.run.snapshots
    return {s.name: read_parquet(store.object(*s.object)) for s in snapshots}


def same_rows(
    clone: Path, report: RunReport, main: tuple[Path, RunReport, Path]
) -> None:
    there, here = frames(*main[:2]), frames(clone, report)
    assert there.keys() == here.keys()
    for name, df in there.items():
        assert_frame_equal(here[name], df)


def entry_of(shared: Path, snapshot: str) -> tuple[Path, Entry]:
    [path] = (shared / "objects" / snapshot).iterdir()
    entry = opened(str(shared)).entry(f"objects/{snapshot}/{path.stem}")
    assert entry is not None
    return path, entry


def blob_of(shared: Path, snapshot: str) -> Path:
    [blob] = entry_of(shared, snapshot)[1].files.values()
    return shared / "blobs" / blob.sha256


def rewrite(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change an entry as somebody would who knows how entries are sealed."""
    content = json.loads(unseal(path.read_bytes()) or b"")
    change(content)
    path.write_bytes(seal(json.dumps(content, separators=(",", ":")).encode()))


def test_a_clone_computes_nothing_that_main_has_computed(
    main: tuple[Path, RunReport, Path], clone: Path
) -> None:
    plan = describe_freshness(
        load_settings(clone, overrides=words(main[2])), Selection()
    )
    assert plan.splitlines()[:4] == [
        "drgs        remote      never computed",
        "discharges  remote      never computed",
        "features    remote      never computed",
        "quarantine  remote      never computed",
    ]
    assert "to fetch: drgs, discharges, features, quarantine" in plan
    report = run_in(clone, main[2])
    assert {*states(report).values()} == {"restored"}
    same_rows(clone, report, main)
    assert not run_in(clone, main[2]).is_new


def test_what_a_change_makes_begins_at_what_was_fetched(
    main: tuple[Path, RunReport, Path], clone: Path
) -> None:
    report = run_in(clone, main[2], "lag_columns.periods=2")
    assert states(report) == {
        "drgs": "restored",
        "discharges": "restored",
        "features": "computed",
        "quarantine": "restored",
    }


@pytest.mark.slow
def test_other_data_are_not_those_of_main(
    main: tuple[Path, RunReport, Path], clone: Path
) -> None:
    raw = clone / "data" / "raw.csv"
    raw.write_text("".join(raw.read_text().splitlines(keepends=True)[:-1]))
    assert {*states(run_in(clone, main[2])).values()} == {"computed"}


def truncated(shared: Path) -> None:
    blob = blob_of(shared, "discharges")
    blob.write_bytes(blob.read_bytes()[:-1])


def longer(shared: Path) -> None:
    with blob_of(shared, "discharges").open("ab") as blob:
        blob.write(b"more")


def flipped(shared: Path) -> None:
    blob = blob_of(shared, "discharges")
    content = bytearray(blob.read_bytes())
    content[100] ^= 1
    blob.write_bytes(content)


def missing(shared: Path) -> None:
    blob_of(shared, "discharges").unlink()


def torn_entry(shared: Path) -> None:
    path, _ = entry_of(shared, "discharges")
    path.write_bytes(path.read_bytes()[:-9])


def entry_of_another(shared: Path) -> None:
    path, _ = entry_of(shared, "discharges")
    shutil.copy(entry_of(shared, "drgs")[0], path)


def renamed_entry(shared: Path) -> None:
    """Say of the rows of another snapshot that they are these."""
    path, entry = entry_of(shared, "discharges")
    shutil.copy(entry_of(shared, "drgs")[0], path)
    rewrite(path, lambda content: content.update(key=entry.key))


def other_rows(shared: Path) -> None:
    """Put other rows under the content hash of those that were made."""
    path, _ = entry_of(shared, "discharges")
    forged = shared / "forged.parquet"
    df = read_parquet(blob_of(shared, "discharges"))
    df.with_columns(pl.col("discharges") + 1).write_parquet(forged)
    pushed = opened(str(shared))
    pushed.push("forged", {"object.parquet": forged}, b"{}")
    entry = pushed.entry("forged")
    assert entry is not None
    [blob] = entry.files.values()

    def change(content: dict[str, object]) -> None:
        files, record = content["files"], content["record"]
        assert isinstance(files, dict)
        assert isinstance(record, dict)
        files["object.parquet"] = {"sha256": blob.sha256, "n_bytes": blob.n_bytes}
        record["n_bytes"] = blob.n_bytes

    rewrite(path, change)


def elsewhere(shared: Path) -> None:
    """Name a file outside the folder that it is written to."""

    def change(content: dict[str, object]) -> None:
        files = content["files"]
        assert isinstance(files, dict)
        files["../../stolen"] = files.pop("object.parquet")

    rewrite(entry_of(shared, "discharges")[0], change)


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (truncated, "bytes, expected"),
        (longer, "bytes or more, expected"),
        (flipped, "holds other bytes"),
        (missing, "is missing"),
        (torn_entry, "is damaged"),
        (entry_of_another, "is an entry of another name"),
        (renamed_entry, "is of another object, of 'drgs'"),
        (other_rows, "its rows are not those of its content hash"),
        (elsewhere, "does not name its file"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_as_it_was_made_is_named_and_not_there(
    main: tuple[Path, RunReport, Path],
    shared: Path,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    fault: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spoil(shared)
    store = open_store(tmp_path)
    store.objects.mkdir(parents=True)
    wanted = {s.object: s.key for s in main[1].run.snapshots if s.stage}
    fetch_objects(store, opened(str(shared)), wanted, tmp_path)
    there = [name for name, print_ in wanted if read_object(store, name, print_)]
    assert there == ["drgs", "features"]
    [warning] = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "objects/discharges/" in warning
    assert fault in warning
    assert not [*tmp_path.rglob("stolen")]


def test_what_is_not_as_it_was_made_is_computed_and_sent_anew(
    main: tuple[Path, RunReport, Path], shared: Path, clone: Path
) -> None:
    """What follows it is not taken for what follows the rows that were forged."""
    other_rows(shared)
    report = run_in(clone, shared, "store.push=true")
    assert states(report)["discharges"] == "computed"
    assert states(report)["drgs"] == "restored"
    same_rows(clone, report, main)
    assert blob_of(shared, "discharges").read_bytes() == (
        open_store(clone).object(*report.run.snapshots[1].object).read_bytes()
    )


def test_a_place_that_is_gone_is_said_once_and_all_is_done_here(
    main: tuple[Path, RunReport, Path],
    clone: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    report = run_in(clone, tmp_path / "not mounted", "store.push=true")
    assert {*states(report).values()} == {"computed"}
    same_rows(clone, report, main)
    [said] = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "there is no folder" in said
    assert "`just push` tries again" in said
    assert not (tmp_path / "not mounted").exists()


def test_a_run_is_pulled_and_shown_with_what_is_known_of_it(
    main: tuple[Path, RunReport, Path], clone: Path
) -> None:
    _, there, shared = main
    store = open_store(clone)
    record, is_new = pull_run(store, opened(str(shared)), None, 10)
    assert is_new
    assert record.run_id == there.run.run_id
    sql = "SELECT snapshot, content_hash FROM meta.snapshots ORDER BY ALL"
    assert ask(store, sql) == ask(open_store(main[0]), sql)
    assert not run_in(clone, shared).is_new
    assert pull_run(store, opened(str(shared)), None, 10) == (record, False)


def test_the_newest_run_is_pulled_though_an_older_push_ended_last(
    shared: Path, clone: Path, main: tuple[Path, RunReport, Path]
) -> None:
    older = msgspec.json.encode({"run_id": "r20200101_000000_000"})
    opened(str(shared)).push("latest", {}, older)
    record, _ = pull_run(open_store(clone), opened(str(shared)), None, 10)
    assert record.run_id == main[1].run.run_id


@pytest.mark.slow
def test_a_run_older_than_those_of_here_leaves_them_shown(
    main: tuple[Path, RunReport, Path], clone: Path
) -> None:
    own = run(load_settings(clone, overrides=(*WORDS, "lag_columns.periods=2")))
    store, shared = open_store(clone), opened(str(main[2]))
    pull_run(store, shared, main[1].run.run_id, 10)
    assert [r.run_id for r in read_runs(store)] == [
        main[1].run.run_id,
        own.run.run_id,
    ]
    assert store.linked == own.run.run_id
    assert ask(store, "SELECT count(*) FROM previous.features") == ask(
        open_store(main[0]), "SELECT count(*) FROM features"
    )
    (store.runs / f"{main[1].run.run_id}.json").unlink()
    publish_run(store, [msgspec.structs.replace(own.run, n_kept=1)])
    with pytest.raises(SnapshotError, match="older than the runs that are kept"):
        pull_run(store, shared, main[1].run.run_id, 1)


def test_half_a_run_is_not_pulled(
    main: tuple[Path, RunReport, Path], shared: Path, clone: Path
) -> None:
    blob_of(shared, "features").unlink()
    store = open_store(clone)
    with pytest.raises(SnapshotError, match=r"'features' cannot be had\n.* is missing"):
        pull_run(store, opened(str(shared)), None, 10)
    assert not store.catalog.exists()
    assert read_runs(store) == []


@pytest.mark.parametrize(
    "odd", [{"name": "../../stolen"}, {"fingerprint": "../../../stolen"}], ids=str
)
def test_a_run_names_snapshots_of_the_store_only(
    main: tuple[Path, RunReport, Path], shared: Path, clone: Path, odd: dict[str, str]
) -> None:
    run = main[1].run
    snapshots = [msgspec.structs.replace(run.snapshots[0], **odd)]
    forged = msgspec.structs.replace(run, snapshots=snapshots)
    opened(str(shared)).push(f"runs/{run.run_id}", {}, msgspec.json.encode(forged))
    with pytest.raises(SnapshotError, match="names what no snapshot is called"):
        pull_run(open_store(clone), opened(str(shared)), None, 10)


@pytest.mark.slow
@pytest.mark.parametrize("n_blobs", [1, 2, 4])
def test_a_push_that_is_killed_leaves_a_run_whole_or_not_there(
    main: tuple[Path, RunReport, Path], clone: Path, tmp_path: Path, n_blobs: int
) -> None:
    root, report, _ = main
    place = tmp_path / "killed"
    place.mkdir()
    code = (
        "import sys; from pathlib import Path;"
        "from pipeline.files.shared import Shared;"
        "from pipeline.snapshots.shared import push_run;"
        "from pipeline.snapshots.store import open_store, read_current;"
        "store = open_store(Path(sys.argv[1]));"
        "push_run(store, Shared(sys.argv[2], print), read_current(store))"
    )
    words = [sys.executable, "-c", code, str(root), str(place)]
    with subprocess.Popen(words, cwd=ROOT) as child:
        while len([*place.glob("blobs/*")]) < n_blobs and child.poll() is None:
            pass
        child.kill()
    with contextlib.suppress(SnapshotError):
        pull_run(open_store(clone), opened(str(place)), None, 10)
    here = read_runs(open_store(clone))
    for snapshot in [s for each in here for s in each.snapshots]:
        assert read_object(open_store(clone), *snapshot.object)
    push_run(open_store(root), opened(str(place)), report.run)
    pull_run(open_store(clone), opened(str(place)), None, 10)
    assert not run_in(clone, place).is_new


def test_the_time_of_a_file_elsewhere_says_nothing_here(
    main: tuple[Path, RunReport, Path], clone: Path
) -> None:
    record, _ = pull_run(open_store(clone), opened(str(main[2])), None, 10)
    assert not any(file.is_settled for file in record.files)


def test_rows_that_clones_do_not_agree_on_are_not_pushed(
    main: tuple[Path, RunReport, Path], shared: Path
) -> None:
    def change(content: dict[str, object]) -> None:
        record = content["record"]
        assert isinstance(record, dict)
        record["content_hash"] = "0" * 32

    rewrite(entry_of(shared, "features")[0], change)
    with pytest.raises(SnapshotError, match="other rows are there"):
        push_run(open_store(main[0]), opened(str(shared)), main[1].run)


def test_a_push_mends_what_was_forged(
    main: tuple[Path, RunReport, Path], shared: Path
) -> None:
    other_rows(shared)
    root, report, _ = main
    newest = b'{"run_id":"r99990101_000000_000"}'
    opened(str(shared)).push("latest", {}, newest)
    moved = push_run(open_store(root), opened(str(shared)), report.run)
    assert moved.n_files == 1
    assert blob_of(shared, "discharges").read_bytes() == (
        blob_of(main[2], "discharges").read_bytes()
    )
    assert push_run(open_store(root), opened(str(shared)), report.run).n_files == 0
    latest = opened(str(shared)).entry("latest")
    assert latest is not None
    assert report.run.run_id.encode() in bytes(latest.record)


def test_a_second_push_sends_nothing(main: tuple[Path, RunReport, Path]) -> None:
    root, report, shared = main
    before = {p: p.stat().st_mtime_ns for p in shared.rglob("*") if p.is_file()}
    moved = push_run(open_store(root), opened(str(shared)), report.run)
    assert moved.n_files == 0
    after = {p: p.stat().st_mtime_ns for p in shared.rglob("*") if p.is_file()}
    assert after == before


def test_a_push_that_breaks_off_leaves_nothing_that_is_found(
    main: tuple[Path, RunReport, Path], tmp_path: Path
) -> None:
    """Without the entries that come last, what was sent before is as if not there."""
    root, report, shared = main
    place = tmp_path / "broken off"
    shutil.copytree(shared / "blobs", place / "blobs")
    (place / "runs").mkdir()
    there = opened(str(place))
    with pytest.raises(SnapshotError, match="there is no store yet"):
        pull_run(open_store(tmp_path), there, None, 10)
    again = push_run(open_store(root), opened(str(place)), report.run)
    assert again.n_files == len(report.run.snapshots)


def clock(shared: Path, **hours: int) -> None:
    """Let what is below some folders be so many hours old."""
    for folder, n in hours.items():
        for path in (shared / folder).rglob("*"):
            then = time.time() - n * 3600
            os.utime(path, (then, then))


def test_what_no_run_that_stays_shows_goes_when_it_is_old(
    main: tuple[Path, RunReport, Path], shared: Path, clone: Path
) -> None:
    """The only run stays, however old; so does all that is young."""
    forged = opened(str(shared))
    file = clone / "data" / "raw.csv"
    forged.push("models/ridge/1", {"model.json": file}, b"{}")
    clock(shared, runs=900, objects=900, models=900, blobs=900)
    forged.push("models/ridge/2", {"model.json": clone / "justfile"}, b"{}")
    before = datetime.now(UTC) - timedelta(days=30)
    there = {path for path in shared.rglob("*") if path.is_file()}
    said = clear_shared(opened(str(shared)), 10, before, dry_run=True)
    assert {path for path in shared.rglob("*") if path.is_file()} == there
    found = clear_shared(opened(str(shared)), 10, before, dry_run=False)
    raw = hashlib.sha256(file.read_bytes()).hexdigest()
    assert found == said == ["models/ridge/1", f"blobs/{raw}"]
    gone = there - {path for path in shared.rglob("*") if path.is_file()}
    assert gone == {shared / "models/ridge/1.json", shared / "blobs" / raw}
    pull_run(open_store(clone), opened(str(shared)), main[1].run.run_id, 10)


def test_an_old_run_goes_with_what_it_alone_shows(
    main: tuple[Path, RunReport, Path], shared: Path
) -> None:
    _, report, _ = main
    old = msgspec.structs.replace(report.run, run_id="r20200101_000000_000")
    path, entry = entry_of(shared, "features")
    there = opened(str(shared))
    there.push(f"runs/{old.run_id}", {}, msgspec.json.encode(old))
    newest = [s for s in report.run.snapshots if s.name != "features"]
    run = msgspec.structs.replace(report.run, snapshots=newest)
    there.push(f"runs/{run.run_id}", {}, msgspec.json.encode(run))
    before = datetime.now(UTC) + timedelta(hours=1)
    found = clear_shared(opened(str(shared)), 1, before, dry_run=False)
    [blob] = entry.files.values()
    assert found == [
        f"runs/{old.run_id}",
        f"objects/features/{path.stem}",
        f"blobs/{blob.sha256}",
    ]
    (shared / "runs" / f"{run.run_id}.json").write_bytes(b"damaged")
    with pytest.raises(SnapshotError, match=r"is damaged\n.*nowhere any more, remove"):
        clear_shared(opened(str(shared)), 1, before, dry_run=False)
    assert (shared / "objects" / "drgs").exists()


def test_where_an_entry_may_not_be_read_nothing_goes(
    main: tuple[Path, RunReport, Path], shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = entry_of(shared, "features")
    clock(shared, blobs=900)
    read = Shared._bytes  # pyright: ignore[reportPrivateUsage]

    def refused(self: Shared, name: str) -> bytes:
        if name.endswith(path.name):
            raise OSError("AWS Error ACCESS_DENIED during GetObject")
        return read(self, name)

    monkeypatch.setattr(Shared, "_bytes", refused)
    blobs = {*(shared / "blobs").iterdir()}
    before = datetime.now(UTC) - timedelta(days=30)
    with pytest.raises(SnapshotError, match="so nothing is removed"):
        clear_shared(opened(str(shared)), 10, before, dry_run=False)
    assert {*(shared / "blobs").iterdir()} == blobs
