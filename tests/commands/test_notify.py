import errno
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from pipeline.run import start
from tests.commands.conftest import SOURCE, invoke
from tests.commands.test_cli import README
from tests.conftest import LEAN, make_project

WARNED = ("--force", "--only", "drgs", "checks.drgs={rows: {exact: 7}, warn: [rows]}")
BROKEN = "checks.drgs={rows: {exact: 7}}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has run, in a folder with an odd name."""
    root = make_project(tmp_path_factory.mktemp("odd 'name' <b>"), 200, of=LEAN)
    first = invoke(root, "run", *SOURCE, "--on-success", "cat > first.json")
    assert first.exit_code == 0, first.output
    return root


def told(root: Path, name: str = "told") -> dict[str, Any]:
    """Take what a command was told that keeps it."""
    path = root / f"{name}.json"
    text = path.read_text()
    path.unlink()
    return json.loads(text)


def test_a_run_tells_what_it_has_published(root: Path) -> None:
    summary = told(root, "first")
    asked = "select min(run_id) as id, (select count(*) from discharges) as n"
    shown = invoke(root, "sql", "--format", "json", f"{asked} from meta.runs")
    [first] = json.loads(shown.stdout)
    assert {k: summary[k] for k in ("format", "status", "command", "exit_code")} == {
        "format": 1,
        "status": "success",
        "command": "run",
        "exit_code": 0,
    }
    assert summary["run_id"] == summary["published"] == first["id"]
    [discharges] = [s for s in summary["snapshots"] if s["name"] == "discharges"]
    assert discharges == {
        "name": "discharges",
        "rows": first["n"],
        "state": "computed",
    }
    assert summary["project"] == root.name
    assert summary["error"] is None
    again = invoke(root, "run", *SOURCE, "--on-success", "cat > told.json")
    assert "nothing to do" in again.stdout
    assert told(root)["run_id"] is None


def test_who_is_told_depends_on_how_it_ended(root: Path) -> None:
    kinds = ("success", "warning", "failure")
    every = [w for k in kinds for w in (f"--on-{k}", f"cat > told.json; touch {k}")]

    def ended(*words: str) -> tuple[int, list[str], dict[str, Any]]:
        code = invoke(root, "run", *SOURCE, *words).exit_code
        marks = [kind for kind in kinds if (root / kind).exists()]
        for kind in marks:
            (root / kind).unlink()
        return code, marks, told(root)

    code, who, summary = ended(*WARNED, *every)
    assert (code, who, summary["status"]) == (0, ["warning"], "warning")
    assert summary["warnings"] == ["drgs: rows.exact: expected 7 rows; found 29 rows"]
    [failed] = summary["checks_failed"]
    assert (failed["snapshot"], failed["check"]) == ("drgs", "rows.exact")
    assert (failed["severity"], failed["n_failures"]) == ("warn", 22)

    # Else who waits for a success would take it for a failure.
    code, who, summary = ended(*WARNED, *every[:2])
    assert (code, who, summary["status"]) == (0, ["success"], "warning")

    code, who, summary = ended(BROKEN, *every)
    assert (code, who, summary["status"]) == (3, ["failure"], "failure")
    assert summary["error"]["what"].endswith("1 check failed")
    assert "rows.exact: expected 7 rows; found 29 rows" in summary["error"]["found"]
    assert summary["error"]["hint"].startswith("mend the data or the stages")
    assert [c["severity"] for c in summary["checks_failed"]] == ["error"]
    assert summary["run_id"] > summary["published"]
    assert invoke(root, "runs", summary["run_id"]).exit_code == 0

    with FileLock(root / ".pipeline" / "lock"):
        code, who, summary = ended("--force", *every)
    assert (code, who, summary["exit_code"]) == (4, ["failure"], 4)


def test_the_configuration_names_whom_also_where_it_is_wrong(root: Path) -> None:
    path = root / "configs" / "pipeline.yaml"
    before = path.read_text()
    try:
        path.write_text(f"{before}\nnotify: {{failure: cat > told.json}}\nnosuch: 1\n")
        assert invoke(root, "run", *SOURCE).exit_code == 2
        assert "nosuch: no such stage or section" in str(told(root)["error"])
        path.write_text(f"{before}\nnotify: {{failure: cat > told.json}}\n")
        assert invoke(root, "run", *SOURCE).exit_code == 0
        assert not (root / "told.json").exists()
        assert invoke(root, "train", "ridge").exit_code == 2
        assert told(root)["command"] == "train"
        path.write_text(f"{before}\nnotify: [\n")
        result = invoke(root, "run", *SOURCE)
        assert result.exit_code == 2
        assert "nobody is told: `notify` cannot be read" in result.stderr
    finally:
        path.write_text(before)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("exit 7", "`notify.success` ended with exit code 7"),
        ("nosuch-command", "`notify.success` ended with exit code 127"),
        ("(sleep 60; touch late) & wait", "`notify.success` was ended after 1 s"),
        ("kill -9 $$", "`notify.success` ended with exit code -9"),
    ],
)
def test_what_becomes_of_the_telling_is_a_warning(
    root: Path, command: str, said: str
) -> None:
    started = time.monotonic()
    words = ("run", *SOURCE, "--on-success", command, "notify.limit_s=1")
    result = invoke(root, *words)
    assert result.exit_code == 0
    assert f"warning: {said}; the result is as it was\n" in result.stderr
    assert time.monotonic() - started < 30


def test_one_that_reads_nothing_does_no_harm(root: Path) -> None:
    result = invoke(root, "run", *SOURCE, "--on-success", "true")
    assert (result.exit_code, "warning" in result.stderr) == (0, False)


def test_that_there_is_no_project_is_told(root: Path) -> None:
    words = ("--project", "nosuch", "run", "--on-failure", "cat > told.json")
    assert invoke(root, *words).exit_code == 2
    assert told(root)["error"]["what"] == f"{root / 'nosuch'}: no project here"


def test_that_nobody_reads_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*_: object, **__: object) -> None:
        raise OSError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(start, "start", write)
    words = ("run", *SOURCE, "--on-failure", "cat > told.json")
    assert invoke(root, *words).exit_code == 1
    assert told(root)["error"]["what"] == "the output: nobody reads it any more"


def test_no_secret_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", 'nowhere-"quoted"-s3cret.csv')
    words = ("run", "source=csv", "source.path=${oc.env:PLACE}")
    assert invoke(root, *words, "--on-failure", "cat > told.json").exit_code == 5
    summary = told(root)
    assert "s3cret" not in json.dumps(summary)
    assert "${oc.env:PLACE}" in summary["text"]


def test_the_example_of_the_readme_reaches_a_webhook(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[Any] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            got.append((self.headers["Content-Type"], self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002

    [example] = re.findall(r"^  failure: >-\n((?:    .+\n)+)", README, re.MULTILINE)
    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setenv("SLACK_WEBHOOK", url)
        tell = f"notify.failure={' '.join(example.split())}"
        assert invoke(root, "run", "source.path=nosuch.csv", tell).exit_code == 5
        server.shutdown()
    [(kind, body)] = got
    assert kind == "application/json"
    [(name, text)] = json.loads(body).items()
    assert name == "text"
    assert text.startswith(f"{root.name}: run: failed with exit code 5: /")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_stops_it_by_hand_is_not_told(root: Path, number: signal.Signals) -> None:
    with FileLock(root / ".pipeline" / "lock"):
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pipeline", "run", *SOURCE, "--force"),
                *("--wait", "--on-failure", "cat > told.json"),
            ],
            cwd=root,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert "another run is writing" in process.stderr.readline()
        os.kill(process.pid, number)
        errors = process.communicate(timeout=60)[1]
    assert (process.returncode, errors) == (128 + number, "stopped\n")
    assert (root / "told.json").exists() == (number == signal.SIGTERM)
    if number == signal.SIGTERM:
        assert told(root)["exit_code"] == 143
