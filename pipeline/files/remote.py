"""Files in a store that speaks S3: found by pattern, known by their entity tag.

Address and credentials come from the variables that Polars reads, too:
``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` ...
"""

import glob
import os
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import SourceError, nearest


@dataclass(frozen=True)
class RemoteFile:
    """A file in a store, by its address as Polars reads it: ``s3://bucket/name``."""

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

    The name of an object may hold anything, so only the bucket is read as an address:
    an OSError if it is none. One that does not answer is given up after some seconds.
    """
    path = uri.removeprefix("s3://")
    fs = arrow_fs()
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    from urllib.parse import urlsplit  # late: most files are of this machine

    address = urlsplit(next(filter(None, map(os.environ.get, names)), ""))
    try:
        store = fs.S3FileSystem(
            region=None
            if address.netloc
            else fs.resolve_s3_region(path.partition("/")[0]),
            endpoint_override=address.netloc or None,
            scheme=address.scheme or None,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=3),
        )
    except ValueError as error:
        raise OSError(str(error)) from error
    return store, path


def find_remote(pattern: str) -> tuple[RemoteFile, ...]:
    """Find the files that an address names, sorted; its wildcards end at a slash.

    A SourceError if nothing is found, a folder is, or the store does not answer.
    """
    name = PurePosixPath(pattern.removeprefix("s3://"))
    literal = next(p for p in name.parents if not glob.has_magic(str(p)))
    if str(literal) == ".":
        raise SourceError(
            f"{pattern}: names no bucket\nexpected: s3://bucket/folder/*.parquet"
        )
    with store_faults(pattern):
        store, folder = open_store(f"s3://{literal}")
        is_deep = glob.has_magic(str(name.parent))
        selector = arrow_fs().FileSelector(
            folder, allow_not_found=True, recursive=is_deep
        )
        found = [info for info in store.get_file_info(selector) if info.is_file]
        entries = [PurePosixPath(info.path) for info in found]
        if not entries and not store.get_file_info(literal.parts[0]).type:
            raise OSError(f"there is no bucket '{literal.parts[0]}'")
    paths = [
        path
        for path in entries
        if len(path.parts) == len(name.parts)
        and (path == name or path.match(str(name)))
    ]
    if not paths:
        names = [entry.name for entry in entries]
        raise none_found(pattern, f"s3://{literal}", names)
    return tuple(RemoteFile(f"s3://{path}") for path in sorted(paths))


def describe_remote(file: RemoteFile) -> tuple[int, int, str]:
    """Ask for a file's bytes, its change in nanoseconds since 1970, and its entity tag.

    Every change of the content changes the tag. A SourceError if the store says none.
    """
    with store_faults(file.uri):
        store, path = open_store(file.uri)
        [info] = store.get_file_info([path])
        with store.open_input_file(path) as stream:
            tag = stream.metadata()["ETag"].decode()
    return info.size, info.mtime_ns, tag


def none_found(pattern: str, folder: str, names: Collection[str]) -> SourceError:
    """Say that a path or a pattern names no file, and what there is in its folder."""
    what = "matches no file" if glob.has_magic(pattern) else "no such file"
    return SourceError(
        f"{pattern}: {what}{nearest(pattern.rpartition('/')[2], names)}\n"
        f"found in {folder}: {listed(names)}\n"
        "hint: correct `path` in the source's config, or put the file there"
    )


def listed(names: Iterable[str]) -> str:
    """Name what is in a folder, the first ten."""
    first = sorted(names)
    more = f" and {len(first) - 10} more" if len(first) > 10 else ""
    return (", ".join(first[:10]) or "nothing") + more


@contextmanager
def store_faults(uri: str) -> Generator[None]:
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
