"""What is kept of a file is what would be read of it, and of no other file."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline import sources
from pipeline.errors import SourceError
from pipeline.files.local import contents, find_files
from pipeline.sources import parsed as parsed_module
from pipeline.sources.csv import CsvSource
from pipeline.sources.parsed import ParsedFiles

CONFIG = CsvSource(
    path="*.csv", columns={"year": "code", "unit": "text", "cost": "money"}
)
TEXTS = {
    "2010.csv": "year,unit,cost\n2010,a,1.5\n2010,b,2\n",
    "2011.csv": 'year,unit,cost\n2011,a,"$1,003.25"\nodd,b,2\n2011,c,7\n',
    "2012.csv": "unit,cost,year\na,9,2012\n",
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Some files, as if they were large."""
    monkeypatch.setattr(parsed_module, "LEAST_BYTES", 1)
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def parse(root: Path, require_same: Callable[[], None] = lambda: None) -> ParsedFiles:
    known = contents(find_files(CONFIG.path, root), root, [])
    parsed = sources.parse_once(CONFIG, root, known, require_same)
    assert parsed is not None
    return parsed


def kept(root: Path) -> dict[str, int]:
    """Name what is kept, and when it was written."""
    files = (root / ".pipeline" / "data").iterdir()
    return {path.name: path.stat().st_mtime_ns for path in files}


def assert_as_read(root: Path) -> None:
    """Hold what is kept to what a reading of all files gives."""
    scan = parse(root).scan("whole")
    rows, bad = (lf.collect() for lf in scan.frames())
    good, cells = sources.read(CONFIG, root)
    assert rows.equals(good)
    assert rows.schema == good.schema
    assert scan.numbered(bad, root).equals(cells)


def test_rows_and_bad_cells_are_those_of_a_reading_of_all(files: Path) -> None:
    for _ in range(2):
        assert_as_read(files)
    pieces = parse(files).scan("pieces")
    assert pieces.exact
    assert pieces.most_rows == 5


def test_only_what_is_new_or_changed_is_parsed(files: Path) -> None:
    parse(files)
    before = kept(files)
    (files / "2013.csv").write_text("unit,cost,year\nb,4,2013\n")
    (files / "2010.csv").write_text(TEXTS["2010.csv"].replace("1.5", "2.5"))
    (files / "2012.csv").rename(files / "2014.csv")
    assert_as_read(files)
    after = kept(files)
    assert before.items() <= after.items()
    assert len(after) == len(before) + 2
    (files / "2014.csv").unlink()
    assert_as_read(files)
    assert kept(files) == after


def test_files_of_the_same_content_are_parsed_once_and_read_each(files: Path) -> None:
    (files / "2013.csv").write_text(TEXTS["2011.csv"])
    assert_as_read(files)
    assert len(kept(files)) == 4


def test_what_is_kept_and_damaged_is_parsed_again(files: Path) -> None:
    parse(files)
    before = kept(files)
    for name in before:
        path = files / ".pipeline" / "data" / name
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert_as_read(files)
    assert kept(files).keys() == before.keys()


def test_of_a_file_that_changes_meanwhile_nothing_is_kept(files: Path) -> None:
    """Its rows would stand for the content it had before."""

    def changed() -> None:
        raise SourceError("2010.csv: changed while it was being read")

    with pytest.raises(SourceError, match="changed while"):
        parse(files, changed)
    assert kept(files) == {}


def test_of_one_file_or_of_small_ones_nothing_is_kept(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = CsvSource(path="2010.csv", columns=CONFIG.columns)
    known = contents(find_files(config.path, files), files, [])
    assert sources.parse_once(config, files, known, lambda: None) is None
    monkeypatch.undo()
    known = contents(find_files(CONFIG.path, files), files, [])
    assert sources.parse_once(CONFIG, files, known, lambda: None) is None


def test_schema_of_an_empty_file_is_that_of_the_others(files: Path) -> None:
    (files / "2013.csv").write_text("year,unit,cost\nodd,a,1\n")
    rows, _ = parse(files).scan("whole").frames()
    assert rows.collect().height == 5
    assert rows.collect_schema() == pl.Schema(
        {"year": pl.Int32, "unit": pl.String, "cost": pl.Float64}
    )
