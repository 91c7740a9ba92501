"""What a command's answer is made of before any data is read, known by its bytes.

These are the project's configuration and code, the package's code, the libraries and
the words of the command. What is worked out of them alone may be kept for the next
command that is given the same; see `pipeline.files.memo`.
"""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

from pipeline.files import memo
from pipeline.files.state import State
from pipeline.plan.code import (
    PACKAGE,
    files_below,
    forget_racy_modules,
    paths_below,
    uses_libraries_only,
)
from pipeline.process import STARTED_NS

_Value = TypeVar("_Value")

_FOLDERS = ("configs", "transforms", "sources")
"""What says what a project is: all that is in them, as own code may read it."""

_SETTLED_NS = 2_000_000_000
"""By how much files must be older than the process: see `forget_racy_bytecode`."""


def key(root: Path, words: Iterable[str], package: str) -> str | None:
    """Hash all that decides what a command computes, apart from the data.

    `package` is what `package_hash` gives. Values of the environment are not in it.
    None where a file cannot be read: whoever needs it says so.
    """
    paths = _of_project(root)
    links = [(str(p), os.path.realpath(p)) for p in paths if p.is_symlink()]
    files = [path for path in paths if path.is_file()]
    try:
        return _hash([str(root), package, *words], links, files)
    except OSError:
        return None


def package_hash() -> str:
    """Hash the package, Python, and which versions of libraries are installed."""
    return _hash([sys.version, *sorted(_libraries())], [], _of_package())


package_at_first = cache(package_hash)
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
        path = self._path if self._folder.parent.exists() else None
        return memo.recall(path, type_) if path else None

    def remember(self, value: object) -> None:
        """Keep a value that nothing else decides: no data, and no environment.

        Where a file was touched since this process began, or a cached module was as old
        as its file, it may have loaded another; and what the project's own code uses of
        code elsewhere may change unseen.
        """
        path = self._path
        is_sure = (
            not forget_racy_modules()
            and _is_settled(self._root)
            and uses_libraries_only(self._root)
        )
        if path and is_sure and path == self._path_now():
            memo.remember(path, value)

    @cached_property
    def _path(self) -> Path | None:
        """Name the file as of when it was first looked for."""
        return self._path_now()

    def _path_now(self) -> Path | None:
        """Name the file; None where one that decides cannot be read."""
        name = key(self._root, self._words, package_at_first())
        return self._folder / f"{self._kind}-{name[:32]}" if name else None


def words_of(profile: str | None, overrides: Iterable[str]) -> tuple[str, ...]:
    """Write a profile and words of the command line as words."""
    return (f"--profile={profile!r}", *overrides)


def _libraries() -> Iterator[str]:
    """Name what is installed where this process looks for modules."""
    for folder in dict.fromkeys(map(Path, sys.path)):
        with suppress(OSError):  # nothing is imported from there either
            for path in folder.iterdir():
                if path.suffix in (".dist-info", ".egg-info"):
                    yield path.name


def _of_package() -> list[Path]:
    return files_below(PACKAGE, ".py", ".so", ".pyd", ".yaml")


def _of_project(root: Path) -> list[Path]:
    """List files, folders and links, but what an editor hides among settings."""
    return sorted(
        path
        for folder in _FOLDERS
        for path in paths_below(root / folder)
        if folder != "configs" or not path.name.startswith(".")
    )


def _hash(
    words: Iterable[str], links: Iterable[tuple[str, str]], files: Iterable[Path]
) -> str:
    """Hash words, links, names and bytes of files, none to be mistaken for another."""
    digest = hashlib.sha256(repr(([*words], [*links])).encode())
    for path in files:
        content = path.read_bytes()
        digest.update(b"%s\0%d\0" % (os.fsencode(path), len(content)))
        digest.update(content)
    return digest.hexdigest()


def _is_settled(root: Path) -> bool:
    """Tell whether nothing has changed since shortly before the process.

    No file, no folder, where what comes and goes shows, and no link.
    """
    latest = STARTED_NS - _SETTLED_NS
    package = _of_package()
    folders = {path.parent for path in package}
    try:
        return all(
            max(stat.st_mtime_ns, stat.st_ctime_ns) < latest
            for path in (*folders, *package, *_of_project(root))
            for stat in (path.stat(), path.lstat())
        )
    except OSError:  # a link that leads nowhere
        return False
