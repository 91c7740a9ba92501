"""A server answers many at once, follows the champion, and ends in order."""

import asyncio
import http.client
import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from pipeline.errors import ModelError
from pipeline.modeling.tracking.tracking import database
from pipeline.plan.serving import Serving
from pipeline.serving import serve as following
from pipeline.serving.app import State, make_app
from pipeline.serving.serve import _follow, listen
from tests.conftest import ROOT
from tests.serving.asgi import ask

WORDS = ("--profile", "ci", "source=csv", "source.path=data/raw.csv")


def test_a_port_that_is_taken_is_said_to_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            ModelError, match=f"127.0.0.1:{port}: cannot be listened on"
        ):
            listen("127.0.0.1", port)


def test_a_champion_that_is_gone_stays_and_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    of_one, of_two = (SimpleNamespace(uri=f"models:/m/{n}") for n in (1, 2))
    seen: list[str | None] = []
    times = count()
    state = State(Serving())
    found = iter([of_one, ModelError("gone"), ModelError("gone"), of_one, of_two])

    def look(_: object) -> object:
        seen.append(state.stays)
        version = next(found, KeyError("no more"))
        if isinstance(version, Exception):
            raise version
        return version

    async def load(_: object, version: Any, *__: object) -> Any:
        return SimpleNamespace(version=version, pool=SimpleNamespace(end=int))

    monkeypatch.setattr(following, "_LOOK_S", 0)
    monkeypatch.setattr(following, "_changed_at", lambda _: (next(times),))
    monkeypatch.setattr(following, "database", Path)
    monkeypatch.setattr(following, "champion_of", look)
    monkeypatch.setattr(following, "load", load)
    settings: Any = SimpleNamespace(root="")
    said: list[str] = []
    with TemporaryDirectory() as work, pytest.raises(KeyError, match="no more"):
        asyncio.run(_follow(settings, state, [], Path(work), said.append))
    assert seen == [None, None, "gone", "gone", None, None]
    assert said == ["models:/m/1 is ready", "models:/m/2 is ready"]
    assert caplog.messages == ["models:/m/1 stays: gone"]
    text = state.metrics.written(None, 0)
    assert "pipeline_champions_not_loaded_total 1\n" in text
    state.stays = "gone"
    state.champion = SimpleNamespace(  # pyright: ignore[reportAttributeAccessIssue]
        version=SimpleNamespace(name="m", number=2), pool=SimpleNamespace(n_alive=1)
    )
    ready = ask(make_app(state), "GET", "/ready")
    assert (ready.status, ready.json["version"]) == (200, 2)
    assert ready.json["warning"].startswith("the last champion stays")


class Client(threading.Thread):
    """Asks the same again and again, over one connection."""

    def __init__(self, port: int, body: bytes, ending: threading.Event) -> None:
        super().__init__()
        self.port, self.body, self.ending = port, body, ending
        self.found: list[tuple[int, Any]] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with closing(connection) as asked:
            while not self.ending.is_set():
                headers = {"Content-Type": "text/csv"}
                asked.request("POST", "/predict", self.body, headers)
                answer = asked.getresponse()
                self.found.append((answer.status, json.loads(answer.read())))


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_ready(port: int) -> bool:
    """Tell whether a server answers."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as asked:
        asked.request("GET", "/ready")
        answer = asked.getresponse()
        answer.read()
        return answer.status == 200


def second_version(root: Path) -> None:
    """Register the same model once more, and make it champion, as a promotion does."""
    with closing(sqlite3.connect(database(root))) as store:
        for table in ("model_versions", "model_version_tags"):
            names = [r[1] for r in store.execute(f"PRAGMA table_info({table})")]
            values = ", ".join("2" if name == "version" else name for name in names)
            store.execute(f"INSERT INTO {table} SELECT {values} FROM {table}")
        store.execute("UPDATE registered_model_aliases SET version = 2")
        store.commit()


@pytest.mark.slow
def test_many_are_answered_while_the_champion_changes(
    promoted: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(promoted, tmp_path / "a=b '<c>'", symlinks=True)
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "pipeline", "--project", str(root)),
            *("serve", "--port", "0", "--workers", "2", *WORDS),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        [port] = map(int, re.findall(r":(\d+)/", server.stdout.readline()))
        wait_for(lambda: is_ready(port))
        table = pl.read_csv(root / "data" / "raw.csv", infer_schema=False)
        last = table.filter(pl.col("Year") == "2017")
        bodies = [
            last.filter(pl.col("Facility Id") == one).write_csv().encode()
            for one in last["Facility Id"].unique().sort()[:12]
        ]
        ending = threading.Event()
        clients = [Client(port, body, ending) for body in bodies]
        for client in clients:
            client.start()
        wait_for(lambda: all(client.found for client in clients))
        second_version(root)
        wait_for(lambda: all(c.found[-1][1].get("version") == 2 for c in clients))
        ending.set()
        for client in clients:
            client.join()
        for client in clients:
            assert {status for status, _ in client.found} == {200}
            versions = [answer["version"] for _, answer in client.found]
            assert versions == sorted(versions)
            assert {*versions} == {1, 2}
            predictions = {
                tuple(row["prediction"] for row in answer["predictions"])
                for _, answer in client.found
            }
            assert len(predictions) == 1
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.communicate()
