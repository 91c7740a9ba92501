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
from typing import Annotated, Any, TypeVar

import msgspec

from pipeline.errors import SnapshotError
from pipeline.files.checksum import seal, unseal
from pipeline.files.remote import arrow_fs, is_remote, open_store

FORMAT = 1
"""Counts the changes to how a store is laid out."""

_MARK = "pipeline-store.json"
_SAID: set[str] = set()
"""Stores of which this process has said that they cannot be used."""

_N_AT_ONCE = 8
_CHUNK = 1 << 22

_T = TypeVar("_T")
_Result = TypeVar("_Result")


class StoreFaultError(SnapshotError):
    """A store as a whole cannot be reached, read or written."""


class Blob(msgspec.Struct, frozen=True):
    """A file of an entry."""

    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    """It becomes a path."""
    n_bytes: Annotated[int, msgspec.Meta(ge=0)]


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

    Whoever reads asks it for entries. Where it cannot be reached it says so, once a
    process, and has none from then on; nor has it those that were found not to hold
    what they say. Who can do nothing without it calls `require`, and is told by errors.

    Parameters
    ----------
    uri : str
        An absolute path, or ``s3://bucket/prefix``.
    warn : callable
        Is told of what cannot be used.
    pushes : bool
        Whether what is made goes there at once: where no store is yet, that begins one
        or says why not.
    """

    def __init__(
        self, uri: str, warn: Callable[[str], None], *, pushes: bool = False
    ) -> None:
        self._warn = warn
        self._pushes = pushes
        self._is_required = False
        self.uri = uri.rstrip("/")
        self._entries: dict[str, Entry | None] = {}
        self._refused: dict[str, str] = {}
        self._fault: str | None = None  # empty where it can be read
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
        """Say what is wrong with an entry, which counts as none from now on.

        Who has called `require` says it in an error, by `why_refused`.
        """
        if not self._is_required:
            self._warn(f"{self.uri}/{key}.json: {fault}; not used")
        self._refused[key] = fault
        self._entries[key] = None

    def why_refused(self, key: str) -> str:
        """Say what is wrong with an entry; nothing where it is right or not there."""
        return self._refused.get(key, "")

    def warn_not_pushed(self, error: SnapshotError) -> None:
        """Say that something stays here; of a store at fault once a process."""
        text = f"not pushed, which `just push` tries again: {error}"
        if isinstance(error, StoreFaultError):
            self._warn_once(text)
        else:
            self._warn(text)

    def _warn_once(self, text: str) -> None:
        """Warn, unless this process has said that this store cannot be used."""
        if self.uri not in _SAID:
            _SAID.add(self.uri)
            self._warn(text)

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
            try:
                fs, path = self._readable(f"blobs/{blob.sha256}")
                with fs.open_input_file(path) as file:
                    return file.size() == blob.n_bytes
            except OSError as error:
                if _is_absent(error) or isinstance(error, IsADirectoryError):
                    return False
                raise

        try:
            return all(at_once(there, entry.files.values()))
        except OSError as error:
            raise self._cannot("read", error) from error

    def require(self) -> None:
        """Raise a SnapshotError where no store can be read, now and from now on."""
        self._is_required = True
        if fault := self._look():
            raise StoreFaultError(f"{self.uri}: {fault}")

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
        """Tell whether there is a store that can be read, and say so if not."""
        fault = self._look()
        if fault and not (self._pushes and fault == self._none_yet()):
            self._warn_of(fault)
        return not fault

    def _look(self) -> str:
        """Look once why the store cannot be read; empty where it can."""
        if self._fault is None:
            try:
                mark = self._bytes(_MARK)
                self._fault = "" if mark == _mark() else _other_version(mark)
            except OSError as error:
                self._fault = self._why(error)
        return self._fault

    def _why(self, error: OSError) -> str:
        """Say why the store cannot be read."""
        if isinstance(error, FileNotFoundError):
            return self._none_yet()
        if _is_absent(error) or isinstance(error, PermissionError):
            return (
                "may not be read (access denied), or there is no store yet\n"
                f"found: {_shown(error)}\nhint: see the rights, and"
                f"{_variables(self.uri)} `store.remote`; where there is no store yet,"
                " `just push` begins one"
            )
        return f"cannot be reached\nfound: {_shown(error)}\n{self._hint('read')}"

    def _none_yet(self) -> str:
        """Say that there is no store yet."""
        if is_remote(self.uri) or Path(self.uri).is_dir():
            return (
                "there is no store yet\n"
                "hint: `just push` begins one; see that `store.remote` is right"
            )
        return "there is no such folder\nhint: make it, or mount what it is in"

    def _warn_of(self, fault: str) -> None:
        """Say why the store cannot be read, and what is done without it."""
        first, _, rest = fault.partition("\n")
        stays = " and stays here until `just push`" if self._pushes else ""
        self._warn_once(f"{self.uri}: {first}, so all is done here{stays}\n{rest}")

    def _find(self, key: str) -> Entry | None:
        """Read an entry that names itself.

        Who may not list is told of what is not there as of what is forbidden.
        """
        try:
            content = unseal(self._bytes(f"{key}.json"))
        except IsADirectoryError:
            return self.refuse(key, "is no file")
        except OSError as error:
            if isinstance(error, PermissionError) and not self._is_required:
                return self.refuse(key, "may not be read")
            if not _is_absent(error):
                self._give_up(error)
            return None
        if content is None:
            return self.refuse(key, "is damaged")
        try:
            entry = msgspec.json.decode(content, type=Entry)
        except msgspec.MsgspecError as error:
            return self.refuse(key, f"is no entry ({error})")
        if entry.key != key:
            return self.refuse(key, f"is an entry of another name, {entry.key!a}")
        return entry

    def _give_up(self, error: OSError) -> None:
        """Have no entries from now on, or raise a SnapshotError if they are needed."""
        if self._is_required:
            raise self._cannot("read", error) from error
        self._fault = self._why(error)
        self._warn_of(self._fault)

    def _bytes(self, name: str) -> bytes:
        """Read a small file."""
        fs, path = self._readable(name)
        with fs.open_input_stream(path) as file:
            return file.read()

    def _readable(self, name: str) -> tuple[Any, str]:
        """Name the place of a file that may be read: of a folder, no pipe or device.

        Raises
        ------
        IsADirectoryError
            If something else is there.
        """
        fs, base = self._open()
        path = f"{base}/{name}"
        place = None if is_remote(self.uri) else Path(path)
        if place and place.exists() and not place.is_file():
            raise IsADirectoryError(f"{path} is no file")
        return fs, path

    def _download(self, blob: Blob, target: Path) -> str:
        """Write a blob into a file, and hold it to its name."""
        digest, n_bytes = hashlib.sha256(), 0
        name = f"blobs/{blob.sha256[:16]}"
        try:
            fs, path = self._readable(f"blobs/{blob.sha256}")
            with (
                fs.open_input_stream(path) as source,
                target.open("wb") as file,
            ):
                # No further than it should be: what is there may be of any length.
                while n_bytes <= blob.n_bytes and (chunk := source.read(_CHUNK)):
                    digest.update(chunk)
                    n_bytes += len(chunk)
                    file.write(chunk)
        except OSError as error:
            if isinstance(error, IsADirectoryError):
                return f"its file {name} is no file"
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
        if self._fault == "":
            return
        try:
            mark = self._bytes(_MARK)
        except OSError as error:
            if not _is_absent(error):
                raise
            self._write(_MARK, [_mark()])
        else:
            if mark != _mark():
                raise StoreFaultError(f"{self.uri}: {_other_version(mark)}")
        self._fault = ""
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

    def _cannot(self, what: str, error: Exception) -> StoreFaultError:
        """Say that something could not be done."""
        return StoreFaultError(
            f"{self.uri}: cannot be {what}\nfound: {_shown(error)}\n"
            f"{self._hint(what)}; all that is here stays as it is"
        )

    def _hint(self, what: str) -> str:
        """Say what to look at."""
        if is_remote(self.uri):
            return (
                f"hint: see that the bucket is there and may be {what}, and that"
                " AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and elsewhere"
                " than at Amazon AWS_ENDPOINT_URL are set"
            )
        room = ", and that its disk is not full" if what == "written" else ""
        return f"hint: see that the folder is there and may be {what}{room}"


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


def _other_version(mark: bytes) -> str:
    """Say that a store is laid out otherwise."""
    return (
        f"a store of another version of pipeline, or `{_MARK}` was changed\n"
        f"found: {mark[:60]!a}\nexpected: {_mark()!a}\n"
        "hint: take the version that the others have, or another place in"
        " `store.remote`"
    )


def _variables(uri: str) -> str:
    """Name the variables that say who one is, if there are any."""
    names = " AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL and"
    return names if is_remote(uri) else ""


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
