"""What holds of every command."""

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


def test_help_imports_no_dataframes() -> None:
    code = (
        "import sys; from pipeline.commands.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "slow = {'polars', 'duckdb', 'numpy', 'omegaconf', 'msgspec'}\n"
        "loaded = slow & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.PIPE
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
            check=True,
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
