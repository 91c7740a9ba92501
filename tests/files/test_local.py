"""Files are found by their paths, and known by their content."""

import os
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, SourceError
from pipeline.files.local import (
    FileContent,
    contents,
    find_files,
    find_local,
    find_root,
    require_unchanged,
    shown,
)


def settled(file: Path, root: Path) -> FileContent:
    """Hash a file that was last changed long ago."""
    os.utime(file, (1, 1))
    [content] = contents([file], root, [])
    return FileContent(content.stat, content.sha256, content.hashed_ns + 10**10)


def test_project_is_the_nearest_folder_with_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "pipeline.yaml").touch()
    (below := tmp_path / "data" / "raw").mkdir(parents=True)
    assert find_root(below) == tmp_path
    with pytest.raises(ConfigError, match="no project here"):
        find_root(tmp_path.parent)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("in/costs.csv", "no such file; did you mean 'cost.csv'?"),
        ("in/*.tsv", "matches no file"),
        ("in", "is a folder, not a file"),
    ],
    ids=str,
)
def test_path_without_a_file_says_what_is_there(
    path: str, found: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cost.csv").touch()
    with pytest.raises(SourceError) as caught:
        find_files(path, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / path}: {found}")
    assert "cost.csv" in message
    assert "\nhint: " in message


def test_pattern_finds_files_sorted_and_each_once(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    files = [tmp_path / name for name in ("a.csv", "b/a.csv", "b/c/a.csv")]
    for file in files:
        file.touch()
    assert find_local("**/**/*.csv", tmp_path) == tuple(files)
    assert [shown(file, tmp_path / "b") for file in files] == [
        str(files[0]),
        "a.csv",
        "c/a.csv",
    ]


def test_what_a_pattern_finds_and_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "2015.csv").write_text("Year\n2015\n")
    (tmp_path / "2016.csv").symlink_to("gone.csv")
    with pytest.raises(SourceError, match=r"2016\.csv: is a link to what is not there"):
        find_local("*.csv", tmp_path)
    (tmp_path / "2016.csv").unlink()
    os.mkfifo(tmp_path / "2017.csv")
    for path in ("*.csv", "2017.csv"):
        with pytest.raises(SourceError, match=r"2017\.csv: is no regular file"):
            find_local(path, tmp_path)


def test_file_that_is_untouched_is_not_hashed_again(tmp_path: Path) -> None:
    (file := tmp_path / "a.csv").write_text("1")
    known = settled(file, tmp_path)
    assert contents([file], tmp_path, [known]) == [known]
    file.write_text("2")
    os.utime(file, (1, 1))  # the inode's own time tells all the same
    [found] = contents([file], tmp_path, [known])
    assert found.sha256 != known.sha256


def test_hash_of_a_file_that_has_just_changed_is_not_believed(tmp_path: Path) -> None:
    (file := tmp_path / "a.csv").write_text("1")
    [content] = contents([file], tmp_path, [])
    assert not content.is_settled
    assert settled(file, tmp_path).is_settled


def test_files_that_change_come_or_go_during_a_run_are_named(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("1")
    known = contents([first], tmp_path, [])
    require_unchanged(known, "*.csv", tmp_path)
    second.touch()
    with pytest.raises(SourceError, match=r"b\.csv: changed while it was being read"):
        require_unchanged(known, "*.csv", tmp_path)
    second.unlink()
    first.write_text("12")
    with pytest.raises(SourceError, match=r"a\.csv: changed while it was being read"):
        require_unchanged(known, "*.csv", tmp_path)
