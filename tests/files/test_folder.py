"""What workers write is there whole or not at all, and known by its content."""

from pathlib import Path

from pipeline.files.folder import Folder, RemoteFolder, open_folder


def test_address_tells_a_disk_from_a_store(tmp_path: Path) -> None:
    here, there = open_folder(str(tmp_path)), open_folder("s3://bucket/parts")
    assert here == Folder(str(tmp_path))
    assert here.needs_folders
    assert there == RemoteFolder("s3://bucket/parts")
    assert not there.needs_folders
    assert there.at("round-0", "a b.parquet") == "s3://bucket/parts/round-0/a b.parquet"


def test_content_comes_back_and_leaves_no_partial_file(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "parts"))
    assert folder.read("round-0", "done.json") is None
    for content in (b"", b"first", b"second"):
        folder.write(content, "round-0", "done.json")
        assert folder.read("round-0", "done.json") == content
    assert [path.name for path in (tmp_path / "parts/round-0").iterdir()] == [
        "done.json"
    ]


def test_damaged_content_is_not_there(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.write(b"content", "done.json")
    file = tmp_path / "done.json"
    file.write_bytes(file.read_bytes().replace(b"content", b"contend"))
    assert folder.read("done.json") is None
    file.write_bytes(b"")
    assert folder.read("done.json") is None


def test_files_are_listed_by_their_paths_with_what_shows_that_they_are_whole(
    tmp_path: Path,
) -> None:
    folder = Folder(str(tmp_path))
    for name in ("round-1/b", "round-1/a/c", "round-2/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"123456789")
    found = folder.files("round-1")
    assert found == {"round-1/a/c": "9 cbf43926", "round-1/b": "9 cbf43926"}
    assert list(found) == sorted(found)
    (tmp_path / "round-1/b").write_bytes(b"123456788")
    assert folder.files("round-1")["round-1/b"] != found["round-1/b"]
    assert folder.files("absent") == {}


def test_folder_is_removed_with_all_in_it_also_if_it_is_gone(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "parts"))
    folder.write(b"", "round-0", "begun")
    folder.remove()
    assert not (tmp_path / "parts").exists()
    folder.remove()
