"""The line of a terminal: what stands on it, that it goes, and when there is none."""

import os
import pty
import signal
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import click
import pytest

from pipeline import progress
from pipeline.commands.cli import main
from pipeline.log import LOG
from pipeline.progress import (
    Line,
    Step,
    doing,
    each,
    fitted,
    hidden,
    numbered,
    shown,
    stop,
)
from tests.conftest import ROOT, make_project
from tests.modeling.conftest import LENIENT
from tests.terminal import Terminal, resize, screen


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Step]]:
    found = [Step("run")]
    monkeypatch.setattr(progress, "_steps", found)
    yield found
    assert [step.what for step in found] == ["run"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.delenv("CI", raising=False)
    found = Terminal(40)
    yield found
    found.close()


@contextmanager
def standard(stream: TextIO) -> Generator[None]:
    """Make a stream that of all that is printed."""
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = stream
    try:
        yield
        assert (sys.stdout, sys.stderr) == (stream, stream)
    finally:
        sys.stdout, sys.stderr = before


@contextmanager
def command_on(stream: TextIO) -> Generator[Line | None]:
    """Run a command whose standard streams are a stream; give the line, if any."""
    with standard(stream), shown("command"):
        yield progress._line


def test_command_is_named_where_nothing_is_known_inside(steps: list[Step]) -> None:
    assert fitted(steps, 80, "utf-8") == "run  0 s"
    with doing("tuning ridge") as step:
        assert fitted(steps, 80, "utf-8") == "tuning ridge  0 s"
        step.say("3 of 40")
        for _ in each(["a"], "folds"):
            text = "tuning ridge: 3 of 40 > folds: 1 of 1  0 s"
            assert fitted(steps, 80, "utf-8") == text
    with doing("reading", lambda: 1 // 0 * "never"):
        assert fitted(steps, 80, "utf-8") == "reading  0 s"


def test_what_is_done_already_counts(steps: list[Step]) -> None:
    seen = [fitted(steps, 80, "utf-8") for _ in numbered("ab", "parts", 4, first=3)]
    assert seen == ["parts: 3 of 4  0 s", "parts: 4 of 4  0 s"]


@pytest.mark.usefixtures("steps")
def test_step_that_fails_is_over() -> None:
    with pytest.raises(ZeroDivisionError), doing("reading"):
        raise ZeroDivisionError
    for item in each([1, 2], "items"):
        if item == 1:
            break


@pytest.mark.parametrize("what", ["tuning lightgbm", "数据" * 9, "e\u0301" * 30])
@pytest.mark.parametrize("n_columns", [4, 9, 17, 18, 77])
def test_line_fits_into_any_terminal_and_shows_the_outer_step(
    what: str, n_columns: int, steps: list[Step]
) -> None:
    steps += [Step(what), Step("folds")]
    text = fitted(steps, n_columns, "utf-8")
    shown = screen(text.replace("\u0301", ""), n_columns)
    assert len(shown) == 1
    assert shown[0].endswith("0 s" if n_columns > 4 else "")
    if n_columns == 18:
        assert text.startswith(what[0])
        assert "folds" not in text
    del steps[1:]


@pytest.mark.parametrize(
    ("n_columns", "expected"),
    [
        (77, "tuning ridge: trial 2 of 9, best 1.5k > folds > rounds: 3 of 40  0 s"),
        (60, "tuning ridge: trial 2 of 9 > folds > rounds: 3 of 40  0 s"),
        (54, "tuning ridge: trial 2 of 9 > rounds: 3 of 40  0 s"),
        (37, "tuning ridge: trial 2 of 9  0 s"),
        (17, "trial 2 of 9  0 s"),
        (15, "trial 2 of 9"),
        (11, "tria..  0 s"),
    ],
)
def test_narrow_line_keeps_the_outer_steps_and_their_numbers(
    n_columns: int, expected: str, steps: list[Step]
) -> None:
    with doing("tuning ridge") as study, doing("folds"), doing("rounds") as rounds:
        study.say("trial 2 of 9, best 1.5k")
        rounds.say("3 of 40")
        assert fitted(steps, n_columns, "utf-8") == expected


def test_names_are_written_in_what_a_terminal_has(steps: list[Step]) -> None:
    with doing("reading \x1b[2Jgröße"):
        assert fitted(steps, 80, "latin-1") == "reading ?[2Jgröße  0 s"
        assert fitted(steps, 80, "ascii") == "reading ?[2Jgr??e  0 s"


@pytest.mark.parametrize("n_columns", [20, 80])
def test_line_leaves_no_trace_between_lines_that_are_printed(
    n_columns: int, terminal: Terminal
) -> None:
    resize(terminal.file, n_columns)
    terminal.n_columns = n_columns
    what = "what takes long and is told at length"
    with command_on(terminal.stream) as line, doing(what):
        assert line
        line.draw()
        assert terminal.seen()[0].endswith("0 s")
        print("first")  # noqa: T201
        line.draw()
        sys.stderr.write("no end")
        line.draw()
        sys.stderr.write(" yet\n")
        line.draw()
    assert "\x1b" not in terminal.read()
    assert terminal.seen() == ["first", "no end yet", ""]


def test_bytes_and_questions_come_where_there_is_no_line(terminal: Terminal) -> None:
    with command_on(terminal.stream) as line:
        assert line
        line.draw()
        with hidden():
            assert terminal.seen() == [""]
            line.draw()
            assert terminal.seen() == [""]
        line.draw()
        assert terminal.seen() == ["command  0 s"]
        sys.stdout.buffer.write(b"a,b\n")
        sys.stdout.buffer.flush()
        line.draw()
    assert terminal.seen() == ["a,b", ""]


def test_lines_of_several_threads_stay_whole(terminal: Terminal) -> None:
    def write(line: Line, name: str) -> None:
        for number in range(10):
            sys.stderr.write(f"{name} says {number}\n")
            line.draw()

    with command_on(terminal.stream) as line:
        assert line
        threads = [threading.Thread(target=write, args=(line, name)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    expected = [f"{name} says {number}" for name in "abcd" for number in range(10)]
    assert sorted(terminal.seen()) == ["", *expected]


def test_nothing_is_drawn_once_it_is_to_stop(terminal: Terminal) -> None:
    with command_on(terminal.stream) as line:
        assert line
        line.draw()
        stop()
        line.draw()
        assert terminal.seen() == [""]


def test_nothing_is_drawn_for_the_quiet(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOG, "handlers", [*LOG.handlers])
    seen: list[str] = []

    @click.command()
    def draw() -> None:
        assert progress._line
        progress._line.draw()
        seen.append(terminal.seen()[-1])

    monkeypatch.setitem(main.commands, "draw", draw)
    for words in (["draw"], ["--quiet", "draw"]):
        with standard(terminal.stream):
            main(words, standalone_mode=False)
    assert seen == ["draw  0 s", ""]


def test_nothing_is_drawn_in_ci_nor_in_a_pipe(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (ROOT / "LICENSE").open() as no_terminal, command_on(no_terminal) as line:
        assert line is None
    monkeypatch.setenv("CI", "true")
    with command_on(terminal.stream) as line:
        assert line is None


def test_terminal_that_is_gone_stops_nobody(terminal: Terminal) -> None:
    os.close(terminal.file)
    line = Line(terminal.stream)
    line.draw()
    line.wipe()


def run_in_terminal(root: Path, *words: str, n_columns: int = 60) -> tuple[str, float]:
    """Run a command in a terminal; give all it wrote, and its longest silence.

    That is told in seconds of processors, which a busy machine makes no longer.
    """
    pid, file = pty.fork()
    if pid == 0:
        os.chdir(root)
        env = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "dumb", "CI": ""}
        program = [sys.executable, "-m", "pipeline"]
        os.execvpe(sys.executable, [*program, *words], env)
    resize(file, n_columns)
    written, silence, last_s = b"", 0.0, 0.0
    with suppress(OSError):  # the other end is closed
        while block := os.read(file, 65536):
            written += block
            busy_s = used_s(pid)
            silence, last_s = max(silence, busy_s - last_s), busy_s
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, written.decode()
    os.close(file)
    return written.decode(), silence


def used_s(pid: int) -> float:
    """Say what a process has used of the processors."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_no_step_to_a_forecast_is_silent(tmp_path: Path) -> None:
    root = make_project(tmp_path)
    words = ("source=csv", "source.path=data/raw.csv", "trials=2", *LENIENT)
    text, silence = run_in_terminal(root, "pipeline", "ridge", *words)
    assert silence < 1.5  # two processors can use as much within 0.75 s
    for step in ("auditing the features", "tuning ridge: trial 1 of 2"):
        assert step in text
    left = [line for line in screen(text, 60) if line.endswith(" s") and " > " in line]
    assert not left


@pytest.mark.slow
def test_ctrl_c_leaves_no_trace_but_its_own(tmp_path: Path) -> None:
    root = make_project(tmp_path)
    pid, file = pty.fork()
    if pid == 0:
        os.chdir(root)
        env = os.environ | {"PYTHONPATH": str(ROOT), "CI": ""}
        os.execvpe(sys.executable, [sys.executable, "-m", "pipeline", "audit"], env)
    written = b""
    while b"auditing" not in written:
        written += os.read(file, 65536)
    os.kill(pid, signal.SIGINT)
    with suppress(OSError):  # the other end is closed
        while block := os.read(file, 65536):
            written += block
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    assert [line for line in screen(written.decode(), 80) if line][-1] == "stopped"
