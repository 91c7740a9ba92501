"""What the clones of a project share, in a folder or in a store that speaks S3.

Below the address::

    pipeline-store.json        says that there is a store, and how it is laid out
    blobs/<sha256>             bytes, named by themselves
    <kind>/<name>.json         an entry: a record, and the blobs of its files

An entry is written once its blobs are there, each of them in one step. So there is
never half of one, and of two who write the same entry either has all of it. Nothing
that is read is trusted: an entry has to name itself, and a blob to be what its name
says. Only `entries` lists; all else asks for names that it knows, which needs no right
to list.
"""

import hashlib
import posixpath
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import msgspec

from pipeline.errors import SnapshotError
from pipeline.files.checksum import seal, unseal
from pipeline.files.remote import arrow_fs, is_remote, open_store

FORMAT = 1
"""Counts the changes to how a store is laid out."""

_MARK = "pipeline-store.json"
_N_AT_ONCE = 8
_CHUNK = 1 << 22

_T = TypeVar("_T")
_Result = TypeVar("_Result")


class Blob(msgspec.Struct, frozen=True):
    """A file of an entry."""

    sha256: str
    n_bytes: int


class Entry(msgspec.Struct, frozen=True):
    """What is said of some files, and by which blobs they are found."""

    key: str
    """Its own name, as ``objects/features/<fingerprint>``."""
    record: msgspec.Raw
    files: dict[str, Blob]
    """By the path that they have beside the record."""

    def read(self, type_: type[_T]) -> _T | None:
        """Decode its record; None where it is of another type or version."""
        with suppress(msgspec.MsgspecError):
            return msgspec.json.decode(self.record, type=type_)
        return None


class Shared:
    """A store that several clones of a project read and write.

    Whoever reads asks it for entries. Where it cannot be reached it says so once, and
    has none from then on; nor has it those that were found not to hold what they say.
    """

    def __init__(self, uri: str, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self.uri = uri.rstrip("/")
        self._entries: dict[str, Entry | None] = {}
        self._is_there: bool | None = None
        self._opened: tuple[Any, str] | None = None

    def __str__(self) -> str:
        """Name it as users do."""
        return self.uri

    def entry(self, key: str) -> Entry | None:
        """Find an entry; None where there is none, or it cannot be had.

        It is asked for once.
        """
        if key not in self._entries:
            self._entries[key] = self._find(key) if self._can_be_read() else None
        return self._entries[key]

    def refuse(self, key: str, fault: str) -> None:
        """Say what is wrong with an entry, which counts as none from now on."""
        self._warn(f"{self.uri}/{key}.json: {fault}; not used")
        self._entries[key] = None

    def fetch(self, entry: Entry, folder: Path) -> str:
        """Write the files of an entry into a folder; say what is wrong, if anything."""
        if odd := [name for name in entry.files if not _is_below(name)]:
            return f"names a file elsewhere: {odd[0]!a}"

        def one(item: tuple[str, Blob]) -> str:
            name, blob = item
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            return self._download(blob, target)

        faults = at_once(one, entry.files.items())
        return next((fault for fault in faults if fault), "")

    def push(self, key: str, files: Mapping[str, Path], record: bytes) -> int:
        """Write an entry, its files first; return the bytes of these.

        Raises
        ------
        SnapshotError
            If the store cannot be written; what was there is as it was.
        """
        try:
            self._begin()
            blobs = blobs_of(files)
            sources = {blobs[name].sha256: path for name, path in files.items()}

            def upload(item: tuple[str, Path]) -> None:
                self._write(f"blobs/{item[0]}", _chunks(item[1]))

            at_once(upload, sources.items())
            entry = Entry(key, msgspec.Raw(record), blobs)
            sealed = seal(msgspec.json.encode(entry))
            at_once(lambda name: self._write(name, [sealed]), [f"{key}.json"])
        except OSError as error:
            raise self._cannot("written", error) from error
        self._entries[key] = entry
        return sum(blob.n_bytes for blob in blobs.values())

    def is_whole(self, entry: Entry) -> bool:
        """Tell whether all files of an entry are there, as long as they were."""

        def there(blob: Blob) -> bool:
            fs, base = self._open()
            try:
                with fs.open_input_file(f"{base}/blobs/{blob.sha256}") as file:
                    return file.size() == blob.n_bytes
            except OSError as error:
                if _is_absent(error):
                    return False
                raise

        try:
            return all(at_once(there, entry.files.values()))
        except OSError as error:
            raise self._cannot("read", error) from error

    def require(self) -> None:
        """Raise a SnapshotError where there is no store that can be read."""
        if not self._can_be_read():
            raise SnapshotError(
                f"{self.uri}: no store that can be read\n"
                "hint: `just push` begins one; see that `store.remote` is right, and"
                " that credentials are set (AWS_ACCESS_KEY_ID ...)"
            )

    def entries(self, kind: str) -> dict[str, datetime]:
        """List the entries of a kind, or ``blobs``, and when each was written.

        Raises
        ------
        SnapshotError
            If the store cannot be listed.
        """
        try:
            fs, base = self._open()
            selector = arrow_fs().FileSelector(
                f"{base}/{kind}", allow_not_found=True, recursive=True
            )
            found = [info for info in fs.get_file_info(selector) if info.is_file]
        except OSError as error:
            raise self._cannot("listed", error) from error
        names = {posixpath.relpath(info.path, base): info.mtime for info in found}
        return {name.removesuffix(".json"): at for name, at in sorted(names.items())}

    def remove(self, names: Iterable[str]) -> None:
        """Remove entries, or blobs, if they are there."""

        def one(name: str) -> None:
            fs, base = self._open()
            is_blob = name.startswith("blobs/")
            with suppress(FileNotFoundError):
                fs.delete_file(f"{base}/{name}{'' if is_blob else '.json'}")

        try:
            at_once(one, names)
        except OSError as error:
            raise self._cannot("written", error) from error

    def _open(self) -> tuple[Any, str]:
        """Open the file system that it is in, and name its place there."""
        if self._opened is None:
            if is_remote(self.uri):
                self._opened = open_store(self.uri)
            else:
                self._opened = arrow_fs().LocalFileSystem(), self.uri
        return self._opened

    def _can_be_read(self) -> bool:
        """Look once whether there is a store, and say so if not."""
        if self._is_there is None:
            mark = self._read(_MARK)
            if mark is None and self._is_there is None:
                self._warn(
                    f"{self.uri}: there is no store yet, or none that may be read\n"
                    "hint: `just push` begins one"
                )
            elif mark is not None and mark != _mark():
                self._warn(
                    f"{self.uri}: a store of another version of pipeline; not used"
                )
            self._is_there = mark == _mark()
        return self._is_there

    def _find(self, key: str) -> Entry | None:
        """Read an entry that names itself."""
        content = self._read(f"{key}.json")
        if content is None:
            return None
        try:
            entry = msgspec.json.decode(unseal(content) or b"", type=Entry)
        except msgspec.MsgspecError:
            self.refuse(key, "is damaged")
            return None
        if entry.key != key:
            self.refuse(key, f"is an entry of another name, {entry.key!a}")
            return None
        return entry

    def _read(self, name: str) -> bytes | None:
        """Read a small file; None where it is not there, or cannot be had.

        Who may not list is told of what is not there as of what is forbidden.
        """
        try:
            fs, base = self._open()
            with fs.open_input_stream(f"{base}/{name}") as file:
                return file.read()
        except OSError as error:
            if not _is_absent(error):
                self._is_there = False
                self._warn(
                    f"{self.uri}: cannot be reached, so all is done here\n"
                    f"found: {_shown(error)}"
                )
            return None

    def _download(self, blob: Blob, target: Path) -> str:
        """Write a blob into a file, and hold it to its name."""
        digest, n_bytes = hashlib.sha256(), 0
        name = f"blobs/{blob.sha256[:16]}"
        try:
            fs, base = self._open()
            with (
                fs.open_input_stream(f"{base}/blobs/{blob.sha256}") as source,
                target.open("wb") as file,
            ):
                # No further than it should be: what is there may be of any length.
                while n_bytes <= blob.n_bytes and (chunk := source.read(_CHUNK)):
                    digest.update(chunk)
                    n_bytes += len(chunk)
                    file.write(chunk)
        except OSError as error:
            gone = "is missing" if _is_absent(error) else f"failed: {_shown(error)}"
            return f"its file {name} {gone}"
        if n_bytes != blob.n_bytes:
            found = f"{n_bytes:,} bytes" + " or more" * (n_bytes > blob.n_bytes)
            return f"its file {name} has {found}, expected {blob.n_bytes:,}"
        is_same = digest.hexdigest() == blob.sha256
        return "" if is_same else f"its file {name} holds other bytes"

    def begin(self) -> None:
        """Make sure that there is a store.

        A SnapshotError if it cannot be written. A folder has to be there: what is not
        mounted would be made here.
        """
        try:
            self._begin()
        except OSError as error:
            raise self._cannot("written", error) from error

    def _begin(self) -> None:
        """Say that there is a store, unless it says so itself."""
        if not is_remote(self.uri) and not Path(self.uri).is_dir():
            raise FileNotFoundError(f"there is no folder {self.uri}: make it first")
        if self._is_there:
            return
        fs, base = self._open()
        mark = None
        try:
            with fs.open_input_stream(f"{base}/{_MARK}") as file:
                mark = file.read()
        except OSError as error:
            if not _is_absent(error):
                raise
        if mark is None:
            self._write(_MARK, [_mark()])
        elif mark != _mark():
            raise OSError("it is a store of another version of pipeline")
        self._is_there = True
        self._entries.clear()

    def _write(self, name: str, content: Iterable[bytes]) -> None:
        """Write a file that is there whole or not at all."""
        fs, base = self._open()
        path = f"{base}/{name}"
        if is_remote(self.uri):
            _write_stream(fs, path, content)
            return
        for folder in (posixpath.dirname(path), f"{base}/blobs"):
            fs.create_dir(folder, recursive=True)
        partial = f"{base}/blobs/{uuid.uuid4().hex}.next"
        try:
            _write_stream(fs, partial, content)
            fs.move(partial, path)
        except BaseException:
            with suppress(OSError):
                fs.delete_file(partial)
            raise

    def _cannot(self, what: str, error: Exception) -> SnapshotError:
        """Say that something could not be done."""
        return SnapshotError(
            f"{self.uri}: cannot be {what}\nfound: {_shown(error)}\n"
            "hint: see that it is there and may be " + what + ", and of a bucket, that"
            " AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and elsewhere than"
            " at Amazon AWS_ENDPOINT_URL are set; all that is here stays as it is"
        )


def at_once(do: Callable[[_T], _Result], items: Iterable[_T]) -> list[_Result]:
    """Do something with several items, a few of them at a time; keep their order.

    Ctrl-C ends what has begun before it stops the rest: Arrow would take the half of a
    file for the whole when it is closed.
    """
    with ThreadPoolExecutor(_N_AT_ONCE) as pool:
        return [*pool.map(do, items)]


def _write_stream(fs: Any, path: str, content: Iterable[bytes]) -> None:
    """Write pieces into a file."""
    with fs.open_output_stream(path) as file:
        for chunk in content:
            file.write(chunk)


def _chunks(path: Path) -> Iterator[bytes]:
    """Read a file piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def blobs_of(files: Mapping[str, Path]) -> dict[str, Blob]:
    """Say by which blobs an entry of some files finds them."""
    return {name: _blob_of(path) for name, path in files.items()}


def _blob_of(path: Path) -> Blob:
    """Name a file by its bytes."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Blob(digest, file.tell())


def _mark() -> bytes:
    """Write how a store is laid out."""
    return b'{"format":%d}\n' % FORMAT


def _is_below(name: str) -> bool:
    """Tell whether a path leads to a place below the folder it is joined to."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _is_absent(error: Exception) -> bool:
    """Tell whether something is not there, as far as one may know."""
    return isinstance(error, FileNotFoundError) or "ACCESS_DENIED" in str(error)


def _shown(error: Exception) -> str:
    """Write what a store answered, in a line."""
    first = str(error).partition("\n")[0]
    return first.partition(" (Request ID")[0]
