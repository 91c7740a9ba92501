"""A stop is answered while a library is at work; memory and room suit Polars."""

import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.process import require_room, reuse_freed_memory
from tests.conftest import ROOT

# Waits for itself in the C library, as Polars once did: no signal is looked at there.
# It says so once it does, as no other thread comes to its turn before.
STANDS_STILL = """
import ctypes
import sys
import threading

from pipeline.__main__ import start
from pipeline.commands.cli import main


@main.command()
def stand() -> None:
    lock = ctypes.CDLL(None).pthread_mutex_lock
    mutex = (ctypes.c_char * 64)()
    lock(mutex)
    stands = threading.Event()
    say = lambda: stands.wait() and print("standing still", flush=True)
    threading.Thread(target=say, daemon=True).start()
    sys.setswitchinterval(60)
    stands.set()
    lock(mutex)


start()
"""

LOSES_THE_STOP = """
import os
import signal
import time

from pipeline.commands.cli import main
from pipeline.process import stop_in_order


@main.command()
def lose() -> None:
    try:
        os.kill(os.getpid(), signal.{name})
        while True:  # in a pause, a signal that came just before would be missed
            time.sleep(0.01)
    except KeyboardInterrupt:
        raise KeyError("half of a library") from None


stop_in_order()
main(["lose"])
"""


def test_command_says_that_it_was_stopped_though_a_library_lost_the_stop() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        code = LOSES_THE_STOP.format(name=number.name)
        words = [sys.executable, "-c", code]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (128 + number, "stopped\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_second_request_ends_what_does_not_answer_the_first(
    number: signal.Signals,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STANDS_STILL, "stand"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "standing still\n"
        process.send_signal(number)
        process.send_signal(number)  # as a shell that passes it on does
        told = process.stderr.readline()
        assert told == "still stopping; Ctrl-C once more ends it at once\n"
        process.send_signal(number)
        _, messages = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert messages == "stopped at once: what was published before is whole\n"


QUERY = """
from pipeline.process import stop_in_order, stop_status, when_asked

stop_in_order()  # before a library starts threads

import os
import signal
import threading
import time

from pipeline.snapshots.core import duckdb
from pipeline.snapshots.result import plan, write_result

with duckdb.connect() as con:
    con.execute("SET enable_progress_bar = false")
    began = time.process_time()

    def strike():
        while time.process_time() - began < 0.3:  # at work by then
            time.sleep(0.01)
        os.kill(os.getpid(), signal.{name})

    threading.Thread(target=strike, daemon=True).start()
    try:
        with when_asked(con.interrupt):
            write_result(plan(con, "{sql}"), {format!r}, None)
    except KeyboardInterrupt:
        print("stopped", stop_status(), con.execute("SELECT 1").fetchall())
"""
ENDLESS = (
    "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range*b.range=-1"
)


@pytest.mark.parametrize(
    ("number", "format_"), [(signal.SIGINT, "table"), (signal.SIGTERM, "csv")]
)
def test_query_ends_when_asked_and_leaves_the_connection(
    number: signal.Signals, format_: str
) -> None:
    code = QUERY.format(name=number.name, sql=ENDLESS, format=format_)
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.stdout) == ("", f"stopped {128 + number} [(1,)]\n")


IS_INTERRUPTED_WHILE_IT_IMPORTS = """
import sys
from pathlib import Path

from pipeline import process
from pipeline.process import stop_in_order, stop_status

# The import takes twice as long as two requests may be apart to be one.
process._AGAIN_S = 0.1
Path(sys.argv[1], "slow.py").write_text(
    "import os, signal, time\\n"
    "os.kill(os.getpid(), signal.SIGINT)\\n"
    "end = time.monotonic() + 0.2\\n"
    "while time.monotonic() < end: pass\\n"
    "print('imported', flush=True)\\n"
)
sys.path.insert(0, sys.argv[1])
stop_in_order()
try:
    import slow
    while True:
        pass
except KeyboardInterrupt:
    sys.exit(stop_status())
"""


def test_an_import_ends_before_a_stop_is_answered(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", IS_INTERRUPTED_WHILE_IT_IMPORTS, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout, result.returncode) == ("imported\n", 130), result.stderr


VARIABLE = "_RJEM_MALLOC_CONF"


def test_memory_is_reused_in_one_arena_per_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    reuse_freed_memory()
    assert environment == {
        VARIABLE: "narenas:12,dirty_decay_ms:2000,oversize_threshold:0"
    }


def test_a_setting_of_the_users_own_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "narenas:1")
    reuse_freed_memory()
    assert os.environ[VARIABLE] == "narenas:1"


def test_it_is_set_before_polars_is_loaded() -> None:
    code = "import sys, pipeline.__main__; print('polars' in sys.modules)"
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    assert printed == "False\n"


@pytest.mark.parametrize("n", ["0", "00", "99999"])
def test_threads_that_polars_cannot_have_are_refused(
    monkeypatch: pytest.MonkeyPatch, n: str
) -> None:
    monkeypatch.setenv("POLARS_MAX_THREADS", n)
    with pytest.raises(ConfigError, match=f"expected 1 to 1024, found {n}"):
        require_room()


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (resource.RLIMIT_AS, "the address space is limited to 600 MiB (`ulimit -v`)"),
        (
            resource.RLIMIT_DATA,
            "the memory for data is limited to 600 MiB (`ulimit -d`)",
        ),
    ],
)
def test_a_small_room_for_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: int, found: str
) -> None:
    limits = {kind: (600 << 20, 600 << 20)}
    none = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits.get(kind, none))
    with pytest.raises(ConfigError, match=re.escape(found)):
        require_room()
