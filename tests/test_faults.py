"""Killed, stopped, out of room, locked out, moved: what is published stays whole."""

import json
import logging
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import msgspec
import pytest
from filelock import FileLock
from hypothesis import settings as hypothesis_settings

from pipeline.log import describe_logs
from pipeline.plan.settings import load_settings
from pipeline.run.run import RunReport, run
from pipeline.snapshots.history import verify
from pipeline.snapshots.publish import new_run_id
from pipeline.snapshots.store import (
    Store,
    open_store,
    read_current,
    read_object,
    read_runs,
)
from tests.commands.test_cli import SOURCE, invoke
from tests.conftest import LEAN, ROOT, make_project

LOG = logging.getLogger(__name__)

# More of them: just test tests/test_faults.py --hypothesis-profile thorough
IS_THOROUGH = hypothesis_settings.get_current_profile_name() == "thorough"
N_KILLS, N_READERS = (100, 2) if IS_THOROUGH else (4, 1)

# Sends itself a signal, so long after it first touches a file whose name has a part; at
# once, and with everything standing still, if the delay is 0. During "the pass", which
# goes on until it is stopped; or it stands still there, where no signal is looked at.
CHILD = """
import ctypes, os, signal, sys, threading, time
at, delay_s, number, *words = sys.argv[1:]
if int(number) == signal.SIGTERM:  # as what a script has started in the background
    signal.signal(signal.SIGINT, signal.SIG_IGN)
armed = True
def strike():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    time.sleep(float(delay_s))
    os.kill(os.getpid(), int(number))
def watch(event, args):
    global armed
    touches = event in ("open", "os.rename", "os.mkdir", "shutil.rmtree")
    if armed and touches and at in f"{event} {args[0]} {args[1]}":
        armed = False
        if float(delay_s):
            threading.Thread(target=strike, daemon=True).start()
        else:
            os.kill(os.getpid(), int(number))
def stop_in_pass(frames):
    threading.Thread(target=strike, daemon=True).start()
    while True:
        collect_all(frames)
def stand_still(frames):
    lock, mutex = ctypes.CDLL(None).pthread_mutex_lock, (ctypes.c_char * 64)()
    lock(mutex)
    stands = threading.Event()
    say = lambda: stands.wait() and print("standing still", flush=True)
    threading.Thread(target=say, daemon=True).start()
    sys.setswitchinterval(60)  # no other thread comes to its turn before it stands
    stands.set()
    lock(mutex)
if at in ("the pass", "standing still"):
    from pipeline.engine import one_pass as engine
    collect_all = engine.collect_all
    engine.collect_all = stop_in_pass if at == "the pass" else stand_still
else:
    sys.addaudithook(watch)
sys.argv = ["pipeline", *words]
from pipeline.__main__ import start
start()
"""

# Opens the catalog by the path users know, again and again, and compares what it shows
# with what a run of that configuration gives.
READER = """
import json, os, sys, time, duckdb
catalog, expected, end = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
opens, runs, torn = 0, set(), []
newest = (
    "SELECT run_id, concat_ws(' ', config->>'$.lag_columns.periods',"
    " config->>'$.drop_rare_drgs.min_total') FROM meta.runs ORDER BY 1 DESC LIMIT 1"
)
while not os.path.exists(end):
    opens += 1
    try:
        with duckdb.connect(catalog, read_only=True) as con:
            [(run_id, key)] = con.execute(newest).fetchall()
            of = "FROM meta.snapshots WHERE run_id = $1 ORDER BY 1"
            rows = con.execute(f"SELECT snapshot, n_rows {of}", [run_id]).fetchall()
            counts = {name: n for name, (n, _) in expected[key].items()}
            found = {
                name: con.execute(
                    f"SELECT count(*), sum(hash(t))::VARCHAR FROM {name} AS t"
                ).fetchone()
                for name in counts
            }
        found = {name: list(row) for name, row in found.items()}
        if dict(rows) != counts or found != expected[key]:
            torn.append(f"{run_id}: {rows} {found}")
        runs.add(run_id)
    except Exception as error:
        torn.append(f"{type(error).__name__}: {error}")
    time.sleep(0.03)
print(json.dumps({"opens": opens, "runs": len(runs), "torn": torn}))
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A project of few rows, so that publishing is a large part of a run."""
    return make_project(tmp_path, n_rows=3000, of=LEAN)


@pytest.fixture
def store(small: Path) -> Store:
    return open_store(small)


def words_of(periods: int = 1, min_total: int = 20, n_kept: int = 10) -> list[str]:
    """Write a configuration as overrides."""
    return [
        f"lag_columns.periods={periods}",
        f"drop_rare_drgs.min_total={min_total}",
        f"history.runs={n_kept}",
    ]


def start(
    root: Path,
    *words: str,
    at: str = "",
    delay_s: float = 0,
    number: int = 0,
    file_size: int = resource.RLIM_INFINITY,
) -> "subprocess.Popen[str]":
    """Start a command that sends itself a signal at some moment."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, at, str(delay_s), str(int(number)), *words],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(
            resource.setrlimit, resource.RLIMIT_FSIZE, (file_size, file_size)
        ),
    )


def start_run(root: Path, *words: str, **moment: Any) -> "subprocess.Popen[str]":
    """Start a run, as `start` does."""
    return start(root, "--quiet", "run", *SOURCE, *words, **moment)


def publish(root: Path, *words: str) -> RunReport:
    """Run in this process, for what comes before or after a fault."""
    return run(load_settings(root, overrides=(*SOURCE, *words)))


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Wait for a command; give its exit status and its messages."""
    _, messages = process.communicate(timeout=60)
    return process.returncode, messages


def wait_until_it_stands_still(process: "subprocess.Popen[str]") -> None:
    """Wait until a command has sent itself SIGSTOP."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


def content_hashes(store: Store) -> dict[str, str]:
    """Say what the newest run shows."""
    current = read_current(store)
    assert current is not None
    found = {
        s.name: read_object(store, s.name, s.fingerprint) for s in current.snapshots
    }
    return {name: record.content_hash for name, record in found.items() if record}


def published(store: Store) -> tuple[object, ...]:
    """Say what is there for users: the linked catalog, its rows, the runs."""
    with duckdb.connect(store.catalog.resolve(), read_only=True) as con:
        rows = con.execute("SELECT sum(hash(f)) FROM features AS f").fetchall()
        ids = con.execute("SELECT run_id FROM meta.runs").fetchall()
    return store.linked, rows, ids, sorted(path.name for path in store.runs.iterdir())


def require_at_rest(store: Store) -> None:
    """Refuse a lock that is held, and files of a run that is over."""
    with FileLock(store.folder / "lock", timeout=0):
        assert not store.staging.exists()


def require_one_error(messages: str) -> None:
    """Refuse anything but one error a user can act on."""
    assert messages.startswith("error: "), messages
    assert messages.count("\nerror: ") == 0, messages
    assert "Traceback" not in messages
    assert "found: " in messages


@contextmanager
def mounted(*words: str) -> Generator[None]:
    """Mount something for a while; skip the test where that is not allowed."""
    target = words[-1]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a folder")
    done = subprocess.run(
        ["mount", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"cannot mount a folder here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", target], check=True)


def phase_of(store: Store, known: set[str], linked: str, status: int) -> str:
    """Say how far a run came before it was killed."""
    if status == 0:
        return "6 had ended"
    if store.linked != linked:
        return "5 after the link"
    if {path.stem for path in store.runs.glob("*.json")} - known:
        return "4 run recorded, not linked"
    logs = sorted(store.logs.glob("*.jsonl"))
    if not logs or logs[-1].stem <= max(known):
        return "1 before the lock"
    text = logs[-1].read_text()
    return "3 objects" if '"event": "executed"' in text else "2 pass"


def test_killed_at_any_moment_readers_see_whole_runs_and_the_next_run_works(
    small: Path, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    expected: dict[str, dict[str, tuple[int, str]]] = {}
    hashes: dict[str, dict[str, str]] = {}
    configs = [(periods, rare) for periods in (1, 2) for rare in (20, 40)]
    for periods, rare in configs:
        root = tmp_path_factory.mktemp("nothing")
        for folder in ("configs", "data"):
            (root / folder).symlink_to(small / folder)
        overrides = (*SOURCE, *words_of(periods, rare))
        report = run(load_settings(root, overrides=overrides))
        with duckdb.connect(report.catalog.resolve(), read_only=True) as con:
            expected[f"{periods} {rare}"] = {
                name: con.execute(
                    f"SELECT count(*), sum(hash(t))::VARCHAR FROM {name} AS t"
                ).fetchall()[0]
                for name in report.objects
            }
        hashes[f"{periods} {rare}"] = {
            name: record.content_hash for name, record in report.objects.items()
        }
    assert len({str(sorted(found.items())) for found in hashes.values()}) == 4

    rng, end = random.Random(N_KILLS), small / "end"
    publish(small, *words_of(*configs[0]))
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, store.catalog, json.dumps(expected), end],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(N_READERS)
    ]
    phases: Counter[str] = Counter()
    try:
        for i in range(N_KILLS):
            at, longest_s = [("", 1.5), ("logs/", 0.5), ("os.rename", 0.3)][(i + 1) % 3]
            linked, known = store.linked, {p.stem for p in store.runs.glob("*.json")}
            process = start_run(
                small,
                *words_of(*rng.choice(configs), rng.choice((1, 3))),
                at=at,
                delay_s=rng.uniform(1e-4, longest_s),
                number=signal.SIGKILL,
            )
            status, messages = finish(process)
            assert status in (0, -signal.SIGKILL), messages
            phases[phase_of(store, known, linked, status)] += 1

            periods, rare = rng.choice(configs)
            words = words_of(periods, rare, rng.choice((1, 3)))
            result = invoke(small, "--quiet", "run", *SOURCE, *words)
            assert (result.exit_code, result.output) == (0, "")
            assert content_hashes(store) == hashes[f"{periods} {rare}"]
            assert verify(store) == []
            # With nothing to do, what the dead run staged stays for the next that has.
            with FileLock(store.folder / "lock", timeout=0):
                pass
    finally:
        end.touch()
        outputs = [json.loads(reader.communicate()[0]) for reader in readers]
        # Shown by --log-level=info -rP.
        LOG.info("killed at %s; readers: %s", sorted(phases.items()), outputs)
    assert [output["torn"] for output in outputs] == [[]] * N_READERS
    assert all(output["opens"] > N_KILLS for output in outputs)
    assert all(output["runs"] > 1 for output in outputs)


@pytest.mark.parametrize("n_kept", [1, 10])
def test_run_that_died_before_its_link_leaves_the_last_one_whole_for_gc(
    small: Path, store: Store, n_kept: int
) -> None:
    path = small / "configs" / "pipeline.yaml"
    text = path.read_text()
    path.write_text(text.replace("history: {runs: 10}", f"history: {{runs: {n_kept}}}"))
    publish(small, *words_of(n_kept=n_kept))
    before = published(store)
    process = start_run(
        small, *words_of(2, n_kept=n_kept), at="duckdb.next", number=signal.SIGKILL
    )
    assert finish(process)[0] == -signal.SIGKILL
    assert len(list(store.runs.glob("*.json"))) == 2
    # A log of DuckDB's that belongs to no file any more.
    died = max(path.stem for path in store.runs.glob("*.json"))
    [folder] = store.catalogs.glob(f"{died}.*")
    (folder / "snapshots.duckdb.wal").write_bytes(b"half")
    assert invoke(small, "gc").exit_code == 0
    assert published(store)[:3] == before[:3]
    assert invoke(small, "sql", "FROM features").exit_code == 0
    assert store.linked == died
    assert verify(store) == []


def test_run_that_died_before_its_link_is_linked_before_the_next_computes(
    small: Path, store: Store
) -> None:
    publish(small, *words_of())
    process = start_run(small, *words_of(2), at="duckdb.next", number=signal.SIGKILL)
    assert finish(process)[0] == -signal.SIGKILL
    died = read_current(store)
    assert died is not None
    assert store.linked != died.run_id
    process = start_run(small, *words_of(3), at="staging/", number=signal.SIGKILL)
    assert finish(process)[0] == -signal.SIGKILL
    assert store.linked == died.run_id
    assert verify(store) == []


def test_stamp_does_not_hide_a_run_that_died_before_its_link(
    small: Path, store: Store, later: Callable[[], None]
) -> None:
    later()  # a file written a moment ago is not stamped
    words = ("run", *SOURCE, *words_of())
    assert invoke(small, *words).exit_code == 0
    assert (store.folder / "stamp.json").exists()
    before = content_hashes(store)
    process = start_run(small, *words_of(2), at="duckdb.next", number=signal.SIGKILL)
    assert finish(process)[0] == -signal.SIGKILL
    assert invoke(small, *words).exit_code == 0
    assert content_hashes(store) == before
    current = read_current(store)
    assert current is not None
    assert store.linked == current.run_id


def test_client_that_has_looked_up_the_link_still_finds_the_catalog(
    small: Path, store: Store
) -> None:
    publish(small, *words_of(n_kept=1))
    catalog, before = store.catalog.resolve(), published(store)[1]
    publish(small, *words_of(2, n_kept=1))
    with duckdb.connect(catalog, read_only=True) as con:
        rows = con.execute("SELECT sum(hash(f)) FROM features AS f").fetchall()
    assert rows == before


def test_second_writer_is_told_who_holds_the_lock_and_readers_go_on(
    small: Path, store: Store
) -> None:
    publish(small, *words_of())
    process = start_run(small, *words_of(2), at="logs/", number=signal.SIGSTOP)
    try:
        wait_until_it_stands_still(process)
        for words in (
            ("run", *SOURCE, *words_of(3)),
            ("gc",),
            ("restore", "-0"),
            ("verify",),
        ):
            result = invoke(small, *words)
            assert result.exit_code == 4, words
            assert f"another run is writing, process {process.pid} " in result.stderr
        for words in (("sql", "FROM features"), ("history",), ("plan", *SOURCE)):
            assert invoke(small, *words).exit_code == 0, words
    finally:
        process.kill()
        process.communicate()
    assert invoke(small, "run", *SOURCE, *words_of(3)).exit_code == 0
    require_at_rest(store)


@pytest.mark.parametrize(
    ("words", "file_size"),
    [
        (words_of(3), 20_000),  # an object
        (words_of(3), 1_000_000),  # the catalog
        # The record of a run that has its objects, and the log of the catalog.
        pytest.param(words_of(1), 20_000, marks=pytest.mark.slow),
        pytest.param(words_of(1), 50_000, marks=pytest.mark.slow),
    ],
    ids=["object", "catalog", "record", "catalog's log"],
)
def test_limited_file_size_is_one_error_and_leaves_the_last_run(
    small: Path, store: Store, words: list[str], file_size: int
) -> None:
    for periods in (1, 2):
        publish(small, *words_of(periods))
    before = published(store)
    status, messages = finish(start_run(small, *words, file_size=file_size))
    assert status == 1
    require_one_error(messages)
    assert "File too large" in messages
    assert published(store) == before
    require_at_rest(store)
    assert not list(store.folder.rglob("*.duckdb.next*"))
    publish(small, *words)
    assert verify(store) == []


def test_full_disk_is_one_error_and_leaves_the_last_run(
    small: Path, store: Store
) -> None:
    store.folder.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=12m", "tmpfs", str(store.folder)):
        publish(small, *words_of())
        before, filler = published(store), store.folder / "filler"
        for room, fault in ((50_000, "parquet"), (1_000_000, "duckdb")):
            free = shutil.disk_usage(store.folder).free
            filler.write_bytes(bytes(free - room))
            status, messages = finish(start_run(small, *words_of(2)))
            assert status == 1
            require_one_error(messages)
            assert fault in messages
            assert published(store) == before
            require_at_rest(store)
            assert invoke(small, "sql", "FROM features").exit_code == 0
            filler.unlink()
        publish(small, *words_of(2))
        assert verify(store) == []


def test_gc_makes_room_where_there_is_none(small: Path, store: Store) -> None:
    publish(small, *words_of())
    orphan = store.objects / "features" / "0123456789abcdef.parquet"
    killed = store.folder / "data" / "raw.csv.part"
    killed.parent.mkdir()
    for file in (orphan, killed):
        file.write_bytes(b"half")
    assert finish(start(small, "gc", file_size=0)) == (0, "")
    assert not orphan.exists()
    assert not killed.exists()
    require_at_rest(store)


@pytest.mark.parametrize("mode", [0o000, 0o600], ids=["closed", "not to be entered"])
def test_state_of_another_user_is_one_error_of_every_command(mode: int) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        make_project(root, n_rows=1, of=LEAN)
        commands = (
            ("run", "--dry-run"),
            ("plan",),
            ("sql", "SELECT 1"),
            ("query", "costliest_drgs"),
            ("history",),
            ("runs",),
            ("diff", "features"),
            ("verify",),
            ("gc",),
            ("restore", "-1"),
            ("export", "all.duckdb"),
        )
        for words in commands:
            invoke(root, *words)  # imports what nobody may not
        shutil.rmtree(root / ".pipeline")
        (root / ".pipeline" / "runs").mkdir(parents=True)
        (root / ".pipeline").chmod(mode)
        for words in commands:
            with as_nobody():
                result = invoke(root, *words)
            assert result.exit_code == 1 + (words[0] == "diff"), words
            require_one_error(result.stderr)
            assert ".pipeline: cannot be read\n" in result.stderr, words


def test_record_that_may_not_be_read_is_one_error_and_stays() -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        make_project(root, n_rows=1, of=LEAN)
        commands = (("sql", "SELECT 1"), ("history",), ("plan",), ("runs", "-1"))
        for words in commands:
            invoke(root, *words)  # imports what nobody may not
        record = root / ".pipeline" / "runs" / "r20250101_000000_000.json"
        record.parent.mkdir(parents=True, exist_ok=True)
        record.touch(mode=0o000)
        for words in commands:
            with as_nobody():
                result = invoke(root, *words)
            assert result.exit_code == 1, words
            assert "Traceback" not in result.stderr
            if words[0] != "runs":
                assert f"{record.name}: cannot be read\n" in result.stderr, words
        assert record.exists()


@contextmanager
def as_nobody() -> Generator[None]:
    """Act as a user who may not read everything; root may."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_stamp_that_cannot_be_written_does_not_fail_the_run(
    small: Path, store: Store, later: Callable[[], None]
) -> None:
    words = ["run", *SOURCE, *words_of()]
    (small / ".pipeline" / "stamp.json.next").mkdir(parents=True)
    later()  # a file written a moment ago is not stamped
    result = invoke(small, *words)
    assert result.exit_code == 0, result.output
    assert not (store.folder / "stamp.json").exists()


MOMENTS: list[tuple[str, float]] = [
    ("polars/__pycache__/__init__", 0),
    ("logs/", 0),
    ("the pass", 0),
    ("os.rename", 0),  # an object, and then the link
    ("duckdb.next", 0),
]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_run_says_so_and_leaves_the_last_one(
    small: Path, store: Store, number: signal.Signals
) -> None:
    publish(small, *words_of())
    before = published(store)
    moments = MOMENTS if IS_THOROUGH or number == signal.SIGINT else MOMENTS[2:3]
    for i, (at, delay_s) in enumerate(moments):
        process = start_run(
            small, *words_of(i + 2), at=at, delay_s=delay_s, number=number
        )
        status, messages = finish(process)
        assert status == 128 + number, (at, messages)
        assert re.fullmatch("(stopped(: nothing was published, .*)?\n)?", messages), at
        assert published(store) == before
        require_at_rest(store)
    [stopped, *_, first] = describe_logs(store.logs)
    assert " stopped " in stopped
    assert " published " in first


def test_run_that_stands_still_ends_at_the_second_request_and_leaves_the_last_one(
    small: Path, store: Store
) -> None:
    publish(small, *words_of())
    before = published(store)
    with start_run(small, *words_of(2), at="standing still") as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "standing still\n"
        process.send_signal(signal.SIGTERM)
        assert "once more" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        status, messages = finish(process)
    assert (status, messages) == (
        143,
        "stopped at once: what was published before is whole\n",
    )
    assert published(store) == before
    publish(small, *words_of(2))
    require_at_rest(store)


def test_run_stopped_after_its_link_is_published(small: Path, store: Store) -> None:
    first, second = (publish(small, *words_of(n, n_kept=1)) for n in (1, 2))
    process = start_run(
        small,
        *words_of(3, n_kept=1),
        at=f"catalogs/{first.run.run_id}",  # looked at, to be removed, after the link
        number=signal.SIGINT,
    )
    status, messages = finish(process)
    assert (status, messages) == (
        130,
        "stopped: this run had been published\n",
    )
    current = read_current(store)
    assert current is not None
    assert store.linked == current.run_id > second.run.run_id
    last, *_ = describe_logs(store.logs)
    assert " published " in last


def test_read_only_store_can_be_read_and_says_why_it_cannot_be_written(
    small: Path, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    publish(small, *words_of())
    publish(small, *words_of(2))
    elsewhere = tmp_path_factory.mktemp("copy")
    for root in (small, elsewhere):
        with mounted("--bind", str(small), str(root)):
            subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
            for words in (
                ("sql", "SELECT count(*) AS n FROM features"),
                ("query", "costliest_drgs"),
                ("history",),
                ("history", "features"),
                ("runs",),
                ("plan", *SOURCE),
                ("run", "--dry-run", *SOURCE),
            ):
                result = invoke(root, *words)
                assert result.exit_code == 0, (words, result.output)
            for words in (("run", *SOURCE), ("gc",), ("verify",), ("restore", "-1")):
                result = invoke(root, *words)
                assert result.exit_code == 1, words
                require_one_error(result.stderr)
                assert "cannot be written" in result.stderr
                assert "Read-only file system" in result.stderr


def test_missing_object_has_an_exit_status_and_a_name(
    small: Path, store: Store
) -> None:
    report = publish(small)
    path = store.object("drgs", report.objects["drgs"].fingerprint)
    path.unlink()
    asked = invoke(small, "sql", "FROM features")
    assert asked.exit_code == 1
    assert f"error: {path}: the object of snapshot 'drgs' is missing" in asked.stderr
    verified = invoke(small, "verify")
    assert verified.exit_code == 1
    assert f"{path}: is missing" in verified.stdout
    assert invoke(small, "run", *SOURCE).exit_code == 0
    assert invoke(small, "verify").exit_code == 0
    assert invoke(small, "sql", "FROM drgs").exit_code == 0


@pytest.mark.parametrize("snapshot", ["quarantine", "discharges"])
def test_damaged_object_that_a_run_needs_is_named_and_made_again(
    small: Path, store: Store, snapshot: str
) -> None:
    report = publish(small)
    path = store.object(snapshot, report.objects[snapshot].fingerprint)
    path.write_bytes(bytes(path.stat().st_size))
    result = invoke(small, "run", *SOURCE, *words_of(2))
    assert result.exit_code == 0
    assert f"{path.name}: the object of snapshot '{snapshot}' holds" in result.stderr
    assert verify(store) == []


@pytest.mark.parametrize(
    "symlinks",
    [True, pytest.param(False, marks=pytest.mark.slow)],
    ids=["links", "no links"],
)
def test_copied_project_works_alone(small: Path, symlinks: bool) -> None:
    publish(small)
    copy = small.with_name(f"{small.name}-copy")
    shutil.copytree(small, copy, symlinks=symlinks)
    shutil.rmtree(small)
    assert invoke(copy, "sql", "FROM features").exit_code == 0
    assert invoke(copy, "run", *SOURCE, *words_of(2)).exit_code == 0
    assert verify(open_store(copy)) == []


def test_store_of_the_first_version_is_renewed_by_a_run(
    small: Path, store: Store
) -> None:
    old = store.folder / "runs" / "20251123T130000000000"
    old.mkdir(parents=True)
    with duckdb.connect(old / "snapshots.duckdb") as con:
        con.execute("CREATE VIEW features AS SELECT 1 AS x")
    store.catalog.symlink_to(Path("runs", old.name, "snapshots.duckdb"))
    result = invoke(small, "sql", "FROM features")
    assert result.exit_code == 1
    assert "hint: `just run` makes them" in result.stderr
    for words in (("history",), ("verify",), ("gc",), ("plan", *SOURCE)):
        assert invoke(small, *words).exit_code == 0
    assert (old / "snapshots.duckdb").exists()
    assert invoke(small, "run", *SOURCE, *words_of()).exit_code == 0
    assert not old.exists()
    assert invoke(small, "sql", "FROM features").exit_code == 0


def cut(root: Path) -> None:
    os.truncate(root / "data" / "raw.csv", 1000)


def add(root: Path) -> None:
    shutil.copy(root / "data" / "raw.csv", root / "data" / "raw2.csv")


@pytest.mark.parametrize("change", [cut, add])
def test_source_that_changes_while_it_is_read_is_refused(
    small: Path, store: Store, change: Callable[[Path], None]
) -> None:
    words = ("source.path=data/*.csv",)
    publish(small, *words, *words_of())
    before = published(store)
    shutil.copy(small / "data" / "raw.csv", small / "data" / "raw0.csv")
    # It has hashed the files by then, and has not read them.
    process = start_run(
        small, *words, *words_of(), at="objects/drgs", number=signal.SIGSTOP
    )
    wait_until_it_stands_still(process)
    change(small)
    process.send_signal(signal.SIGCONT)
    status, messages = finish(process)
    assert status == 5
    assert messages.startswith("error: ")
    assert "changed while it was being read" in messages
    assert published(store) == before
    require_at_rest(store)


def test_clock_that_was_set_back_does_not_bring_a_run_before_the_last(
    small: Path, store: Store
) -> None:
    now = datetime(2025, 11, 23, 13, tzinfo=UTC)
    publish(small)
    [first] = read_runs(store)
    runs = [first][:0]
    for moment in (now, now, now - timedelta(days=400), now + timedelta(seconds=1)):
        run_id = new_run_id(runs[-1].run_id if runs else "", moment)
        runs.append(msgspec.structs.replace(first, run_id=run_id))
    ids = [run.run_id for run in runs]
    assert ids == sorted(set(ids))
    assert ids[-1] == "r20251123_130001_000"
