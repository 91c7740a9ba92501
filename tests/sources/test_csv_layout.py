"""The declared columns tell where a table begins, and what separates its fields."""

import csv
from typing import Any

import pytest

from pipeline.sources.columns import Declared
from pipeline.sources.csv_layout import Layout, find_encoding, find_layout
from pipeline.sources.dialect import Dialect

COLUMNS: dict[str, Declared] = {"Store": "label", "Sales": "number"}


def _found(text: str, **settings: Any) -> Layout:
    """Find the layout of a text."""
    return find_layout(text, Dialect(**{"columns": COLUMNS, **settings}))


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"Store\nA\n", "utf-8"),
        ("Düsseldorf".encode(), "utf-8"),
        ("Düsseldorf".encode()[:2], "utf-8"),  # cut within a letter
        ("Düsseldorf".encode("utf-8-sig"), "utf-8"),
        ("Düsseldorf".encode("utf-16"), "utf-16"),
        ("Düsseldorf".encode("utf-16-be"), "utf-8"),  # refused, for its zeros
        ("Düsseldorf, Málaga; 5 €".encode("windows-1252"), "windows-1252"),
        ("Müller d\u2019Or \u2013 œuvre".encode("windows-1252"), "windows-1252"),
        ("São Paulo, Açaí, m²".encode("latin-1"), "windows-1252"),
        ("Москва".encode("windows-1251"), None),
        ("Wrocław".encode("iso-8859-2"), None),
        ("Düsseldorf".encode("cp850"), None),
        ("Málaga, Orléans".encode("cp437"), None),
        ("東京".encode("shift-jis"), None),
        ("北京".encode("gbk"), None),
        ("Düsseldorf".encode() * 9 + b"\xff", None),
    ],
)
def test_encoding_is_found_or_not_guessed(content: bytes, encoding: str | None) -> None:
    if encoding is not None:
        assert find_encoding(content) == encoding
        return
    with pytest.raises(UnicodeDecodeError):
        find_encoding(content)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_separator_and_quote_are_those_that_make_the_names(
    separator: str, quote: str
) -> None:
    cells = [("Store", "Sales"), (f"A{separator}B", "1")]
    lines = [separator.join(f"{quote}{cell}{quote}" for cell in row) for row in cells]
    found = _found("\n".join(lines) + "\n")
    assert (found.separator, found.quote) == (separator, quote)
    assert found.names == ["Store", "Sales"]
    assert found.records == [[f"A{separator}B", "1"]]


@pytest.mark.parametrize(
    ("above", "lines"),
    [
        ("", 1),
        ("\n\n", 3),
        ("sep=;\n", 2),
        ('Sales "by store;\n# of 2015\n\n', 4),
    ],
    ids=repr,
)
def test_header_is_the_line_that_names_the_columns(above: str, lines: int) -> None:
    found = _found(f"{above}Other;Store;Sales\n?;A;1,5\n")
    assert (found.separator, found.lines) == (";", lines)
    assert found.records == [["?", "A", "1,5"]]


def test_header_that_lacks_a_column_is_the_line_that_has_most() -> None:
    found = _found("of 2015\nstore;Sales;x\nA;1;2\n")
    assert (found.names, found.lines) == (["store", "Sales", "x"], 2)


def test_header_is_found_by_the_names_that_files_use() -> None:
    found = _found("Filiale|Sales\nA|1\n", rename={"Filiale": "Store"})
    assert found.separator == "|"


def test_nothing_known_is_still_cut_into_fields() -> None:
    assert _found("a;b\n1;2\n").names == ["a", "b"]


@pytest.mark.parametrize(
    ("rows", "separator"), [("1\n2\n", ","), ("1,5\n2,5\n", ";"), ("1,5;\n2\n", "\t")]
)
def test_one_column_has_no_separator_in_it(rows: str, separator: str) -> None:
    found = _found(f"Sales\n{rows}", columns={"Sales": "number"})
    assert found.separator == separator


def test_what_is_said_is_not_looked_for() -> None:
    text = "Store;Sales\nStore,Sales\nA,1\n"
    assert _found(text).separator == ";"
    assert _found(text, separator=",").lines == 2
    assert _found(text, skip_lines=1).separator == ","
    assert _found("'Store','Sales'\n1,2\n", quote="none").names == [
        "'Store'",
        "'Sales'",
    ]


def test_comments_amid_rows_are_known_by_those_above() -> None:
    above, amid = "# of 2015\n", "# of 2016\n"
    assert _found(f"{above}Store,Sales\nA,1\n").comment is None
    found = _found(f"{above}Store,Sales\nA,1\n{amid}B,2\n")
    assert (found.comment, found.lines) == ("#", 2)
    assert found.records == [["A", "1"], ["B", "2"]]
    assert _found(f"Store,Sales\nA,1\n{amid}").comment is None
    assert _found("#,Store,Sales\n#1,A,1\n").comment is None


@pytest.mark.parametrize("text", ["A;1\nB;2,5\n", "of 2015\nA;1\nB;2,5\n"])
def test_without_a_header_fields_are_the_declared_columns(text: str) -> None:
    above = text.count("of")
    found = _found(text, header=False, skip_lines=above)
    assert (found.separator, found.lines) == (";", above)
    assert found.names == ["Store", "Sales"]
    assert found.records == [["A", "1"], ["B", "2,5"]]


def test_without_a_header_two_separators_may_fit() -> None:
    with pytest.raises(csv.Error, match="between commas and semicolons fit: say"):
        _found("A;1,5\n", header=False)
    assert _found("A;1,5\n", header=False, separator=";").records == [["A", "1,5"]]


def test_apostrophes_around_a_field_may_be_quotes_or_not() -> None:
    text = "Store,Sales\n'A',1\n"
    with pytest.raises(csv.Error, match="'A' may be quoted by apostrophes, or hold"):
        _found(text)
    assert _found(text, quote="'").records == [["A", "1"]]
    assert _found(text, quote='"').records == [["'A'", "1"]]
    assert _found(text + '"B",2\n').records[0] == ["'A'", "1"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a;b\n1,5;2\n2,5;3\n", ["a", "b"]),
        ("Sales, of 2020\n\nx,y,z\n1,2,3\n4,5,6\n", ["x", "y", "z"]),
        ("x|y\n1|2\n3|4\n5\n6|7\n8|9\n1|2\n", ["x", "y"]),
        ("x,y\n1,2,\n3,4,\n", ["x", "y"]),
        ("x,y,\n1,2\n3,4\n", ["x", "y", ""]),
        ("one\n1\n", ["one"]),
    ],
    ids=["semicolons", "title", "ragged", "comma behind", "comma above", "one"],
)
def test_without_declared_columns_the_shape_of_the_table_tells(
    text: str, names: list[str]
) -> None:
    assert _found(text, columns={}).names == names
