"""No field behind the last column is lost without a word."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources import csv_guard, csv_width, read
from pipeline.sources.csv import CsvSource
from pipeline.sources.csv_file import read_head, read_records
from pipeline.sources.csv_guard import refuse_unsound

Write = Callable[..., Path]

CONFIG = CsvSource(path="raw.csv", columns={"a": "text", "b": "text"})


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("1,x\n2,y,,z\n", "raw.csv:3: a row has more fields than the header"),
        ("1,x\n2,',,'\n", "(between ' with source.quote=\"'\")"),
        ("1,x\nSmith, John,\n", "found: 3 fields, 'Smith, John,'"),
        ('1,"x\ny",,z\n', "raw.csv:2:"),
        ("1,x,\n" * 3 + "2,y,,z\n", "raw.csv:5:"),
        ("1,x,\n" * 3 + "2,y,,\n", "raw.csv:5:"),
    ],
    ids=repr,
)
def test_row_whose_further_fields_would_not_show_is_refused(
    rows: str, found: str, tmp_path: Path, write: Write
) -> None:
    write(f"a,b\n{rows}".encode("utf-16"))
    with pytest.raises(SourceError) as error:
        read(CONFIG, tmp_path)
    assert found in str(error.value)


@pytest.mark.parametrize(
    "rows",
    ["1,x,\n2,,\n", "1,x,,\n2,,,\n", "1,\n,,,,\n", '1,",,"\n2,\n', "1,x\n2\n"],
    ids=repr,
)
def test_blank_fields_in_all_rows_are_none(
    rows: str, tmp_path: Path, write: Write
) -> None:
    write(f"a,b\n{rows}")
    _, bad = read(CONFIG, tmp_path)
    assert bad.is_empty()


def _written(cell: str) -> str:
    """Write a cell, between quotes only where it must be."""
    must = cell.startswith('"') or "," in cell or "\n" in cell
    return '"{}"'.format(cell.replace('"', '""')) if must else cell


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    table=st.lists(st.lists(st.text('x,"\n', max_size=3), max_size=4), max_size=5),
    n_bytes=st.sampled_from([8, 1 << 20]),
    n_small=st.sampled_from([0, 1 << 16]),
)
def test_lines_tell_what_records_tell(
    table: list[list[str]],
    n_bytes: int,
    n_small: int,
    monkeypatch: pytest.MonkeyPatch,
    write: Write,
) -> None:
    rows = "".join(f"{','.join(map(_written, row))}\n" for row in table)
    file = write(f"a,b\nx,x\n{rows}")
    head = read_head(file, CONFIG)
    n_usual = 3 if {len(r) for r in head.records[:-1] if len(r) > 1} == {3} else 2
    hidden = [
        record
        for _, record in read_records(file, head.written, head.lines)
        if len(record) > 2 and not record[2] and any(record)
        if any(record[2:]) or len(record) > n_usual
    ]
    monkeypatch.setattr(csv_guard, "_BLOCK", n_bytes)
    monkeypatch.setattr(csv_width, "_SMALL", n_small)
    try:
        refuse_unsound(file, head.written)
    except SourceError:
        return
    if not hidden:
        refuse_unsound(file, head.written, head)
        return
    with pytest.raises(SourceError, match="a row has more fields than the header"):
        refuse_unsound(file, head.written, head)
