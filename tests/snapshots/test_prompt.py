"""The prompt, at a terminal of its own."""

import os
import pty
import re
import select
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.snapshots.prompt import HISTORY
from pipeline.snapshots.store import open_store
from tests.conftest import ROOT

ENDLESS = (
    "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range*b.range=-1"
)

# As `just` does: waits in the same group of processes, and is sent each Ctrl-C, too.
PARENT = """
trap 'echo parent interrupted' INT
"$1" -m pipeline sql
echo "left with $?"
"""


class Terminal:
    """A prompt, and what it has shown since it was last looked at."""

    def __init__(self, root: Path) -> None:
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.chdir(root)
            env = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "dumb"}
            os.execvpe("sh", ["sh", "-c", PARENT, "sh", sys.executable], env)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self.file, text.encode(errors="surrogateescape"))

    def busy_s(self) -> float:
        """Say what the prompt's process has used of the processors."""
        [child] = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def expect(self, pattern: str, within_s: float = 60) -> str:
        """Wait until something is there; give what was before it."""
        end = time.monotonic() + within_s
        while not (match := re.search(pattern, self.seen)):
            assert time.monotonic() < end, (pattern, self.seen)
            if select.select([self.file], [], [], 0.1)[0]:
                self.seen += os.read(self.file, 65536).decode(errors="replace")
        before, self.seen = self.seen[: match.start()], self.seen[match.end() :]
        return before


@pytest.fixture
def terminal(published: Path, tmp_path: Path) -> Iterator[Terminal]:
    shutil.copytree(published, tmp_path / "copy", symlinks=True)
    terminal = Terminal(tmp_path / "copy")
    terminal.expect("sql> ")
    yield terminal
    os.close(terminal.file)
    os.waitpid(terminal.pid, 0)


def test_prompt_completes_keeps_ends_and_leaves(
    terminal: Terminal, tmp_path: Path
) -> None:
    for typed, answer in (
        ("SELECT 40\n + 2 AS answer;", "42"),
        ("SELECT nope;", '"nope" was not found'),
        ("SELECT median_ch\t FROM dischar\t;", "3\\.0"),
        ("FROM dischar\t d\nSELECT d.median_ch\t;", "3\\.0"),
        ("SELECT '\udcff';", "a byte that is not UTF-8"),
        (".tables", "discharges"),
        (".vertical\nSELECT 43 AS answer;", "row 1\\s+answer  43"),
        (".vertical\nSELECT 44 AS answer;", "----\\s+44"),
        ("help", "describe NAME;"),
    ):
        terminal.type(f"{typed}\n")
        terminal.expect(answer)
        terminal.expect("sql> ")
    before_s = terminal.busy_s()
    terminal.type(f"{ENDLESS};\n")
    terminal.expect("range=-1;")
    while terminal.busy_s() < before_s + 0.3:
        time.sleep(0.01)
    terminal.type("\x03")
    terminal.expect("stopped\\s+sql> ", within_s=10)
    terminal.type("SELECT 'still' || ' here' AS a;\n")
    terminal.expect("still here")
    terminal.type("quit\n")
    assert "interrupted" not in terminal.expect("left with 0")
    history = open_store(tmp_path / "copy").folder / HISTORY
    assert history.read_bytes().startswith(
        b"SELECT 40\n + 2 AS answer;\nSELECT nope;\n"
    )


def test_prompt_leaves_at_the_end_of_its_input(terminal: Terminal) -> None:
    terminal.type("SELECT 1 AS x;\n")
    terminal.expect("sql> ")
    terminal.type("\x04")
    terminal.expect("left with 0")
