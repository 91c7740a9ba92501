"""The project's own code, as part of what a result depends on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.plan import code


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
    assert code.forget_racy_bytecode(package)
    assert imported("VALUE = 2\n") == "2"
    now -= 10**10  # as of an edit long after, by what keeps the time of the file
    assert imported("VALUE = 3\n") == "3"
    assert not code.forget_racy_bytecode(package)
    assert imported("VALUE = 4\n") == "3"
    assert code.forget_racy_bytecode(package)
    assert imported("VALUE = 4\n") == "4"


def test_imports_of_a_module_reach_its_helpers() -> None:
    needed = code.imports_of("pipeline/transforms/lag_columns.py")
    assert {
        "pipeline/panel/past.py",
        "pipeline/config.py",
        "pipeline/errors.py",
    } <= needed
    assert "pipeline/commands/cli.py" not in needed
    assert needed <= set(code.code_hashes())


def test_own_transformations_of_a_project_are_code_as_the_packages_are(
    tmp_path: Path,
) -> None:
    own = tmp_path / "transforms"
    own.mkdir()
    (own / "add_value.py").write_text(
        "from transforms._value import VALUE\nfrom pipeline.panel import past\n"
    )
    (own / "_value.py").write_text("import json\n")
    helped = {"transforms/add_value.py", "transforms/_value.py"}
    before = code.code_hashes(tmp_path)
    assert before.keys() - code.code_hashes().keys() == helped
    needed = code.imports_of("transforms/add_value.py", tmp_path)
    assert needed >= {*helped, "pipeline/panel/past.py"}
    assert not code.code_elsewhere(["transforms/_value.py"], tmp_path)
    (own / "_value.py").write_text("VALUE = 2\n")
    after = code.code_hashes(tmp_path)
    assert [name for name in after if after[name] != before[name]] == [
        "transforms/_value.py"
    ]


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


def test_code_outside_the_package_counts_as_far_as_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever way it is imported, and whatever it imports in turn."""
    transforms = tmp_path / "odd_package" / "transforms"
    helpers = tmp_path / "lib" / "odd_helpers"
    for folder in (transforms, helpers):
        folder.mkdir(parents=True)
    files = {
        transforms / "add.py": "import json\nimport polars as pl\nimport odd_rates\n",
        transforms / "sub.py": "def f():\n    from odd_helpers import inner\n",
        helpers / "__init__.py": "",
        helpers / "inner.py": "from . import deep\nfrom .other import x, no_module\n",
        helpers / "deep.py": "import odd_helpers.inner\n",
        helpers / "other.py": "x = no_module = 1\n",
        helpers / "unused.py": "",
        transforms / "call.py": "f = lambda: __import__('importlib').import_module("
        "'odd_rates')\n",
        tmp_path / "lib" / "odd_rates.py": "RATE = 5.0\n",
    }
    for path, text in files.items():
        path.write_text(text)
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "odd_package")
    monkeypatch.syspath_prepend(tmp_path / "lib")

    def elsewhere(name: str) -> dict[str, str]:
        return code.code_elsewhere([f"odd_package/transforms/{name}.py"])

    def named(name: str) -> set[str]:
        return {Path(path).name for path in elsewhere(name)}

    assert named("add") == {"polars", "odd_rates.py"}
    assert named("sub") == {"__init__.py", "inner.py", "deep.py", "other.py"}
    assert named("call") == {"odd_rates.py"}
    before = elsewhere("add")
    (tmp_path / "lib" / "odd_rates.py").write_text("RATE = 6.0\n")
    after = elsewhere("add")
    assert before.keys() == after.keys()
    assert before != after
    assert {name: code.identity(name) for name in after} == after


def test_library_counts_by_its_version_wherever_it_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies beside it, and what is only linked to, is the project's own code."""
    target, overlay, source = (
        tmp_path / name for name in ("target", "site-packages", "source")
    )
    for folder, library in ((target, "odd_lib"), (overlay, "odd_other")):
        (folder / f"{library}-1.5.dist-info").mkdir(parents=True)
        (folder / f"{library}-1.5.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {library}\nVersion: 1.5\n"
        )
        (folder / library).mkdir()
        (folder / library / "__init__.py").write_text("from . import inner\n")
        (folder / library / "inner.py").touch()
    (target / "odd_lib-1.5.dist-info" / "RECORD").write_text(
        "odd_lib/__init__.py,,\nodd_lib/inner.py,,\n"
    )
    (target / "odd_beside.py").touch()
    linked = overlay / "odd_linked-2.0.dist-info"
    linked.mkdir()
    (linked / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: odd_linked\nVersion: 2.0\n"
    )
    source.mkdir()
    (source / "odd_linked.py").touch()
    package = tmp_path / "odd_project"
    package.mkdir()
    (package / "a.py").write_text(
        "import odd_lib, odd_other.inner, odd_beside, odd_linked\n"
    )
    monkeypatch.setattr(code, "PACKAGE", package)
    for folder in (target, overlay, source):
        monkeypatch.syspath_prepend(folder)
    found = code.code_elsewhere(["odd_project/a.py"])
    paths = [str(target / "odd_beside.py"), str(source / "odd_linked.py")]
    assert found.keys() == {"odd_lib", "odd_other", *paths}
    assert (found["odd_lib"], found["odd_other"]) == ("1.5", "1.5")


def test_modules_behind_a_link_count_and_what_an_editor_hides_does_not(
    tmp_path: Path,
) -> None:
    package, shared = tmp_path / "package", tmp_path / "shared"
    package.mkdir()
    shared.mkdir()
    (shared / "a.py").touch()
    (package / "shared").symlink_to(shared)
    (package / "again").symlink_to(package)
    (package / ".#a.py").symlink_to("me@host.1234")
    (package / "gone.py").symlink_to("nowhere.py")
    assert code.files_below(package, ".py") == [package / "shared" / "a.py"]
