"""Who imports whom in `pipeline/`, as its README says; and `tests/` mirrors it."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.documents import example

LATE = {
    "_duckdb": {"snapshots"},
    "duckdb": {"snapshots", "sources"},
    "lightgbm": {"modeling", "serving"},
    "mlflow": {"modeling"},
    "optuna": {"modeling"},
}
OF_SEVERAL = {
    "pages/test_browser.py": "all pages, as a browser shows them",
    "modeling/test_commands.py": "its commands, one after the other",
    "modeling/test_readme.py": "what its README says to write",
    "modeling/test_rooms.py": "who imports whom in it",
}
"""Files of tests in a room that are about no single module, and what they are about.

Those of the whole house stand in `tests/` itself, those of what is shipped in
`tests/shipped/`.
"""

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(
        ".__init__"
    ): path
    for path in sorted((ROOT / "pipeline").rglob("*.py"))
}


@cache
def imported(path: Path, *, at_run_time: bool = False) -> set[str]:
    """Names a module imports: at once, late, or for types only."""
    names: set[str] = set()
    tree = ast.parse(path.read_text())
    if at_run_time:
        tree.body = [
            node
            for node in tree.body
            if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
        ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = members & MODULES.keys()
            names |= modules or {node.module}
    return names


def room(module: str) -> str:
    """The folder of a module, or its name where it stands loose."""
    return module.split(".")[1] if "." in module else ""


def mirror(package: Path) -> Path:
    """The folder of a package's tests."""
    return ROOT / "tests" / package.relative_to(ROOT / "pipeline")


IMPORTS = {module: imported(path) for module, path in MODULES.items()}
LEVELS = [
    set(re.findall(r"\w+", level))
    for level in example("pipeline/README.md", "## Who imports whom", "text").split(">")
]


def test_every_room_has_a_level() -> None:
    rooms = {room(module) for module in MODULES} - {"", "__main__"}
    assert set().union(*LEVELS) == rooms


@pytest.mark.parametrize("of", sorted(set().union(*LEVELS)))
def test_a_room_imports_what_is_below_it(of: str) -> None:
    [level] = [i for i, rooms in enumerate(LEVELS) if of in rooms]
    below = {of, ""}.union(*LEVELS[level + 1 :])
    wrong = [
        f"{module} -> {name}"
        for module, names in IMPORTS.items()
        for name in names & MODULES.keys()
        if room(module) == of and room(name) not in below
    ]
    assert not wrong


def test_modules_import_each_other_in_no_circle() -> None:
    graph = {
        module: names & MODULES.keys() - {module} for module, names in IMPORTS.items()
    }
    list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("library", LATE)
def test_a_heavy_library_is_known_in_one_room(library: str) -> None:
    rooms = {
        room(module)
        for module, path in MODULES.items()
        for name in imported(path, at_run_time=True)
        if name.partition(".")[0] == library
    }
    assert rooms == LATE[library]


def test_every_module_has_a_file_of_tests_of_its_name() -> None:
    missing = [
        f"{path.relative_to(ROOT)}: {wanted.relative_to(ROOT)}"
        for path in MODULES.values()
        if path.stem not in ("__init__", "__main__")
        if not (wanted := mirror(path.parent) / f"test_{path.name}").exists()
    ]
    assert not missing


def test_every_file_of_tests_in_a_room_is_named_for_a_module() -> None:
    # test_csv_errors.py is about csv.py; test_models.py about the package models.
    odd: set[str] = set()
    for package in {path.parent for path in MODULES.values()} - {ROOT / "pipeline"}:
        # Of the root's own transformations the tests stand beside those of the package.
        modules = [*package.glob("*.py"), *(ROOT / package.name).glob("*.py")]
        names = "|".join([package.name, *(path.stem for path in modules)])
        odd |= {
            path.relative_to(ROOT / "tests").as_posix()
            for path in mirror(package).glob("test_*.py")
            if not re.fullmatch(rf"test_({names})(_\w+)?", path.stem)
        }
    assert odd == set(OF_SEVERAL)
