"""Entries and blobs in a folder that clones share; in a bucket: test_shared_s3.py."""

import json
import os
import threading
from pathlib import Path

import pytest

from pipeline.errors import SnapshotError
from pipeline.files.checksum import seal
from pipeline.files.shared import Shared


@pytest.fixture
def said() -> list[str]:
    """What is warned of."""
    return []


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"some bytes")
    return tmp_path / "file"


def test_an_entry_is_found_by_its_name_with_its_files(
    place: Path, file: Path, tmp_path: Path, said: list[str]
) -> None:
    n_bytes = Shared(str(place), said.append).push("a/b c", {"x/y": file}, b'{"n":1}')
    there = Shared(f"{place}/", said.append)
    entry = there.entry("a/b c")
    assert n_bytes == 10
    assert entry is not None
    assert entry.read(dict[str, int]) == {"n": 1}
    assert there.is_whole(entry)
    assert there.fetch(entry, tmp_path / "back") == ""
    assert (tmp_path / "back" / "x" / "y").read_bytes() == b"some bytes"
    assert [*there.entries("a")] == ["a/b c"]
    assert there.entry("a/c") is None


def test_an_entry_is_no_longer_whole_without_a_file(
    place: Path, file: Path, said: list[str]
) -> None:
    there = Shared(str(place), said.append)
    there.push("a", {"x": file}, b"{}")
    entry = there.entry("a")
    assert entry is not None
    there.remove(there.entries("blobs"))
    assert not there.is_whole(entry)
    there.remove(["a", "not there"])
    assert Shared(str(place), said.append).entry("a") is None


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/../../x", ""])
def test_a_file_is_written_below_the_folder_only(
    place: Path, file: Path, tmp_path: Path, name: str, said: list[str]
) -> None:
    there = Shared(str(place), said.append)
    there.push("a", {name: file}, b"{}")
    entry = there.entry("a")
    assert entry is not None
    assert "names a file elsewhere" in there.fetch(entry, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_folder_that_is_not_there_is_not_made(
    tmp_path: Path, file: Path, said: list[str]
) -> None:
    there = Shared(str(tmp_path / "not mounted"), said.append)
    assert there.entry("a") is None
    assert there.entry("b") is None
    [text] = said
    assert "there is no such folder" in text
    with pytest.raises(SnapshotError, match="make it first") as error:
        there.push("a", {"x": file}, b"{}")
    assert "AWS" not in str(error.value)
    with pytest.raises(SnapshotError, match="there is no such folder"):
        there.require()
    assert not (tmp_path / "not mounted").exists()


def test_a_store_of_another_version_is_left_alone(
    place: Path, file: Path, said: list[str]
) -> None:
    (place / "pipeline-store.json").write_text('{"format":99}\n')
    there = Shared(str(place), said.append)
    assert there.entry("a") is None
    assert "of another version" in said[0]
    with pytest.raises(SnapshotError, match="of another version"):
        there.push("a", {"x": file}, b"{}")
    assert [path.name for path in place.iterdir()] == ["pipeline-store.json"]


def test_of_two_who_push_at_once_either_has_all_of_it(
    place: Path, tmp_path: Path, said: list[str]
) -> None:
    """Each writes its own bytes under the same name, again and again."""
    files: list[Path] = []
    for mark in (b"a", b"b"):
        files.append(tmp_path / mark.decode())
        files[-1].write_bytes(mark * 100_000)
    pushers = [
        threading.Thread(
            target=lambda file=file: [
                Shared(str(place), said.append).push("same", {"x": file}, b"{}")
                for _ in range(20)
            ]
        )
        for file in files
    ]
    for pusher in pushers:
        pusher.start()
    found: set[bytes] = set()
    while any(pusher.is_alive() for pusher in pushers) or not found:
        there = Shared(str(place), said.append)
        entry = there.entry("same")
        if entry is not None:
            assert there.fetch(entry, tmp_path / "back") == ""
            found.add((tmp_path / "back" / "x").read_bytes())
    assert found <= {file.read_bytes() for file in files}


def test_what_begins_a_store_does_not_warn_that_there_is_none(
    place: Path, file: Path, said: list[str]
) -> None:
    there = Shared(str(place), said.append, pushes=True)
    assert there.entry("a") is None
    there.push("a", {"x": file}, b"{}")
    assert there.entry("a") is not None
    assert said == []


def test_a_store_that_cannot_be_used_is_said_once_a_process(
    tmp_path: Path, said: list[str]
) -> None:
    for _ in range(2):
        there = Shared(str(tmp_path / "not mounted"), said.append, pushes=True)
        assert there.entry("a") is None
        with pytest.raises(SnapshotError) as error:
            there.begin()
        there.warn_not_pushed(error.value)
    [text] = said
    assert "not pushed, which `just push` tries again" in text


@pytest.mark.parametrize("odd", ["folder", "pipe", "endless"])
def test_what_is_no_file_is_not_read(
    place: Path, file: Path, tmp_path: Path, odd: str, said: list[str]
) -> None:
    """Of an entry and of a blob; the other entries are there all the same."""

    def spoil(path: Path) -> None:
        path.unlink()
        if odd == "folder":
            path.mkdir()
        elif odd == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")

    for key in ("a", "b"):
        Shared(str(place), said.append).push(key, {"x": file}, b"{}")
    spoil(place / "a.json")
    there = Shared(str(place), said.append)
    assert there.entry("a") is None
    entry = there.entry("b")
    assert entry is not None
    assert said == [f"{place}/a.json: is no file; not used"]
    [blob] = (place / "blobs").iterdir()
    spoil(blob)
    assert not there.is_whole(entry)
    assert "is no file" in there.fetch(entry, tmp_path / "back")


def test_a_blob_is_named_by_a_hash_and_nothing_else(
    place: Path, file: Path, said: list[str]
) -> None:
    Shared(str(place), said.append).push("a", {"x": file}, b"{}")
    blob = {"sha256": "../../a/sales.csv", "n_bytes": 9}
    content = {"key": "a", "record": {}, "files": {"x": blob}}
    (place / "a.json").write_bytes(seal(json.dumps(content).encode()))
    assert Shared(str(place), said.append).entry("a") is None
    [text] = said
    assert "a.json: is no entry" in text


def test_who_is_refused_is_told_of_rights_and_who_needs_it_by_an_error(
    place: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    def refused(_: object) -> tuple[object, str]:
        raise OSError("AWS Error ACCESS_DENIED during GetObject: Forbidden")

    monkeypatch.setattr(Shared, "_open", refused)
    there = Shared(str(place), said.append)
    assert there.entry("a") is None
    assert "may not be read (access denied)" in said[0]
    with pytest.raises(SnapshotError, match="hint: see the rights"):
        there.require()
    assert len(said) == 1


def test_a_store_that_goes_is_an_error_for_who_needs_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    """So nothing that an entry names is taken for what nobody needs."""
    Shared(str(place), said.append).begin()
    there = Shared(str(place), said.append)
    there.require()

    def gone(_: object) -> tuple[object, str]:
        raise OSError("Couldn't connect to server")

    monkeypatch.setattr(Shared, "_open", gone)
    with pytest.raises(SnapshotError, match="connect to server"):
        there.entry("a")
    with pytest.raises(SnapshotError, match="cannot be reached\nfound: Couldn't"):
        Shared(str(place), said.append).require()
    assert said == []
