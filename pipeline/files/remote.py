"""Files in a store that speaks S3: found by pattern, known by their entity tag.

Address and credentials come from the variables that Polars reads, too:
``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` ...
"""

import glob
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import SourceError, nearest


@dataclass(frozen=True)
class RemoteFile:
    """A file in a store.

    Attributes
    ----------
    uri : str
        ``s3://bucket/name``, as Polars reads it.
    """

    uri: str

    def __str__(self) -> str:
        """Name the file as users do."""
        return self.uri


def is_remote(path: str) -> bool:
    """Tell whether a path is the address of a file in a store."""
    return path.startswith("s3://")


def arrow_fs() -> Any:
    """Import Arrow's file systems, late: few projects have a store."""
    return import_module("pyarrow.fs")


def open_store(uri: str) -> tuple[Any, str]:
    """Open the store of a file or a folder, and name that as the store does.

    The name of an object may hold anything, so only the bucket is read as an address.

    Raises
    ------
    OSError
        If the bucket's name is none.
    """
    path = uri.removeprefix("s3://")
    try:
        store, _ = arrow_fs().FileSystem.from_uri(f"s3://{path.partition('/')[0]}")
    except ValueError as error:
        raise OSError(str(error)) from error
    return store, path


def find_remote(pattern: str) -> tuple[RemoteFile, ...]:
    """Find the files that an address names; its wildcards end at a slash.

    Parameters
    ----------
    pattern : str
        ``s3://bucket/folder/*.parquet``, or the address of one file.

    Returns
    -------
    tuple of RemoteFile
        Sorted, at least one.

    Raises
    ------
    SourceError
        If nothing is found, a folder is, or the store does not answer.
    """
    name = PurePosixPath(pattern.removeprefix("s3://"))
    literal = next(p for p in name.parents if not glob.has_magic(str(p)))
    if str(literal) == ".":
        raise SourceError(
            f"{pattern}: names no bucket\nexpected: s3://bucket/folder/*.parquet"
        )
    with _store_faults(pattern):
        store, folder = open_store(f"s3://{literal}")
        is_deep = glob.has_magic(str(name.parent))
        selector = arrow_fs().FileSelector(
            folder, allow_not_found=True, recursive=is_deep
        )
        entries = [PurePosixPath(entry.path) for entry in _files(store, selector)]
        if not entries and not store.get_file_info(literal.parts[0]).type:
            raise OSError(f"there is no bucket '{literal.parts[0]}'")
    found = [p for p in entries if len(p.parts) == len(name.parts) and _fits(p, name)]
    if not found:
        names = sorted(entry.name for entry in entries)
        shown = ", ".join(names[:10]) or "nothing"
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        what = "matches no file" if glob.has_magic(str(name)) else "no such file"
        raise SourceError(
            f"{pattern}: {what}{nearest(name.name, names)}\n"
            f"found in s3://{literal}: {shown}{more}\n"
            "hint: correct `path` in the source's config, or put the file there"
        )
    return tuple(RemoteFile(f"s3://{path}") for path in sorted(found))


def describe_remote(file: RemoteFile) -> tuple[int, int, str]:
    """Ask for a file's bytes, time of change and entity tag.

    Returns
    -------
    tuple of int, int and str
        The number of bytes; nanoseconds since 1970; the tag, which every change of the
        content changes.

    Raises
    ------
    SourceError
        If the store does not say.
    """
    with _store_faults(file.uri):
        store, path = open_store(file.uri)
        [info] = store.get_file_info([path])
        with store.open_input_file(path) as stream:
            tag = stream.metadata()["ETag"].decode()
    return info.size, info.mtime_ns, tag


def _files(store: Any, selector: Any) -> list[Any]:
    """List the files a selector finds."""
    return [entry for entry in store.get_file_info(selector) if entry.is_file]


def _fits(path: PurePosixPath, pattern: PurePosixPath) -> bool:
    """Tell whether a name is the pattern itself, or matched by it."""
    return path == pattern or path.match(str(pattern))


@contextmanager
def _store_faults(uri: str) -> Generator[None]:
    """Say which address a store failed at."""
    try:
        yield
    except (OSError, KeyError) as error:
        found = str(error).partition(" (Request ID")[0]
        raise SourceError(
            f"{uri}: cannot be read\nfound: {found}\n"
            "hint: see that the bucket is there, and that AWS_REGION,"
            " AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and elsewhere than at Amazon"
            " AWS_ENDPOINT_URL are set"
        ) from error
