"""The project's own code, as what decides whether a result is still right."""

import ast
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent

# Python trusts a cached module whose source has the same size and the same second.
_RACY_NS = 2_000_000_000


def code_files() -> list[Path]:
    """List the package's modules, sorted."""
    return sorted(PACKAGE.rglob("*.py"))


def code_hashes() -> dict[str, str]:
    """Hash each module's bytes, by its path as ``pipeline/...``."""
    return {
        name_of(path): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in code_files()
    }


def meaning_of(source: str) -> str:
    """Write a module's code anew, without comments, docstrings and layout."""
    return ast.unparse(_WithoutDocstrings().visit(ast.parse(source)))


class _WithoutDocstrings(ast.NodeTransformer):
    """Removes statements that are a text and do nothing."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Remove one; `ast` names the method."""
        match node.value:
            case ast.Constant(str()):
                return None
            case _:
                return node


def name_of(path: Path) -> str:
    """Name a module's file from the package's folder on."""
    return path.relative_to(PACKAGE.parent).as_posix()


def forget_racy_bytecode() -> None:
    """Remove cached modules that an edit within their second would have left in place.

    Python compares whole seconds and sizes, so that of two edits in one second, which
    scripts make, the second would not be seen.
    """
    for cached in PACKAGE.rglob("__pycache__/*.pyc"):
        source = cached.parent.parent / f"{cached.name.partition('.')[0]}.py"
        if not source.exists() or _ns_later(cached, source) < _RACY_NS:
            # A folder that cannot be written holds no new edits either.
            with suppress(OSError):
                cached.unlink(missing_ok=True)


def _ns_later(path: Path, other: Path) -> int:
    """Return how much later than another a file was written, in nanoseconds."""
    return path.stat().st_mtime_ns - other.stat().st_mtime_ns


def source_of(name: str) -> str:
    """Read a module, named as `name_of` does."""
    return (PACKAGE.parent / name).read_text()


def imports_of(name: str) -> set[str]:
    """List the modules of the package that one needs, itself among them.

    Parameters
    ----------
    name : str
        As `name_of` gives it.

    Returns
    -------
    set of str
        Names of files; a package's ``__init__`` counts where it is imported.
    """
    known = {name_of(path) for path in code_files()}
    found: set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        if module in known and module not in found:
            found.add(module)
            waiting += _imported_files(source_of(module))
    return found


@cache
def _imported_files(source: str) -> tuple[str, ...]:
    """Name the files that a module's import statements may mean."""
    return tuple(_imports(ast.parse(source)))


def _imports(tree: ast.Module) -> Iterator[str]:
    """Yield the files that import statements may mean."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [
                node.module,
                *(f"{node.module}.{alias.name}" for alias in node.names),
            ]
        for name in names:
            path = name.replace(".", "/")
            yield from (f"{path}.py", f"{path}/__init__.py")
