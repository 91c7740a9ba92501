"""What is kept of a source is there whole or not at all."""

import os
import time
from pathlib import Path

import pytest

from pipeline.sources.kept import kept, used


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_appears_whole_and_takes_the_place_of_older_ones(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for name in ("a-1.csv", "a-2.csv", "a-2.csv"):
        with kept(folder / name, instead_of="a-*.csv") as part:
            part.write_text(name)
            assert name not in names(folder) or name == "a-2.csv"
        assert names(folder) == [name]
        assert (folder / name).read_text() == name


def test_what_is_not_written_or_broken_off_leaves_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "b-1.csv"
    path.write_text("old")
    with kept(path) as part:
        part.touch()
        part.unlink()
    with pytest.raises(KeyboardInterrupt), kept(tmp_path / "b-2.csv", instead_of="b-*"):
        raise KeyboardInterrupt
    assert names(tmp_path) == ["b-1.csv"]
    assert path.read_text() == "old"


def test_what_is_used_is_dated_once_a_day(tmp_path: Path) -> None:
    path = tmp_path / "rows-1.parquet"
    path.touch()
    now = time.time()
    for days, is_dated in ((0.5, False), (2, True)):
        os.utime(path, (now - days * 86400, now - days * 86400))
        before = path.stat().st_mtime
        used(path)
        assert (path.stat().st_mtime > before) == is_dated
