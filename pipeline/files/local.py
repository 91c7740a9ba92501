"""The project's folder, and the files a source reads, known by their content.

Imports no dataframes, so that a run with nothing to do stays fast.
"""

import glob
import time
from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TypeAlias

import msgspec

from pipeline.errors import ConfigError, SourceError
from pipeline.files.remote import (
    RemoteFile,
    describe_remote,
    find_remote,
    is_remote,
    listed,
    none_found,
)

SourceFile: TypeAlias = Path | RemoteFile
"""On this machine, or in a store."""

# A file changed so shortly before it is hashed may change again within one tick of
# the file system's clock, which its time would not show.
_SETTLED_NS = 1_000_000_000


class FileStat(msgspec.Struct, frozen=True):
    """What the file system says of a file; any change to the content changes it.

    The time of the last change of the inode cannot be set by a user, so that a file
    edited and given its old modification time is still seen. A store has no inodes,
    but gives each content a tag.
    """

    path: str
    n_bytes: int
    modified_ns: int
    changed_ns: int
    inode: int
    tag: str = ""


class FileContent(msgspec.Struct, frozen=True):
    """A file and the hash of its bytes, as they were when the stat was taken.

    Of a file in a store, it is the hash of its tag.
    """

    stat: FileStat
    sha256: str
    hashed_ns: int

    @property
    def is_settled(self) -> bool:
        """Whether any change since the hash was taken shows in the stat."""
        if self.stat.tag:
            return True
        changed_ns = max(self.stat.modified_ns, self.stat.changed_ns)
        return self.hashed_ns - changed_ns > _SETTLED_NS


_PROJECT = "configs/pipeline.yaml"
"""What a project has, and no other folder."""


def find_root(start: Path | None = None) -> Path:
    """Find the project folder: the nearest one upwards with configs/pipeline.yaml.

    Raises
    ------
    ConfigError
        If there is none, or libraries would misread its path.
    """
    start = (start or Path.cwd()).absolute()
    for folder in (start, *start.parents):
        if (folder / _PROJECT).is_file():
            return require_project(folder)
    raise _no_project(
        start, "in it or above it", "change into a project, or name one with"
    )


def require_project(folder: Path) -> Path:
    """Return a project's folder, or raise a ConfigError as `find_root` does."""
    if not (folder / _PROJECT).is_file():
        raise _no_project(folder, "in it", "name the folder itself with")
    if fault := odd_path(str(folder)):
        raise ConfigError(
            f"{str(folder)!a}: {fault}\nhint: give the folder another name"
        )
    return folder


def _no_project(folder: Path, where: str, what_to_do: str) -> ConfigError:
    """Say what was looked for, and where."""
    return ConfigError(
        f"{folder}: no project here\nexpected {_PROJECT} {where}\n"
        f"hint: {what_to_do} --project DIR, in Python Project(DIR); configs/README.md"
        " says what a project is"
    )


def odd_path(path: str) -> str | None:
    """Say why a path cannot be one of a project; None if it can.

    Polars and DuckDB take what is no UTF-8 for other bytes, and a backslash, in a
    pattern, for what takes the next letter's meaning away.
    """
    if "\\" in path:
        return "a path cannot hold a backslash"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "a path has to be UTF-8"
    return None


def find_files(path: str, root: Path) -> tuple[SourceFile, ...]:
    """Find the files that a path, a glob or an address in a store names, sorted.

    A SourceError if nothing is found, or what is no file.
    """
    return find_remote(path) if is_remote(path) else find_local(path, root)


def find_local(path: str, root: Path) -> tuple[Path, ...]:
    """Find files as `find_files` does, on this machine only."""
    literal = root / path
    _refuse_odd(path)
    if literal.is_dir():
        names = listed(entry.name for entry in literal.iterdir())
        raise SourceError(
            f"{literal}: is a folder, not a file\n"
            f"found: {names}\n"
            "hint: name a file, or a glob such as 'data/*.csv'"
        )
    if literal.is_file():
        return (literal,)
    # Only the path is a pattern, the project's own folder may hold brackets; and
    # Path.glob takes no absolute pattern.
    names = glob.glob(path, root_dir=root, recursive=True)  # noqa: PTH207
    # `**/**` finds them twice.
    found = sorted({root / name for name in names}, key=attrgetter("parts"))
    files = tuple(filter(_is_file, found))
    if not files:
        folder = next(
            p for p in literal.parents if p.is_dir() and not glob.has_magic(str(p))
        )
        there = [entry.name for entry in folder.iterdir()]
        raise none_found(str(literal), str(folder), there)
    for file in files:
        _refuse_odd(str(file))
    return files


def _is_file(path: Path) -> bool:
    """Tell a file from a folder; a SourceError if it is neither."""
    try:
        mode = path.stat().st_mode
    except OSError:
        if path.exists():
            raise
        raise SourceError(
            f"{path}: is a link to what is not there\n"
            f"found: {path.readlink()}\nhint: bring that back, or remove the link"
        ) from None
    if not S_ISREG(mode) and not S_ISDIR(mode):
        raise SourceError(
            f"{path}: is no regular file\nhint: write what it gives to a file"
        )
    return S_ISREG(mode)


def _refuse_odd(path: str) -> None:
    """Refuse a file that libraries would look for elsewhere."""
    if fault := odd_path(path):
        raise SourceError(f"{path!a}: {fault}\nhint: rename the file or folder")


def shown(path: SourceFile, root: Path) -> str:
    """Name a file as users of the project do: relative to its folder if below it."""
    if isinstance(path, RemoteFile):
        return path.uri
    return path.as_posix().removeprefix(f"{root.as_posix().rstrip('/')}/")


def stat_of(path: SourceFile, root: Path) -> FileStat:
    """Ask the file system, or the store; the path is kept as `shown` gives it."""
    if isinstance(path, RemoteFile):
        n_bytes, changed_ns, tag = describe_remote(path)
        return FileStat(path.uri, n_bytes, changed_ns, changed_ns, 0, tag)
    stat = path.stat()
    return FileStat(
        shown(path, root), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
    )


_HASHED: dict[tuple[SourceFile, FileStat], FileContent] = {}
"""In this process: variants are of the same files."""


def contents(
    files: Iterable[SourceFile], root: Path, known: Iterable[FileContent]
) -> list[FileContent]:
    """Hash files with SHA-256, in order, but those that are as they were when `known`.

    A SourceError if a file cannot be read.
    """
    by_stat = {content.stat: content for content in known if content.is_settled}
    return [_content(file, root, by_stat) for file in files]


def _content(
    file: SourceFile, root: Path, by_stat: dict[FileStat, FileContent]
) -> FileContent:
    """Hash one file, unless a hash of it is known."""
    import hashlib

    try:
        stat = stat_of(file, root)
        there = by_stat.get(stat) or _HASHED.get((file, stat))
        if there is not None and there.is_settled:
            return there
        hashed_ns = time.time_ns()
        if isinstance(file, RemoteFile):
            digest = hashlib.sha256(f"{stat.tag} {stat.n_bytes}".encode()).hexdigest()
            return FileContent(stat, digest, hashed_ns)
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{file}: cannot be read\nfound: {error}") from error
    _HASHED[file, stat] = FileContent(stat, digest, hashed_ns)
    return _HASHED[file, stat]


def require_unchanged(known: Iterable[FileContent], pattern: str, root: Path) -> None:
    """Refuse a run whose files changed, came or went after they were hashed.

    `pattern` is what named them, as for `find_files`.
    """
    before = {content.stat.path: content.stat for content in known}
    now = {shown(path, root): path for path in find_files(pattern, root)}
    for name in {**before, **now}:
        if name not in now or stat_of(now[name], root) != before.get(name):
            place = name if is_remote(name) else root / name
            raise SourceError(
                f"{place}: changed while it was being read\n"
                "hint: run again once nothing writes to it"
            )
