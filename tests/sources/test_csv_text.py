"""A file of any encoding becomes UTF-8, and its lines keep their numbers."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.sources.csv_text import open_text, readable_copy
from pipeline.sources.dialect import Written

Write = Callable[..., Path]


def _text(file: Path, written: Written) -> str:
    """Read the text of a file."""
    with open_text(file, written) as stream:
        return stream.read().decode()


@pytest.mark.parametrize("encoding", ["utf-16", "windows-1252", "utf-16-be", "cp850"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_text_of_any_encoding_is_read_as_utf8(
    encoding: str, pack: Callable[[bytes], bytes], write: Write
) -> None:
    text = "Düsseldorf;Málaga\r\n" * 50_000  # of several blocks
    file = write(pack(text.encode(encoding)))
    assert _text(file, Written(encoding)) == text


def test_comment_is_a_blank_line_but_within_quotes(write: Write) -> None:
    file = write('A,B\n# of "2015\n1,"x\n# no comment"\n#\n2,y\n#end')
    read = _text(file, Written(comment="#"))
    assert read == 'A,B\n\n1,"x\n# no comment"\n\n2,y\n'


@pytest.mark.parametrize(
    ("n", "left"),
    [
        (0, "A\n1\n2\n\nTotal\n3\n\n"),
        (1, "A\n1\n2\n\nTotal\n"),
        (2, "A\n1\n2\n"),
        (9, ""),
    ],
)
def test_footer_is_so_many_lines_that_are_not_blank(
    n: int, left: str, write: Write
) -> None:
    file = write("A\n1\n2\n\nTotal\n3\n\n")
    assert _text(file, Written(skip_footer=n)) == left


def test_plain_file_is_read_where_it_is(write: Write, tmp_path: Path) -> None:
    file = write("A\n1\n")
    assert readable_copy(file, Written(separator=";"), tmp_path) == file


def test_copy_is_made_once_and_replaced_with_its_file(
    write: Write, tmp_path: Path
) -> None:
    latin = Written("windows-1252")
    first = readable_copy(write("Köln\n".encode("latin-1")), latin, tmp_path)
    assert first.read_text("utf-8") == "Köln\n"
    made = first.stat().st_mtime_ns
    assert readable_copy(tmp_path / "raw.csv", latin, tmp_path) == first
    assert first.stat().st_mtime_ns == made
    second = readable_copy(write("Málaga\n".encode("latin-1")), latin, tmp_path)
    assert second.read_text("utf-8") == "Málaga\n"
    assert [*second.parent.iterdir()] == [second]


def test_byte_of_another_encoding_leaves_no_copy(write: Write, tmp_path: Path) -> None:
    file = write(b"K\xf6ln\n\x81\n")
    with pytest.raises(UnicodeDecodeError):
        readable_copy(file, Written("windows-1252"), tmp_path)
    assert [*(tmp_path / ".pipeline" / "data").iterdir()] == []
