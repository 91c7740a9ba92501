"""What holds of every command."""

import subprocess
import sys
from pathlib import Path

from tests.commands.conftest import SOURCE, invoke
from tests.conftest import ROOT


def test_mistake_is_printed_without_a_traceback(project: Path) -> None:
    result = invoke(project, "run", "lag_columns.perods=2")
    assert result.exit_code == 1
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
