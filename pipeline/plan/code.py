"""The code that decides whether a result is still right."""

import ast
import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.util import find_spec, resolve_name
from operator import attrgetter
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

# Python trusts a cached module whose source has the same size and the same second.
_RACY_NS = 2_000_000_000


IMPORTS: dict[str, list[str]] = {}
"""Of modules, by the hash of their text: see `pipeline.plan.found`."""

MEANINGS: dict[str, str] = {}
"""The hashes of modules' meanings, by those of their text, as above."""

_OWN = "transforms"  # as of `pipeline.transforms`, which would import Polars


def code_files(project: Path | None = None) -> list[Path]:
    """List the package's modules, then a project's own transformations, sorted each."""
    return [*_modules(project).values()]


def files_below(folder: Path, *suffixes: str) -> list[Path]:
    """List files below a folder by their suffixes, sorted; links are followed.

    What an editor hides there, and what is no file, is left out.
    """
    found = (
        Path(here, name)
        for here, names in _walk(folder)
        for name in names
        if name.endswith(suffixes)
        and not name.startswith(".")
        and os.path.isfile(f"{here}/{name}")  # noqa: PTH113 - a tenth of the time
    )
    return sorted(found, key=attrgetter("parts"))


def paths_below(folder: Path) -> Iterator[Path]:
    """List a folder and all that is below it, but what Python compiled.

    Links are followed. A folder that was met before is named again, as it may be a
    link, but not what it holds.
    """
    for here, names in _walk(folder):
        yield Path(here)
        yield from (Path(here, name) for name in names)


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield folders and the names of what is in them, as `paths_below` lists it."""
    seen: set[str] = set()
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        is_new = real not in seen
        seen.add(real)
        folders[:] = sorted({*folders} - {"__pycache__"}) if is_new else []
        yield here, names if is_new else []


def code_hashes(project: Path | None = None) -> dict[str, str]:
    """Hash each module's bytes, by its path as ``pipeline/...``, ``transforms/...``."""
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for name, path in _modules(project).items()
    }


def _modules(project: Path | None) -> dict[str, Path]:
    """Name each module's file from the folder on that holds package or project."""
    folders = [PACKAGE, *([project / _OWN] if project else [])]
    return {
        path.relative_to(folder.parent).as_posix(): path
        for folder in folders
        for path in files_below(folder, ".py", ".so", ".pyd")
    }


def meaning_of(source: str) -> str:
    """Write a module's code anew, without comments, docstrings and layout."""
    return ast.unparse(_WithoutDocstrings().visit(ast.parse(source)))


def hash_of_meaning(source: str) -> str:
    """Hash a module's code but for comments, docstrings and layout."""
    key = hashlib.sha256(source.encode()).hexdigest()
    if key not in MEANINGS:
        meaning = meaning_of(source).encode()
        MEANINGS[key] = hashlib.sha256(meaning).hexdigest()[:16]
    return MEANINGS[key]


class _WithoutDocstrings(ast.NodeTransformer):
    """Removes statements that are a text and do nothing."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Remove one; `ast` names the method."""
        match node.value:
            case ast.Constant(str()):
                return None
            case _:
                return node


def forget_racy_bytecode(folder: Path) -> bool:
    """Remove cached modules that an edit may have left in place; tell if any was there.

    Python compares whole seconds and sizes, so that of two edits in one second, which
    scripts make, the second would not be seen, nor one that keeps time and size.
    """
    found = False
    for cached in folder.rglob("__pycache__/*.pyc"):
        source = cached.parent.parent / f"{cached.name.partition('.')[0]}.py"
        if source.exists() and _is_racy(cached, source):
            # A folder that cannot be written holds no new edits either.
            with suppress(OSError):
                cached.unlink()
                found = True
    return found


def _is_racy(cached: Path, source: Path) -> bool:
    """Tell whether Python takes a cached module that may be of another source.

    No edit leaves the time of the inode's change as it was.
    """
    made, of = cached.stat(), source.stat()
    is_later = made.st_mtime_ns - of.st_mtime_ns >= _RACY_NS
    if is_later and made.st_ctime_ns > of.st_ctime_ns:
        return False
    known = (int(of.st_mtime), of.st_size)
    with cached.open("rb") as file:
        return file.read(16)[8:] == b"".join(
            (n & 0xFFFF_FFFF).to_bytes(4, "little") for n in known
        )


@cache
def forget_racy_modules() -> bool:
    """Let no cached module of ours stand for one that was edited since.

    True if one has: this process may have loaded it, and nothing that it finds out may
    be kept as of the code that is there.
    """
    return forget_racy_bytecode(PACKAGE)


def source_of(name: str) -> str:
    """Read a module of the package, named as `code_hashes` does."""
    return _text(PACKAGE.parent / name)


def _text(path: Path) -> str:
    """Read a module, whatever its bytes are."""
    return path.read_text(encoding="utf-8", errors="replace")


def imports_of(name: str, project: Path | None = None, *, in_: str = "") -> set[str]:
    """List the modules that one needs, itself among them, named as of `code_hashes`.

    A package's ``__init__`` counts where it is imported. Only what is in a folder is
    followed, if one is named.
    """
    known = _modules(project)
    return _reached(name, {n: known[n] for n in known if n.startswith(in_)})


def _reached(name: str, known: Mapping[str, Path]) -> set[str]:
    """Follow the imports of a module to the others that are known."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        if module in known and module not in found:
            found.add(module)
            waiting += _imported_files(_text(known[module]))
    return found


def code_elsewhere(names: Iterable[str], project: Path | None = None) -> dict[str, str]:
    """Find the code outside package and project that some of their modules use.

    Python's own library does not count. What is imported by a name that is made while
    the code runs is not found; a call of ``import_module`` that spells it is. The
    modules are named as of `code_hashes`; what is found, by a file's path or a
    library's name, with its `identity`.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    known = _modules(project)
    own = {_OWN} if project else set[str]()
    waiting = [
        imported
        for name in names
        for module in _reached(name, known)
        for imported in _imported(_text(known[module]), "")
        # Of libraries only those that one of the modules itself uses.
        if module == name or not _is_installed(imported)
    ]
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in seen or _is_own(top) or top in own:
            continue
        seen.add(name)
        origin, package = _origin_of(name)
        if origin is None:
            continue
        key = top if _is_installed(name) and _version_of(top) else str(origin)
        found[key] = identity(key)
        if origin.suffix == ".py" and not _is_installed(name):
            waiting += _imported(_text(origin), package)
    return found


def unfollowed_imports(names: Iterable[str], project: Path | None = None) -> list[str]:
    """Find where a project's modules, or what they use, import by names made up then.

    Libraries do not count. The modules are named as of `code_hashes`.
    """
    known = _modules(project)
    own = {known[module] for name in names for module in _reached(name, known)}
    files = {file for file in own if not file.is_relative_to(PACKAGE)}
    files |= {Path(name) for name in code_elsewhere(names, project)}
    return [
        f"{file.name}, line {line}"
        for file in sorted(files)
        if file.suffix == ".py"
        for line in sorted(_made_up_imports(ast.parse(_text(file))))
    ]


def uses_libraries_only(project: Path) -> bool:
    """Tell whether a project's own code needs no code that is elsewhere.

    Apart from itself, the package and libraries; as far as its imports tell. What is
    not there may be, the next time.
    """
    own = (_OWN, "sources")
    files = [path for folder in own for path in files_below(project / folder, ".py")]
    try:
        for text in map(_text, files):
            tops = {name.partition(".")[0] for name in _imported(text, "")} - {*own}
            if _made_up_imports(ast.parse(text)) or not all(map(_is_installed, tops)):
                return False
    except (SyntaxError, ValueError):  # nobody can import that
        return False
    return True


_IMPORTERS = (
    *("import_module", "__import__", "import_string", "load_module"),
    *("spec_from_file_location", "SourceFileLoader", "run_path", "run_module"),
)
"""What imports by a name that it is given."""


def _made_up_imports(tree: ast.Module) -> set[int]:
    """Find the lines that may import by a name that is no text in the code."""
    spelled = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and any(_imported_by_call(node))
    }
    lines: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(name) | ast.Attribute(attr=name):
                is_run = name in ("exec", "eval") and isinstance(node, ast.Name)
                if is_run or (name in _IMPORTERS and id(node) not in spelled):
                    lines.add(node.lineno)
            case ast.ImportFrom(names=names):
                if any(of.name in _IMPORTERS and of.asname for of in names):
                    lines.add(node.lineno)
            case _:
                pass
    return lines


def identity(name: str) -> str:
    """Say which code this is: of a file the hash, of a library the version.

    Empty where there is none.
    """
    if not Path(name).is_absolute():
        return _version_of(name) or ""
    with suppress(OSError):
        return hashlib.sha256(Path(name).read_bytes()).hexdigest()[:16]
    return ""


@cache
def _version_of(library: str) -> str | None:
    """Look up the version of a library by the name it is imported by."""
    # Late: it takes a quarter of what a command takes that only looks up what is kept.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(library)
    except PackageNotFoundError:
        return None


@cache
def _is_installed(name: str) -> bool:
    """Tell whether a module need not be looked for: of the package, or a library."""
    top = name.partition(".")[0]
    if _is_own(top):
        return True
    # What is below a library is the library's, and costs time to find.
    if name != top and _version_of(top) and _is_installed(top):
        return True
    origin = _origin_of(name)[0]
    if origin is None:
        return False
    file = origin.resolve()
    return any(
        file.is_relative_to(folder)
        and (is_whole or file.relative_to(folder).as_posix() in _recorded(folder))
        for folder, is_whole in _library_folders(tuple(sys.path)).items()
    )


@cache
def _library_folders(search: tuple[str, ...]) -> dict[Path, bool]:
    """Tell the folders that hold libraries alone from those that may hold others."""
    places = ("stdlib", "platstdlib", "purelib", "platlib")
    alone = {Path(sysconfig.get_path(place)).resolve() for place in places}
    others = {Path(folder).resolve() for folder in search}
    named = {path for path in others if path.name in ("site-packages", "dist-packages")}
    return dict.fromkeys(others, False) | dict.fromkeys(alone | named, True)


@cache
def _recorded(folder: Path) -> frozenset[str]:
    """List the files that were installed into a folder, as with ``pip --target``.

    `packages_distributions` says it too, and takes half a second.
    """
    texts = (
        path.read_text(encoding="utf-8", errors="replace")
        for path in folder.glob("*.dist-info/RECORD")
    )
    lines = (line for text in texts for line in text.splitlines())
    return frozenset(line.partition(",")[0] for line in lines)


def _is_own(top: str) -> bool:
    """Tell whether a module is the package's, or Python's own."""
    return top == PACKAGE.name or top in sys.stdlib_module_names


@cache
def _origin_of(name: str) -> tuple[Path | None, str]:
    """Find the file of a module, and the package that its relative imports are of."""
    # A name may be no module, a parent may be none, or fail when it is imported.
    with suppress(Exception):
        spec = find_spec(name)
        if spec and spec.origin and spec.has_location:
            return Path(spec.origin), spec.parent or ""
    return None, ""


@cache
def _imported_files(source: str) -> tuple[str, ...]:
    """Name the files that a module's import statements may mean."""
    paths = [name.replace(".", "/") for name in _imported(source, "")]
    return tuple(f for path in paths for f in (f"{path}.py", f"{path}/__init__.py"))


def _imported(source: str, package: str) -> list[str]:
    """Name what a module's import statements may mean, in a package of that name."""
    key = hashlib.sha256(f"{package}\0{source}".encode()).hexdigest()
    if key not in IMPORTS:
        IMPORTS[key] = [*_imports(ast.parse(source), package)]
    return IMPORTS[key]


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield what import statements may mean."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Call):
            yield from _imported_by_call(node)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            # One that leads out of its package fails when it runs.
            with suppress(ImportError):
                module = resolve_name(name, package) if node.level else name
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names)


def _imported_by_call(call: ast.Call) -> Iterator[str]:
    """Yield what ``import_module("x")`` or ``__import__("x")`` means."""
    called = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if called in ("import_module", "__import__") and call.args:
        name = getattr(call.args[0], "value", None)
        if isinstance(name, str):
            yield name
