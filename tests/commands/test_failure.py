"""What nobody foresaw is said in words, and kept for us."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import click
import polars as pl
import pytest

from pipeline.commands.cli import main
from pipeline.commands.failure import describe_failure, settle_output
from pipeline.errors import ConfigError
from tests.commands.test_cli import invoke
from tests.conftest import ROOT


def panic() -> None:
    pl.DataFrame({"x": [b"\xff"]}).write_json()


def fill_memory() -> None:
    raise MemoryError


def recurse() -> None:
    recurse()


def lack_library() -> None:
    import no_such_library  # noqa: F401 # pyright: ignore[reportMissingImports, reportUnusedImport]


@pytest.mark.parametrize(
    ("fail", "said"),
    [
        (panic, "error: unexpected PanicException: not yet implemented: Writing"),
        (fill_memory, "error: out of memory\n"),
        (recurse, "error: unexpected RecursionError: maximum recursion depth"),
        (lack_library, "error: a library cannot be used: No module named 'no_such_lib"),
    ],
)
def test_what_nobody_foresaw_is_said_and_its_traceback_kept(
    project: Path, monkeypatch: pytest.MonkeyPatch, fail: object, said: str
) -> None:
    assert callable(fail)
    monkeypatch.setitem(main.commands, "fail", click.Command("fail", callback=fail))
    result = invoke(project, "fail")
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output
    place = result.stderr.rpartition("the traceback is in ")[2].strip()
    assert "Traceback" in (project / place).read_text(encoding="utf-8")
    assert "Traceback" in invoke(project, "--verbose", "fail").stderr


def test_a_traceback_that_cannot_be_kept_is_still_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = describe_failure(ValueError("why"), is_told=False)
    assert said.endswith("hint: --verbose shows the traceback")
    assert "Traceback" not in said
    assert describe_failure(ConfigError("a: b"), is_told=True) == "a: b"


def test_what_cannot_be_written_or_imported_ends_in_words(project: Path) -> None:
    def run(code: str, **environment: str) -> tuple[int, str]:
        with Path("/dev/full").open("w") as full:
            result = subprocess.run(
                [sys.executable, "-c", code],
                cwd=project,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        return result.returncode, result.stderr

    code = "import sys; sys.argv = ['pipeline', '--help']\n{}\n"
    code += "from pipeline.__main__ import start; start()"
    returncode, said = run(code.format(""))
    assert (returncode, said.count("\n")) == (1, 2)
    assert said.startswith("error: the output, or a file: [Errno 28] No space left")
    returncode, said = run(code.format("sys.modules['click'] = None"))
    assert (returncode, said.count("\n")) == (1, 3)
    assert said.startswith("error: a library cannot be used: import of click halted")


@pytest.mark.parametrize(
    ("stream", "words", "said"),
    [
        ("stdout", ["--help"], "error: the output, or a file: not writable"),
        ("stdin", ["sql"], "error: "),
    ],
)
def test_a_closed_output_or_input_is_said(
    stream: str, words: list[str], said: str
) -> None:
    code = f"import sys; sys.{stream} = None; sys.argv = ['pipeline', *{words}]\n"
    code += "from pipeline.__main__ import start; start()"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert result.returncode == 1
    assert result.stderr.startswith(said)
    assert "unexpected" not in result.stderr


def test_a_terminal_that_lacks_a_character_gets_it_escaped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
    settle_output()
    sys.stdout.write("Größe in € \udcff")
    sys.stdout.flush()
    assert written.getvalue() == "Größe in \\u20ac \\udcff".encode("latin-1")


def test_bytes_that_are_no_text_are_refused(project: Path) -> None:
    result = invoke(project, "run", os.fsdecode(b"source.path=a\xff"))
    assert result.exit_code == 2
    assert "expected UTF-8, found 'source.path=a\\udcff'" in result.stderr


def test_what_may_not_be_read_says_what_to_change() -> None:
    error = PermissionError(errno.EACCES, "Permission denied", "queries/x.sql")
    said = describe_failure(error, is_told=False)
    assert said == "queries/x.sql: Permission denied\nhint: change its permissions"
