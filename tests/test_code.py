"""The project's own code, as part of what a result depends on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import code


def test_edit_within_a_second_and_of_the_same_size_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python alone would take the cached module for that of the edited file."""
    package = tmp_path / "package"
    package.mkdir()
    module = package / "value.py"
    monkeypatch.setattr(code, "PACKAGE", package)

    def imported(text: str) -> str:
        module.write_text(text)
        os.utime(module, ns=(now, now))
        result = subprocess.run(
            [sys.executable, "-c", "from package.value import VALUE; print(VALUE)"],
            cwd=tmp_path,
            env={k: v for k, v in os.environ.items() if "BYTECODE" not in k},
            capture_output=True,
            text=True,
            check=True,
        )
        return result.stdout.strip()

    module.touch()
    now = module.stat().st_mtime_ns
    assert imported("VALUE = 1\n") == "1"
    assert imported("VALUE = 2\n") == "1"
    code.forget_racy_bytecode()
    assert imported("VALUE = 2\n") == "2"


def test_imports_of_a_module_reach_its_helpers() -> None:
    needed = code.imports_of("pipeline/transforms/lag_columns.py")
    assert {"pipeline/panel.py", "pipeline/config.py", "pipeline/errors.py"} <= needed
    assert "pipeline/cli.py" not in needed
    assert needed <= set(code.code_hashes())


def test_only_what_readers_see_leaves_the_meaning_of_a_module() -> None:
    source = "def f(x):\n    return x + 1\n"
    noted = '''"""A module."""


# Why.
def f( x ):  # what
    """Add one."""
    return x+1
    """Of an attribute."""
'''
    assert code.meaning_of(noted) == code.meaning_of(source)
    assert code.meaning_of(source.replace("1", "2")) != code.meaning_of(source)
    assert code.meaning_of('X = "a"') != code.meaning_of('X = "b"')
