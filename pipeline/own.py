"""Python that is found by name: a module of the package, or of a project's own."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from pipeline.errors import ConfigError


def load_module(
    package: str, name: str, parts: Sequence[str], project: Path | None
) -> ModuleType:
    """Import a module of a package, which is a folder of the project if one is given.

    Raises
    ------
    ConfigError
        If it cannot be imported, or lacks a part.
    """
    file = f"{package.replace('.', '/')}/{name}.py"
    try:
        if project:
            enter(package, project)
        module = importlib.import_module(f"{package}.{name}")
    except (Exception, SystemExit) as error:  # a user's file may do anything
        raise ConfigError(
            f"{file}: cannot be imported\nfound: {type(error).__name__}: {error}"
            f"{_hint(package, project, error)}"
        ) from error
    missing = [part for part in parts if not hasattr(module, part)]
    if missing:
        raise ConfigError(f"{file}: defines no {' and no '.join(missing)}")
    return module


def _hint(package: str, project: Path | None, error: BaseException) -> str:
    """Say where a module of the project has to stand, if one is asked for elsewhere."""
    if not project or not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    name = error.name.partition(".")[0]
    if not (project / name).is_dir() and not (project / f"{name}.py").exists():
        return ""
    return (
        f"\nhint: what several files of {package}/ share stands in"
        f" {package}/_{name}.py, and is imported as {package}._{name}"
    )


def enter(package: str, project: Path) -> None:
    """Let the name of a package mean this project's folder of the name.

    The rest of the project's folder is left off the path, where a `queries` or a `data`
    of it would stand for a library's.
    """
    if [*getattr(sys.modules.get(package), "__path__", ())] == [str(project / package)]:
        return
    importlib.invalidate_caches()
    spec = PathFinder.find_spec(package, [str(project)])
    assert spec, "one of its files is there"
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    loaded = sys.modules[package] = importlib.util.module_from_spec(spec)
    if spec.loader:
        spec.loader.exec_module(loaded)
