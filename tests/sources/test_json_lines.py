"""JSON lines are read as they are written; a line that is no object is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.sources import read
from pipeline.sources.json_lines import JsonLinesSource

Write = Callable[..., Path]

COLUMNS = {"Year": "code", "Sales": "number", "Note": "text"}
GOOD = '{"Year": 2015, "Sales": 1.5, "Note": "x"}\n'


def make(**given: Any) -> JsonLinesSource:
    """Declare a source of three columns."""
    raw = {"kind": "json_lines", "path": "*.jsonl", "columns": COLUMNS}
    return msgspec.convert(raw | given, JsonLinesSource)


def test_cells_are_read_by_their_kind(tmp_path: Path, write: Write) -> None:
    columns = {
        "id": "label",
        "price": {"kind": "decimal", "scale": 18},
        "at": "datetime",
        "day": "date",
        "sold": "flag",
        "n": "integer",
        "tags": "text",
    }
    write(
        '{"n": -9007199254740993, "id": 12345678901234567890123, "sold": true,'
        ' "price": 0.123456789012345678, "at": "2015-01-31T01:00:00+02:00",'
        ' "day": "2015-01-31", "tags": ["ä", 1.50], "other": {}}\n',
        "a [1].jsonl",
    )
    rows, bad = read(make(columns=columns), tmp_path)
    assert bad.is_empty()
    [row] = rows.with_columns(pl.col("at", "day", "price").cast(pl.String)).rows()
    assert row == (
        "12345678901234567890123",
        "0.123456789012345678",
        "2015-01-30 23:00:00.000000+00:00",
        "2015-01-31",
        True,
        -9007199254740993,
        '["ä", 1.50]',
    )


def test_what_a_record_lacks_is_null(tmp_path: Path, write: Write) -> None:
    write('{"Year": 2015}\n' * 1001 + GOOD, "a.jsonl")
    rows, bad = read(make(), tmp_path)
    assert bad.is_empty()
    assert rows.tail(2).rows() == [(2015, None, None), (2015, 1.5, "x")]


def test_bad_cells_are_named_with_their_lines(tmp_path: Path, write: Write) -> None:
    write("\ufeff" + GOOD + "\n  \n" + GOOD.replace("2015", '"n/a"'), "a.jsonl")
    write(GOOD + GOOD.replace("2015", "{}"), "b.jsonl")
    rows, bad = read(make(), tmp_path)
    assert rows.height == 2
    assert bad.rows() == [
        ("a.jsonl", 4, "Year", "n/a", "unreadable code"),
        ("b.jsonl", 2, "Year", "{}", "unreadable code"),
    ]


@pytest.mark.parametrize(
    "line", ["[1, 2]", "5", '{"Year":', GOOD.strip() * 2, '{"Year": NaN}', "Year,Sales"]
)
def test_line_that_is_no_object_is_named(
    line: str, tmp_path: Path, write: Write
) -> None:
    file = write(GOOD * 1500 + line + "\n", "a.jsonl")
    with pytest.raises(SourceError, match=r"a\.jsonl:1501: is no JSON object") as error:
        read(make(), tmp_path)
    assert str(error.value).startswith(f"{file}:1501: ")
    assert f"found: {line[:20]!r}"[:-1] in str(error.value)


def test_declared_name_that_no_record_has_is_an_error(
    tmp_path: Path, write: Write
) -> None:
    write(GOOD, "a.jsonl")
    with pytest.raises(SourceError, match="'Sale'; did you mean 'Sales'"):
        read(make(columns={"Sale": "number"}), tmp_path)


def test_names_are_renamed(tmp_path: Path, write: Write) -> None:
    write(GOOD, "a.jsonl")
    config = make(columns={"When": "code"}, rename={"Year": "When"})
    assert read(config, tmp_path)[0].rows() == [(2015,)]
