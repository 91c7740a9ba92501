"""Files that Polars would misread, or not fit in memory, are named with the line."""

import csv
import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources import csv_guard, read
from pipeline.sources.csv import CsvSource
from pipeline.sources.csv_guard import refuse_unsound

Write = Callable[..., Path]

HEADER = "Year,Name,Cost\n"
MIB = 1 << 20


def _packed(content: bytes, packing: str) -> bytes:
    """Compress some bytes, or leave them."""
    if packing == "gzip":
        return gzip.compress(content, 1)
    if packing == "zstd":
        return pa.compress(content, codec="zstd", asbytes=True)
    return content


@pytest.mark.parametrize("packing", ["none", "gzip", "zstd"])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("x" * (17 * MIB), "line 3 is longer than 16 MiB"),
        ('2009,"' + "x\n" * (9 * MIB), "a quote opened on line 3 is not closed wi"),
    ],
    ids=["line", "quote"],
)
def test_endless_line_or_quote_is_refused_within_little_memory(
    content: str, found: str, packing: str, write: Write
) -> None:
    raw = f"{HEADER}2009,x,1\n{content}\n2009,x,1\n".encode()
    file = write(_packed(raw, packing))
    tracemalloc.start()
    with pytest.raises(SourceError) as error:
        refuse_unsound(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(error.value).startswith(f"{file}: ")
    assert f"found: {found}" in str(error.value)
    assert peak < 8 * MIB


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_bomb_is_refused_and_a_table_of_the_same_length_is_not(
    packing: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_guard, "_FREE_EXPANSION", 4 * MIB)
    bomb = write(_packed(HEADER.encode() + b"2009,x,1\n" * 600_000, packing))
    with pytest.raises(SourceError, match="grows beyond reason") as error:
        refuse_unsound(bomb)
    assert "hint: unpack it yourself" in str(error.value)
    rows = "".join(f"2009,{i * 7919 % 10_007},{i}\n" for i in range(400_000))
    refuse_unsound(write(_packed(HEADER.encode() + rows.encode(), packing)))


@pytest.mark.parametrize(
    "row",
    [
        r'2009,"a \"b\", c",1',
        '2009,"5" pipe "x"",1',
        '2009,"a "b" c",1',
        '2009,"a""b "c" d",1',
        '2009,"never,1',
        '"2009","5" pipe","1"',
        '2009,5" pipe "x" 6",1\n2009,"a "b" c",1',
    ],
)
def test_quote_within_a_quoted_field_is_refused_with_its_line(
    row: str, write: Write, tmp_path: Path
) -> None:
    good = '2009,"a ""b"", c",1\n2009,5" pipe,1\n'
    file = write(HEADER + good * 1_000 + row + "\n" + good.replace('5"', "5"))
    line = 2_002 + row.count("\n")
    source = CsvSource(path=file.name, columns={"Year": "code", "Name": "text"})
    with pytest.raises(SourceError) as error:
        read(source, tmp_path)
    assert f"found: a quote opened on line {line} is not closed" in str(error.value)
    assert "hint: look at line" in str(error.value)


@pytest.mark.parametrize("n_before", [*range(MIB - 24, MIB + 3)])
def test_quote_at_the_seam_of_two_blocks_is_seen(n_before: int, write: Write) -> None:
    padding = "x" * (n_before - len(HEADER) - 1) + "\n"
    refuse_unsound(write(HEADER + padding + '"a ""b"", c",2,"x"\n5" pipe,1,"y"\n'))
    with pytest.raises(SourceError, match="opened on line 3"):
        refuse_unsound(write(HEADER + padding + '"a "b", c",2,"x"\n'))


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(cells=st.lists(st.text('a", \n', max_size=5), min_size=2, max_size=6))
@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
def test_file_that_is_quoted_as_it_should_be_is_let_through(
    quoting: Literal[0, 1], cells: list[str], write: Write
) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=quoting).writerows([cells, cells[::-1]])
    refuse_unsound(write(out.getvalue()))


def test_file_that_is_not_utf_8_is_named_for_that(write: Write) -> None:
    file = write(HEADER.encode() + b'2009,"caf\xe9 "x" y",1\n')
    with pytest.raises(SourceError, match="opened on line 2"):
        refuse_unsound(file)


@pytest.mark.parametrize("n_bytes", [1, 3 * MIB])
def test_zeros_that_a_lost_disk_gives_are_no_rows(n_bytes: int, write: Write) -> None:
    file = write(HEADER + "2009,x,1\n" * 300_000 + "2009,x" + "\0" * n_bytes)
    with pytest.raises(SourceError, match="found: a byte of zero on line 300002"):
        refuse_unsound(file)
