"""Copies of files are of one content, settings and columns, and split as files are."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.plan.fingerprint import source_plan
from pipeline.sources import columns_of, copied, json_lines, read, scan
from pipeline.sources.columns import Column
from pipeline.sources.json_lines import JsonLinesSource

Write = Callable[..., Path]

CONFIG = JsonLinesSource(path="*.jsonl", columns={"Year": "code", "Sales": "number"})
ROW = '{"Year": 2015, "Sales": %d}\n'


def _copies(root: Path) -> set[Path]:
    return set((root / ".pipeline" / "data").iterdir())


def test_copy_is_made_once_per_content(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copied, "_SETTLED_NS", 0)
    write(ROW % 1, "a.jsonl")
    read(CONFIG, tmp_path)
    [copy] = _copies(tmp_path)
    before = copy.stat().st_ino
    read(CONFIG, tmp_path)
    assert copy.stat().st_ino == before
    write(ROW % 22, "a.jsonl")
    assert read(CONFIG, tmp_path)[0]["Sales"].to_list() == [22]
    [other] = _copies(tmp_path)
    assert other != copy


def test_file_that_was_only_just_changed_is_copied_again(
    tmp_path: Path, write: Write
) -> None:
    write(ROW % 1, "a.jsonl")
    read(CONFIG, tmp_path)
    [copy] = _copies(tmp_path)
    before = copy.stat().st_ino
    read(CONFIG, tmp_path)
    assert copy.stat().st_ino != before


def test_copies_of_other_columns_stay(tmp_path: Path, write: Write) -> None:
    write(ROW % 1, "a.jsonl")
    other = JsonLinesSource(path="*.jsonl", columns={"Year": "code"})
    for config in (CONFIG, other, CONFIG):
        read(config, tmp_path)
    assert len(_copies(tmp_path)) == 2


def test_plan_reads_no_file_and_tells_settings_apart(
    tmp_path: Path, write: Write
) -> None:
    write("no JSON", "a.jsonl")
    renamed = JsonLinesSource(
        path="*.jsonl", columns=CONFIG.columns, rename={"y": "Year"}
    )
    plans = {source_plan(config, tmp_path)[0] for config in (CONFIG, renamed)}
    assert len(plans) == 2
    assert not (tmp_path / ".pipeline").exists()


def test_pieces_hold_the_rows_of_the_whole(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copied, "_PIECE", 1)
    for name in ("a", "b"):
        write(ROW % 1 + ROW % 2, f"{name}.jsonl")
    found = scan(CONFIG, tmp_path, streams="pieces")
    assert [stream.most_rows for stream in found.streams] == [2, 2]
    rows = pl.concat([s.good(s.rows) for s in found.streams]).collect()
    assert rows["Sales"].to_list() == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("text", "zone"),
    [("2015-01-31T00:00:00Z", "UTC"), ("2015-01-31 00:00:00", None), ("x", None)],
)
def test_first_cell_of_a_datetime_says_whether_it_is_in_utc(
    text: str, zone: str | None, tmp_path: Path, write: Write
) -> None:
    write(f'{{"at": null}}\n{{"at": "{text}"}}\n', "a.jsonl")
    config = JsonLinesSource(path="a.jsonl", columns={"at": "datetime"})
    schema = scan(config, tmp_path).frames()[0].collect_schema()
    assert schema["at"] == pl.Datetime("us", zone)
    assert scan(config, tmp_path).streams[0].columns == columns_of(config, tmp_path)


def test_how_dates_are_written_is_found_out_and_said(
    tmp_path: Path, write: Write
) -> None:
    days = ["01/02/2015", "", "25/12/2015", "soon"]
    write("".join(f'{{"day": "{day}"}}\n' for day in days), "a.jsonl")
    column = Column(kind="date", null=True)
    config = JsonLinesSource(path="a.jsonl", columns={"day": column})
    rows, bad = read(config, tmp_path)
    assert rows["day"].to_list() == [date(2015, 2, 1), None, date(2015, 12, 25)]
    assert bad["value"].to_list() == ["soon"]
    said = ("a.jsonl: read with day as %d/%m/%Y",)
    assert scan(config, tmp_path).said == said
    assert source_plan(config, tmp_path)[1] == said
    found = Column(kind="date", null=True, format="%d/%m/%Y")
    assert columns_of(config, tmp_path) == {"day": found}
    (tmp_path / "a.jsonl").unlink()
    assert columns_of(config, tmp_path) == {"day": column}


def test_dates_of_two_readings_are_refused_with_the_place(
    tmp_path: Path, write: Write
) -> None:
    write('{"day": "02/02/2015"}\n{"day": "01/02/2015"}\n', "a.jsonl")
    config = JsonLinesSource(path="a.jsonl", columns={"day": "date"})
    with pytest.raises(SourceError, match=r"a\.jsonl:2: the dates of column"):
        read(config, tmp_path)


def test_copy_that_cannot_be_written_is_an_error_that_names_the_file(
    tmp_path: Path, write: Write
) -> None:
    file = write(ROW % 1, "a.jsonl")
    (tmp_path / ".pipeline").write_text("a file")
    with pytest.raises(SourceError, match=r"a\.jsonl: cannot be copied\n") as error:
        read(CONFIG, tmp_path)
    assert str(file) in str(error.value)


def test_damaged_copy_is_diagnosed(tmp_path: Path, write: Write) -> None:
    write(ROW % 1, "a.jsonl")
    found = scan(CONFIG, tmp_path)
    [copy] = _copies(tmp_path)
    copy.write_bytes(b"PAR1")
    assert f"{copy}: cannot be read as Parquet" in str(found.diagnose(found.files))


def test_code_that_copies_are_made_by_is_part_of_them(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(ROW % 1, "a.jsonl")
    plan = source_plan(CONFIG, tmp_path)
    read(CONFIG, tmp_path)
    code = write("other = 1", "json_lines.py")
    monkeypatch.setattr(json_lines, "__file__", str(code))
    assert source_plan(CONFIG, tmp_path) != plan
    read(CONFIG, tmp_path)
    assert len(_copies(tmp_path)) == 2
