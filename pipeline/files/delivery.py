"""A folder of results, here or in a store, that says by itself whether it is whole.

As Hadoop and Spark do: ``_SUCCESS`` is written last [1]_, and what reads such folders
passes over names that begin with an underscore. What was begun and not finished is
replaced by the next who delivers there; what somebody else has put there never is.

References
----------
.. [1] https://spark.apache.org/docs/latest/cloud-integration.html
"""

import posixpath
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import ConfigError, SourceError, some
from pipeline.files.remote import arrow_fs, is_remote, open_store

SUCCESS = "_SUCCESS"
_BEGUN = "_begun"
_PARTIAL = ".partial"
_N_PARTIAL = len(f".12345678{_PARTIAL}")


class Delivery:
    """A folder that is being filled."""

    def __init__(self, place: str) -> None:
        self.place, self.is_remote = place, is_remote(place)
        if self.is_remote:
            self.files, self.folder = open_store(place.rstrip("/"))
        else:
            self.files = arrow_fs().LocalFileSystem()
            self.folder = str(Path(place).absolute())

    def begin(self, names: list[str]) -> None:
        """Make room for files; those of an earlier delivery go.

        A ConfigError if there are files of somebody else.
        """
        there = set(self._there())
        own = {name for mark in (SUCCESS, _BEGUN) for name in self._listed(mark, there)}
        others = [
            name
            for name in sorted(there - own - {SUCCESS, _BEGUN})
            if not (name.endswith(_PARTIAL) and name[:-_N_PARTIAL] in own)
        ]
        if others:
            raise ConfigError(
                f"{self.place}: is not empty\n"
                f"found: {some(others)}\n"
                "expected: a new folder, or one that an earlier call has written\n"
                "hint: name another folder, or remove what is there"
            )
        self.write(_BEGUN, {"files": sorted({*own & there, *names})})
        for name in sorted(there - {_BEGUN}, key=lambda name: name != SUCCESS):
            self.files.delete_file(self._at(name))

    def put(self, file: Path, name: str) -> None:
        """Copy a file into it, so that it is there whole or not at all."""
        arrow = arrow_fs()
        # An object of a store is there once it is whole.
        partial = "" if self.is_remote else f".{uuid.uuid4().hex[:8]}{_PARTIAL}"
        at = self._at(name)
        self._make(posixpath.dirname(at))
        arrow.copy_files(
            str(file),
            at + partial,
            source_filesystem=arrow.LocalFileSystem(),
            destination_filesystem=self.files,
        )
        if partial:
            self.files.move(at + partial, at)

    def write(self, mark: str, note: Mapping[str, Any]) -> None:
        """Write a note as JSON."""
        self._make(self.folder)
        with self.files.open_output_stream(self._at(mark)) as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(note), indent=1))

    def finish(self, note: Mapping[str, Any]) -> None:
        """Say that it is whole; the note names its ``files``."""
        self.write(SUCCESS, note)
        self.files.delete_file(self._at(_BEGUN))

    def _make(self, folder: str) -> None:
        """Make a folder, where there are any."""
        if not self.is_remote:
            self.files.create_dir(folder, recursive=True)

    def _there(self) -> list[str]:
        """Name all files."""
        select = arrow_fs().FileSelector(
            self.folder, allow_not_found=True, recursive=True
        )
        found = [info for info in self.files.get_file_info(select) if info.is_file]
        return [posixpath.relpath(info.path, self.folder) for info in found]

    def _listed(self, mark: str, there: set[str]) -> list[str]:
        """Name the files that a note lists; none of one that is not ours."""
        if mark not in there:
            return []
        with self.files.open_input_stream(self._at(mark)) as stream:
            try:
                return msgspec.json.decode(stream.read(), type=_Note).files
            except msgspec.DecodeError:
                return []

    def _at(self, name: str) -> str:
        """Name a file as the file system does."""
        return posixpath.join(self.folder, name)


class _Note(msgspec.Struct):
    """What is read of a note."""

    files: list[str] = []


@contextmanager
def delivery(place: str) -> Generator[Delivery]:
    """Fill a folder; a SourceError if it cannot be written."""
    try:
        yield Delivery(place)
    except OSError as error:
        found = str(error).partition(" (Request ID")[0]
        raise SourceError(
            f"{place}: cannot be written\nfound: {found}\n"
            "hint: what is there is not whole, and says so by having no _SUCCESS; a"
            " store's address and credentials are AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID"
            " and AWS_SECRET_ACCESS_KEY"
        ) from error
