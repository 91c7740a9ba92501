"""A delivery says by itself whether it is whole, and takes no one's place."""

import json
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, SourceError
from pipeline.files.delivery import SUCCESS, Delivery, delivery


def named(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    file = tmp_path / "made"
    file.write_text("a,b\n")
    return file


def test_it_is_whole_once_it_says_so(tmp_path: Path, made: Path) -> None:
    out = tmp_path / "out %41"
    with delivery(str(out)) as first:
        first.begin(["x/a b.csv", "c.csv"])
        first.put(made, "x/a b.csv")
        assert SUCCESS not in named(out)
        first.put(made, "c.csv")
        first.finish({"files": ["x/a b.csv", "c.csv"], "version": 1})
    assert named(out) == {"x/a b.csv", "c.csv", SUCCESS}
    assert (out / "x" / "a b.csv").read_text() == "a,b\n"
    assert json.loads((out / SUCCESS).read_text())["version"] == 1


def test_what_was_begun_is_replaced(tmp_path: Path, made: Path) -> None:
    out = tmp_path / "out"
    for names in (["a.csv", "b.csv"], ["b.csv"]):
        begun = Delivery(str(out))
        begun.begin(names)  # and dies
        begun.put(made, names[0])
        (out / f"{names[0]}.12345678.partial").write_text("half")
    assert SUCCESS not in named(out)
    last = Delivery(str(out))
    last.begin(["c.csv"])
    last.put(made, "c.csv")
    last.finish({"files": ["c.csv"]})
    assert named(out) == {"c.csv", SUCCESS}


def test_what_somebody_else_has_put_there_stays(tmp_path: Path, made: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.csv").write_text("rows")
    (out / "b.csv.12345678.partial").write_text("rows")
    with (
        pytest.raises(ConfigError, match=r"is not empty\nfound: b\.csv.*, mine\.csv"),
        delivery(str(out)) as begun,
    ):
        begun.begin(["a.csv"])
    assert named(out) == {"mine.csv", "b.csv.12345678.partial"}
    with (
        pytest.raises(SourceError, match="cannot be written"),
        delivery(str(made)) as begun,
    ):
        begun.begin(["a.csv"])
