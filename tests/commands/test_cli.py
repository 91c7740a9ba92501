"""What holds of every command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from tests.commands.conftest import SOURCE, invoke
from tests.conftest import LEAN, ROOT, make_project

README = (ROOT / "pipeline" / "commands" / "README.md").read_text()


def test_mistake_is_printed_without_a_traceback(project: Path) -> None:
    result = invoke(project, "run", "lag_columns.perods=2")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: configuration: 1 mistake")
    assert "Traceback" not in result.output


IMPORTS = """
import sys
from pipeline.commands.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    print(*(name.partition(".")[0] for name in sys.modules))
    print(*(name for name in sys.modules if name.endswith("_cli")))
"""
FRAMES = {"polars", "duckdb", "numpy", "pyarrow", "omegaconf", "yaml", "filelock"}
"""What takes long to import: `duckdb` is more than what answers SQL, `_duckdb`."""


@pytest.mark.parametrize(
    ("words", "never", "of"),
    [
        (("--help",), {"_duckdb", "msgspec"}, None),
        (("sqll",), {"_duckdb", "msgspec"}, ""),
        (("complete", "sql", "from dr"), {"_duckdb", "msgspec"}, "ask_cli"),
        (("runs",), {"_duckdb"}, "history_cli"),
        (("history",), {"_duckdb"}, "history_cli"),
        (("diff", "drgs", "nosuch"), {"_duckdb"}, "history_cli"),
        (("diff", "nosuch", "latest"), {"_duckdb"}, "history_cli"),
        (("query", "costliest_drg"), {"_duckdb"}, "ask_cli"),
        (("query", "costliest_drgs"), set[str](), "ask_cli"),
        (("sql", "from drgs limit 2"), set[str](), "ask_cli"),
    ],
)
def test_a_command_imports_only_what_it_needs(
    published: Path, words: tuple[str, ...], never: set[str], of: str | None
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *words],
        cwd=published,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    *_, libraries, modules = done.stdout.splitlines()
    assert not (FRAMES | never) & {*libraries.split()}
    if of is not None:
        assert modules == (f"pipeline.commands.{of}" if of else "")


@pytest.mark.parametrize("words", [("show", "lag_columns"), ("run", "--force")])
def test_rows_are_computed_and_shown_without_arrays(
    published: Path, words: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *words, *SOURCE],
        cwd=published,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    *_, libraries, _ = done.stdout.splitlines()
    assert {"numpy", "pyarrow"}.isdisjoint(libraries.split())


ENDS = """
import atexit, sys, threading, time
from pipeline.__main__ import start
from pipeline.commands.cli import main


class Told:
    def __del__(self):
        print("taken apart")


@main.command()
def end():
    atexit.register(print, "registered")
    threading.Thread(target=lambda: [time.sleep(0.1), print("thread")]).start()
    sys.exit(3)


told, sys.argv = Told(), ["pipeline", "end"]
start()
"""


def test_a_command_ends_at_once_and_loses_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        3,
        "thread\nregistered\n",
        "",
    )


def test_quiet_and_verbose_choose_what_is_told(project: Path) -> None:
    override = "checks.drgs={rows: {exact: 7}, warn: [rows]}"
    verbose = invoke(project, "--verbose", "run", *SOURCE, override)
    assert "agg_severities: 2605 rows" in verbose.stderr
    assert "warning: drgs: rows.exact" in verbose.stderr
    quiet = invoke(project, "--quiet", "run", "--force", *SOURCE, override)
    assert quiet.stderr.splitlines() == [
        line for line in quiet.stderr.splitlines() if line.startswith("warning")
    ]


def test_warnings_of_libraries_do_not_reach_the_terminal() -> None:
    lines = (
        "import contextlib, sys, warnings, pipeline.__main__",
        "sys.argv = ['pipeline', '--version']",
        "with contextlib.suppress(SystemExit): pipeline.__main__.start()",
        "warnings.warn('CSV malformed: expected 0 rows, actual 7 rows')",
    )
    for options, is_shown in ((), False), (("-W", "default"), True):
        done = subprocess.run(
            [sys.executable, *options, "-c", "\n".join(lines)],
            cwd=ROOT,
            check=False,
            capture_output=True,
        )
        assert (b"CSV malformed" in done.stderr) == is_shown


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two runs that differ."""
    root = make_project(tmp_path_factory.mktemp("changed"), 200, of=LEAN)
    for words in ((), ("drop_rare_drgs.min_total=1",)):
        assert invoke(root, "run", *SOURCE, *words).exit_code == 0
    return root


@pytest.mark.parametrize(
    ("code", "words", "said"),
    [
        (0, ("run", *SOURCE, "drop_rare_drgs.min_total=1"), "nothing to do"),
        (1, ("diff", "discharges"), "59 added"),
        (1, ("restore", "nosuch"), "error: "),
        (2, ("diff", "features", "nosuch"), "error: "),
        (2, ("run", "--nosuch"), "Error: No such option"),
        (2, ("run", "--wait=nan"), "expected 0 seconds or more, found nan"),
        (2, ("run", *SOURCE, "lag_columns.perods=2"), "error: configuration:"),
        (3, ("run", *SOURCE, "checks.drgs={rows: {exact: 7}}"), "expected 7 rows"),
        (5, ("run", "source.path=nosuch.csv"), "error: "),
    ],
)
def test_the_exit_code_says_how_a_command_ended(
    changed: Path, code: int, words: tuple[str, ...], said: str
) -> None:
    result = invoke(changed, *words)
    assert result.exit_code == code, result.output
    assert said in result.output
    assert re.search(rf"^\| {code} \|", README, re.MULTILINE)


@pytest.mark.parametrize("words", [("run", *SOURCE), ("gc",), ("verify",)])
def test_who_finds_another_process_at_work_ends_with_4(
    changed: Path, words: tuple[str, ...]
) -> None:
    with FileLock(changed / ".pipeline" / "lock"):
        refused = invoke(changed, *words)
        waited = invoke(changed, *words, "--wait=0.01")
    assert (refused.exit_code, waited.exit_code) == (4, 4)
    assert "another run is writing, another process\nhint: wait " in refused.stderr
    assert "waited 0.01 s for it" in waited.stderr
    assert invoke(changed, *words, "--wait").exit_code == 0
