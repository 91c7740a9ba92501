"""Which files hold the table, of what kind, and one path that names them all."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import SourceError, some
from pipeline.files.local import find_local
from pipeline.sources import source

_DATABASES = {
    **dict.fromkeys((".duckdb", ".ddb"), "duckdb"),
    **dict.fromkeys((".sqlite", ".sqlite3", ".db", ".db3"), "sql"),
}
"""What the names of databases end in, by the kind of source that asks them."""


def find_files(given: Sequence[Path]) -> list[Path]:
    """List files that are named, by themselves, by their folder or by a pattern."""
    found: list[Path] = []
    for path in given:
        path = path.absolute()
        if path.is_dir():
            inside = sorted(
                file
                for file in path.rglob("*")
                if file.is_file() and not file.name.startswith((".", "_"))
            )
            found += [
                file for file in inside if source.ending_of(file) in source.ENDINGS
            ]
            if not found:
                raise SourceError(
                    f"{path}: no file of a kind that is known\n"
                    f"found: {some(file.name for file in inside) or 'no files'}\n"
                    f"expected: {', '.join(source.ENDINGS)}, the first ones also packed"
                )
        else:
            try:
                found += find_local(str(path), path.parent)
            except SourceError as error:
                what = str(error).rpartition("\nhint: ")[0] or str(error)
                raise SourceError(
                    f"{what}\n"
                    "hint: name files that are there; the folder of the new project is"
                    " said before: pipeline --project DIR init FILE"
                ) from error
    return list(dict.fromkeys(found))


def kind_of(files: Sequence[Path]) -> str:
    """Tell the one kind of source that all files are of."""
    for file in files:
        if kind := _DATABASES.get(file.suffix.lower()):
            raise SourceError(
                f"{file}: a database, not the file of a table\n"
                f"expected: {', '.join(source.ENDINGS)}\n"
                f"hint: a database is a source of kind `{kind}`, see"
                " pipeline/sources/README.md; or write its table into Parquet first"
            )
    kinds = {str(source.kind_of(file).__struct_config__.tag) for file in files}
    if len(kinds) > 1:
        raise SourceError(
            f"{some(map(str, files))}: files of several kinds\n"
            f"found: {', '.join(sorted(kinds))}\nexpected: those of one table\n"
            "hint: begin with the rows that have the target; others are `sources:` of"
            " their own, see configs/README.md"
        )
    return kinds.pop()


def path_of(files: Sequence[Path], root: Path) -> str:
    """Write the files as one path, or pattern, from the project's folder."""
    if len(files) == 1:
        return Path(os.path.relpath(files[0], root)).as_posix()
    parent = Path(os.path.commonpath([file.parent for file in files]))
    same_folder = all(file.parent == parent for file in files)
    names = [file.name for file in files]
    start = _shared_start(names)
    end = _shared_start([name[::-1] for name in names])[::-1]
    suffix = "".join(
        files[0].suffixes[-2:] if _is_packed(files[0]) else files[0].suffixes[-1:]
    )
    for pattern in (f"*{suffix}", f"{glob.escape(start)}*{glob.escape(end)}"):
        if not same_folder:
            pattern = f"**/{pattern}"
        there = glob.glob(pattern, root_dir=parent, recursive=True)  # noqa: PTH207
        if {parent / name for name in there} == {*files}:
            folder = Path(os.path.relpath(parent, root)).as_posix()
            return f"{glob.escape(folder)}/{pattern}" if folder != "." else pattern
    raise SourceError(
        f"{some(map(str, files))}: no pattern names these files and no others\n"
        "hint: put the files of the table into a folder of their own"
    )


def _shared_start(names: Sequence[str]) -> str:
    """Take the letters that all names begin with."""
    first, last = min(names), max(names)
    n = next((n for n, (a, b) in enumerate(zip(first, last)) if a != b), len(first))  # noqa: B905
    return first[:n]


def _is_packed(file: Path) -> bool:
    return file.suffix.lower() in source.PACKED


def absolute(pattern: str, files: Sequence[Path]) -> str:
    """Name several files from anywhere."""
    parent = Path(os.path.commonpath([file.parent for file in files]))
    name = pattern.rpartition("/")[2]
    deep = "**/" if any(file.parent != parent for file in files) else ""
    return f"{glob.escape(str(parent))}/{deep}{name}"
