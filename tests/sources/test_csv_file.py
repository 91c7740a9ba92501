"""A file that is no CSV, or is damaged, is named with its fault and its place."""

import contextlib
import gzip
import os
import warnings
from collections.abc import Callable
from itertools import takewhile
from multiprocessing import get_context
from pathlib import Path
from tempfile import gettempdir

import polars as pl
import pytest

from pipeline.errors import SourceError
from pipeline.sources.columns import Declared
from pipeline.sources.csv import CsvSource, scan_csv
from pipeline.sources.scan import Scan

Collect = Callable[[Scan], tuple[pl.DataFrame, pl.DataFrame]]
Write = Callable[..., Path]

HEADER = "Year,Name,Discharges,Mean Cost,Ratio,Note\n"
GOOD = "2009,x,5,1.5,-2,\n"
PANEL: dict[str, Declared] = {"Year": "code", "Name": "text", "Cost": "money"}


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ('2009,"oops,2\n', ""),
        ('2009,"oops,2\n', '2009,"again,2\n'),
        ('2009,"oops,2\n', '2009,"a, b",2\n'),
    ],
    ids=["to the end", "to the next such", "to the next quoted field"],
)
@pytest.mark.parametrize("asked", [["Year"], ["Year", "Cost"], ["Year", "Name"]])
def test_unclosed_quote_is_an_error_that_names_its_line(
    opening: str,
    closing: str,
    asked: list[str],
    tmp_path: Path,
    write: Write,
    collect: Collect,
) -> None:
    row = "2009,x,2\n"
    write("Year,Name,Cost\n" + row * 2000 + opening + row * 2000 + closing + row)
    columns: dict[str, Declared] = {name: PANEL[name] for name in asked}
    config = CsvSource(path="raw.csv", columns=columns)
    fast = scan_csv(config, tmp_path)
    with warnings.catch_warnings():
        # Polars warns of some of these files; that alone must not be what saves us.
        warnings.simplefilter("ignore")
        with contextlib.suppress(pl.exceptions.ComputeError):
            assert not collect(fast)[1].is_empty()
        with pytest.raises(pl.exceptions.ComputeError):
            collect(scan_csv(config, tmp_path, repair=True))
    error = fast.diagnose(fast.files)
    assert error is not None
    assert "a quote opened on line 2002 is not closed properly" in str(error)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty\nfound: 2 bytes"),
        (b"Year,Name,Cost\n\n", "holds a header but no rows"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (bytes(range(256)), "binary data"),
        ("Year,Name,Cost\n2009,x,1\n".encode("utf-32"), "text in UTF-32"),
        (b"\xff\xfe\x00", "bytes that are no UTF-16: truncated data"),
        (b"\xfe\xff\xd8\x00", "bytes that are no UTF-16: unexpected end"),
        (b"Year,Name,Cost\r\r\n2009,x,1\r\r\n", r"lines that end in \r\r\n"),
        (b"Year,Name,Cost\r2009,x,1\n", r"the header ends in \r alone"),
        (b"\n<!DOCTYPE html><p>Not found</p>", "an HTML or XML page"),
        (b"PK\x03\x04Year", "a zip archive or a workbook"),
        (b"Year,Name,Cost\r2009,x,1\r", r"lines that end in \r alone"),
        (b"Year,Nmae,Cost\n2009,x,1\n", "'Name'; did you mean 'Nmae'?"),
        (b"YEAR,Name,Cost\n2009,x,1\n", "'Year'; did you mean 'YEAR'?"),
        (
            b"Year,Name,Cost, Year\n2009,x,1,2\n",
            "found: 'Year', 'Name', 'Cost', 'Year'",
        ),
        (b"Year,Name,Cost,Year\n2009,x,1,2\n", "column 'Year' is there 2 times"),
        (b"Year,Name,Cost\n2009,caf\x82s,1\n", "0x82 on line 2, byte offset 23"),
        (b"2009,x,1\n2010,y,2\n", "it has no header, say source.header=false"),
        (gzip.compress(b"Year,Name,Cost\n2009,x,1\n")[:-9], "ends early or is damaged"),
        (b"x," * 60_000 + b"\n1\n", "a header of 60,001 columns"),
        (b"x" * (17 << 20), "line 1 is longer than 16 MiB"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_wrong_file_is_refused_before_data_is_read(
    content: bytes, found: str, tmp_path: Path, write: Write
) -> None:
    file = write(content)
    with pytest.raises(SourceError) as caught:
        scan_csv(CsvSource(path="raw.csv", columns=PANEL), tmp_path)
    first, *rest = str(caught.value).splitlines()
    assert first.startswith(f"{file}: ")
    assert found in str(caught.value)
    assert any(line.startswith("found: ") for line in rest)
    assert any(line.startswith("expected") for line in rest)
    assert rest[-1].startswith("hint: ")


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda content: content.replace(b"end", b"caf\xe9"), "0xe9 on line 40002"),
        (lambda content: gzip.compress(content)[:-500], "ends early or is damaged"),
    ],
    ids=["latin-1", "truncated gzip"],
)
def test_damage_below_the_head_is_diagnosed_after_the_run_failed(
    damage: Callable[[bytes], bytes],
    found: str,
    tmp_path: Path,
    write: Write,
    collect: Collect,
) -> None:
    rows = "".join(f"2009,{n * 7919 % 10_007} x,{n}\n" for n in range(40_000))
    content = f"Year,Name,Cost\n{rows}2010,end,1\n".encode()
    write(content, "in/a.csv")
    file = write(damage(content), "in/b.csv")
    scan = scan_csv(CsvSource(path="in/*.csv", columns=PANEL), tmp_path)
    with pytest.raises((pl.exceptions.PolarsError, OSError)):
        collect(scan)
    error = scan.diagnose(scan.files)
    assert str(error).startswith(f"{file}: ")
    assert found in str(error)


def test_files_that_are_well_are_not_blamed(tmp_path: Path, write: Write) -> None:
    write("Year,Name,Cost\n2009,x,1,,,5\n")
    scan = scan_csv(CsvSource(path="raw.csv", columns=PANEL), tmp_path)
    assert scan.diagnose(scan.files) is None


def _scan_as_nobody(file: Path) -> str:
    """Scan a file as a user without rights, and return the message."""
    if os.getuid() == 0:
        os.setuid(65534)
    try:
        scan_csv(CsvSource(path=str(file), columns={"Year": "code"}), Path("/"))
    except SourceError as error:
        return str(error)
    return "was read"


def test_file_without_permission_is_named(tmp_path: Path, write: Write) -> None:
    file = write("Year\n2009\n")
    file.chmod(0)
    below = takewhile(lambda f: f != Path(gettempdir()), [tmp_path, *tmp_path.parents])
    for folder in below:
        folder.chmod(0o755)
    with get_context("spawn").Pool(1) as pool:
        message = pool.apply(_scan_as_nobody, (file,))
    assert message.startswith(f"{file}: may not be read")
