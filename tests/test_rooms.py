"""Who imports whom in `pipeline/`: downwards only, as its README says."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.documents import example

LATE = {
    "duckdb": {"snapshots"},
    "lightgbm": {"modeling"},
    "mlflow": {"modeling"},
    "optuna": {"modeling"},
}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(
        ".__init__"
    ): path
    for path in sorted((ROOT / "pipeline").rglob("*.py"))
}


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
