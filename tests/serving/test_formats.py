"""Rows come in as they are written, and nothing that is no rows comes in."""

import io
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.serving.formats import (
    ARROW,
    CSV,
    JSON,
    PARQUET,
    RequestError,
    accepted,
    to_file,
    to_table,
    written,
)

TABLE = pl.DataFrame({"a b": [1, 2], "<c>": ["x", "é"], "d": [0.1, None]})


def bytes_of(table: pl.DataFrame, type_: str) -> bytes:
    out = io.BytesIO()
    write = {CSV: table.write_csv, ARROW: table.write_ipc_stream}
    write.get(type_, table.write_parquet)(out)
    return out.getvalue()


def test_tables_come_in_as_they_are(tmp_path: Path) -> None:
    file = to_file(bytes_of(TABLE, PARQUET), PARQUET, tmp_path, 2)
    assert_frame_equal(pl.read_parquet(file), TABLE)
    assert_frame_equal(to_table(bytes_of(TABLE, ARROW), ARROW, 2), TABLE)


@pytest.mark.parametrize("body", ["[%s]", ' {"rows": [%s]}'])
def test_cells_of_json_are_texts_as_they_are_written(body: str) -> None:
    rows = (
        '{"a": 1.10, "b": "\\u00e9", "d": 0, "e": "x,1"},'
        '{"b": null, "c": 123456789012345678901, "d": -1E+05, "e": true},'
        '{"d": 2.50, "e": 3}'
    )
    expected = {
        "a": ["1.10", None, None],
        "b": ["é", None, None],
        "d": ["0", "-1E+05", "2.50"],
        "e": ["x,1", "true", "3"],
        "c": [None, "123456789012345678901", None],
    }
    table = to_table((body % rows).encode(), JSON, 3)
    assert_frame_equal(table, pl.DataFrame(expected))


WRONG: dict[str, tuple[str, bytes, int]] = {
    "no JSON": (JSON, b"[{]", 400),
    "NaN": (JSON, b'[{"a": NaN}]', 400),
    "no list": (JSON, b"3", 400),
    "another name": (JSON, b'{"row": []}', 400),
    "no rows": (JSON, b'{"rows": []}', 400),
    "no rows in a list": (JSON, b"[]", 400),
    "no cells": (JSON, b"[{}]", 400),
    "object in a cell": (JSON, b'[{"a": 1}, {"a": {"x": 1}}]', 422),
    "list in a cell": (JSON, b'[{"a": []}]', 422),
    "deep": (JSON, b"[" * 100_000, 400),
    "deep in a cell": (JSON, b'[{"a": ' + b"[" * 100_000 + b"}]", 400),
    "no UTF-8": (JSON, b'[{"a": "\xff"}]', 400),
    "many rows": (JSON, b"[{}, {}, {}, {}]", 413),
    "many columns": (
        JSON,
        b"[{%s}]" % b",".join(b'"%d":1' % i for i in range(1001)),
        413,
    ),
    "many lines": (CSV, b"a\n1\n2\n3\n4\n", 413),
    "no Arrow": (ARROW, b"abc", 400),
    "no Parquet": (PARQUET, b"PAR1abcPAR1", 400),
    "many rows of Parquet": (
        PARQUET,
        bytes_of(pl.DataFrame({"a": [0] * 4}), PARQUET),
        413,
    ),
    "lists": (ARROW, bytes_of(pl.DataFrame({"a": [[1]]}), ARROW), 400),
    "long texts": (
        PARQUET,
        bytes_of(pl.DataFrame({"a": ["x" * 4**11] * 3}), PARQUET),
        413,
    ),
}


@pytest.mark.parametrize(("type_", "body", "status"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_table_is_refused(
    type_: str, body: bytes, status: int, tmp_path: Path
) -> None:
    def read() -> object:
        if type_ in (JSON, ARROW):
            return to_table(body, type_, 3)
        return to_file(body, type_, tmp_path, 3)

    with pytest.raises(RequestError, match="request: ") as refused:
        read()
    assert refused.value.status == status
    assert str(tmp_path) not in str(refused.value)


def test_no_rows_and_nested_cells_are_said_to_be_there() -> None:
    with pytest.raises(RequestError, match=r"^request: no rows\n"):
        to_table(b"[]", JSON, 3)
    with pytest.raises(RequestError, match=r"^request: row 2: a: is an object, expec"):
        to_table(b'[{"a": 1}, {"b": 2, "a": {"x": 1}}]', JSON, 3)


def test_an_answer_is_written_as_is_asked() -> None:
    assert accepted("text/html, text/csv;q=0.9") == CSV
    assert accepted("") == accepted("*/*") == JSON
    with pytest.raises(RequestError, match="accepts 'image/png'"):
        accepted("image/png")
    with pytest.raises(RequestError, match=r"accepts 'text/csv'.*\nhint: without"):
        accepted("text/csv", (JSON,))
    made = pl.DataFrame({"prediction": [0.1, float("nan"), None]})
    expected = b'{"model":"m","predictions":[{"prediction":0.1},{"prediction":null},'
    assert written(made, JSON, {"model": "m"}).startswith(expected)
    for type_, read in ((ARROW, pl.read_ipc_stream), (PARQUET, pl.read_parquet)):
        assert_frame_equal(read(io.BytesIO(written(made, type_, {}))), made)
