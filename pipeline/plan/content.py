"""What a command's answer is made of before any data is read, known by its bytes.

These are the project's configuration and code, the package's code, the libraries and
the words of the command. What is worked out of them alone may be kept for the next
command that is given the same; see `pipeline.files.memo`.
"""

import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

from pipeline.files import memo
from pipeline.files.state import State
from pipeline.plan.code import PACKAGE, files_below, uses_libraries_only
from pipeline.process import STARTED_NS

_Value = TypeVar("_Value")

_CODE = (".py", ".so", ".pyd", ".yaml")
_FOLDERS = {"configs": (".yaml",), "transforms": _CODE, "sources": _CODE}
"""What says what a project is."""

_SETTLED_NS = 2_000_000_000
"""By how much files must be older than the process: see `forget_racy_bytecode`."""


def key(root: Path, words: Iterable[str], package: str) -> str:
    """Hash all that decides what a command computes, apart from the data.

    `package` is what `package_hash` gives. Values of the environment are not in it.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    return _hash([str(root), package, *words], _of_project(root))


def package_hash() -> str:
    """Hash the package, Python, and which versions of libraries are installed."""
    libraries = [
        path.name
        for folder in dict.fromkeys(map(Path, sys.path))
        if folder.is_dir()
        for path in folder.iterdir()
        if path.suffix in (".dist-info", ".egg-info")
    ]
    return _hash([sys.version, *sorted(libraries)], _of_package())


_package_at_first = cache(package_hash)
"""The modules that a process has loaded do not change with their files."""


class Memo:
    """What is kept of one kind, as long as words and content are the same."""

    def __init__(
        self, root: Path, kind: str, profile: str | None, overrides: Iterable[str]
    ) -> None:
        self._root = root
        self._kind = kind
        self._words = words_of(profile, overrides)
        self._folder = State(root).memo

    def recall(self, type_: type[_Value]) -> _Value | None:
        """Return what is kept, if there is."""
        path = self._path if self._folder.exists() else None
        return memo.recall(path, type_) if path else None

    def remember(self, value: object) -> None:
        """Keep a value that nothing else decides: no data, and no environment.

        Where a file was touched since this process began, it may have loaded another;
        and what the project's own code uses of code elsewhere may change unseen.
        """
        is_sure = _is_settled(self._root) and uses_libraries_only(self._root)
        if is_sure and self._path:
            memo.remember(self._path, value)

    @cached_property
    def _path(self) -> Path | None:
        """Name the file; None where one that decides cannot be read."""
        try:
            name = key(self._root, self._words, _package_at_first())
        except OSError:
            return None  # whoever needs the file says so
        return self._folder / f"{self._kind}-{name[:32]}"


def words_of(profile: str | None, overrides: Iterable[str]) -> tuple[str, ...]:
    """Write a profile and words of the command line as words."""
    return ("--profile", profile or "", *overrides)


def _of_package() -> list[Path]:
    return files_below(PACKAGE, *_CODE)


def _of_project(root: Path) -> list[Path]:
    return [
        path
        for folder, suffixes in _FOLDERS.items()
        for path in files_below(root / folder, *suffixes)
    ]


def _hash(words: Iterable[str], files: Iterable[Path]) -> str:
    """Hash words, names and bytes of files, none to be mistaken for another."""
    digest = hashlib.sha256(repr([*words]).encode())
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _is_settled(root: Path) -> bool:
    """Tell whether no file or folder has changed since shortly before the process."""
    latest = STARTED_NS - _SETTLED_NS
    return all(
        max(stat.st_mtime_ns, stat.st_ctime_ns) < latest
        for path in _touched(root)
        for stat in [path.stat()]
    )


def _touched(root: Path) -> Iterator[Path]:
    """List files and the folders they are in, where a change of them shows."""
    files = [*_of_project(root), *_of_package()]
    yield from files
    yield from {path.parent for path in files}
