"""The folder of a run's parts: on a disk, or in a store that speaks S3."""

import posixpath
import shutil
import uuid
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files.checksum import checksum
from pipeline.files.remote import arrow_fs, is_remote, open_store


@dataclass(frozen=True)
class Folder:
    """A folder that every worker sees under the same, absolute path."""

    uri: str
    needs_folders = True
    """Whether a file's folder must be made before the file."""

    def at(self, *names: str) -> str:
        """Name a file or a folder in it, as Polars reads and writes it."""
        return posixpath.join(self.uri, *names)

    def files(self, *names: str) -> dict[str, str]:
        """Name each file below a folder in it, sorted, with its length and checksum."""
        found = sorted(p for p in Path(self.at(*names)).rglob("*") if p.is_file())
        return {
            path.relative_to(self.uri).as_posix(): (
                f"{path.stat().st_size} {checksum(path)}"
            )
            for path in found
        }

    def read(self, *names: str) -> bytes | None:
        """Read a small file that `write` wrote; None if it is not there, or damaged."""
        try:
            return _checked(Path(self.at(*names)).read_bytes())
        except FileNotFoundError:
            return None

    def write(self, content: bytes, *names: str) -> None:
        """Write a small file so that it is there whole or not at all."""
        path = Path(self.at(*names))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        partial.write_bytes(_sealed(content))
        partial.replace(path)

    def near(self, files: Iterable[str], to: Path) -> list[Path]:  # noqa: ARG002
        """Give files, named as Polars does, on this machine: copied to a folder."""
        return [*map(Path, files)]

    def remove(self) -> None:
        """Remove it with all that is in it, if it is there."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.uri)


@dataclass(frozen=True)
class RemoteFolder(Folder):
    """A prefix in a store that speaks S3, where an object is there once it is whole.

    Credentials and endpoint come from the variables that Polars and Arrow read, too:
    ``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` ...
    """

    needs_folders = False

    def files(self, *names: str) -> dict[str, str]:
        """Name each object below a prefix, with its length; stores keep them whole."""
        files, path = self._open(*names)
        _, here = self._open()
        selector = arrow_fs().FileSelector(path, allow_not_found=True, recursive=True)
        found = [file for file in files.get_file_info(selector) if file.is_file]
        sizes = {posixpath.relpath(file.path, here): str(file.size) for file in found}
        return dict(sorted(sizes.items()))

    def read(self, *names: str) -> bytes | None:
        """Read a small object; None if it is not there, or damaged."""
        files, path = self._open(*names)
        try:
            with files.open_input_stream(path) as file:
                return _checked(file.read())
        except FileNotFoundError:
            return None

    def write(self, content: bytes, *names: str) -> None:
        """Write a small object."""
        files, path = self._open(*names)
        with files.open_output_stream(path) as file:
            file.write(_sealed(content))

    def near(self, files: Iterable[str], to: Path) -> list[Path]:
        """Copy objects to a folder."""
        to.mkdir()
        found: list[Path] = []
        for i, file in enumerate(files):
            store, path = open_store(file)
            found.append(to / f"{i:05}")
            arrow_fs().copy_files(
                path, str(found[-1]), store, arrow_fs().LocalFileSystem()
            )
        return found

    def remove(self) -> None:
        """Remove all objects below it, if there are any.

        Arrow leaves an empty one in the name of what it is in.
        """
        files, path = self._open()
        with suppress(FileNotFoundError):
            files.delete_dir(path)

    def _open(self, *names: str) -> tuple[Any, str]:
        """Open the store, and name an object as it does."""
        files, path = open_store(self.uri)
        return files, posixpath.join(path, *names)


def open_folder(uri: str) -> Folder:
    """Open a folder by its path, or a prefix by its ``s3://`` address."""
    return RemoteFolder(uri) if is_remote(uri) else Folder(uri)


def _sealed(content: bytes) -> bytes:
    """Put the CRC-32 of some content before it."""
    return zlib.crc32(content).to_bytes(4, "big") + content


def _checked(sealed: bytes) -> bytes | None:
    """Take content from behind its CRC-32; None if that is of another."""
    return sealed[4:] if _sealed(sealed[4:]) == sealed else None
