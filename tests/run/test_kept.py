"""Where parts are is known until they are gone."""

import errno
import os
from pathlib import Path

import pytest

from pipeline.run.kept import describe, forget_parts, is_full, left_parts, open_parts
from pipeline.snapshots.store import Store, open_store
from tests.test_faults import mounted


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that has nothing yet."""
    store = open_store(tmp_path / "project")
    store.folder.mkdir(parents=True)
    return store


def test_parts_of_the_same_work_are_found_again_and_of_other_work_removed(
    store: Store,
) -> None:
    first = open_parts(store, None, "first")
    first.write(b"", "round-0")
    assert open_parts(store, None, "first") == first
    assert first.read("round-0") == b""
    second = open_parts(store, None, "second")
    assert left_parts(store) == [second.uri]
    assert first.read("round-0") is None


def test_parts_elsewhere_are_named_for_their_project(
    store: Store, tmp_path: Path
) -> None:
    uri = open_parts(store, f"{tmp_path}/shared/", "key").uri
    (other := open_store(tmp_path / "other")).folder.mkdir(parents=True)
    assert open_parts(other, f"{tmp_path}/shared", "key").uri != uri
    assert left_parts(store) == [uri]
    assert forget_parts(store, but=uri) == []
    assert forget_parts(store) == [uri]
    assert left_parts(store) == []
    assert not Path(uri).exists()


def test_folder_that_could_not_be_removed_stays_known(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = open_parts(store, f"{tmp_path}/one", "key").uri
    second = open_parts(store, f"{tmp_path}/two", "key").uri
    assert not Path(first).exists()
    with mounted("-t", "tmpfs", "tmpfs", second):
        third = open_parts(store, f"{tmp_path}/three", "key").uri
        assert sorted(left_parts(store)) == sorted([second, third])
        assert f"{second}: cannot be removed: " in caplog.text
        assert forget_parts(store) == [third]
    assert left_parts(store) == [second]
    assert forget_parts(store) == [second]
    assert left_parts(store) == []


def test_room_is_told_of_a_full_disk_only(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert is_full(full)
    assert describe(full, str(tmp_path / "not yet"), "s3://bucket").endswith(
        f" MB are free at {tmp_path}"
    )
    other = OSError("something else")
    assert not is_full(other)
    assert describe(other, str(tmp_path)) == "something else"
