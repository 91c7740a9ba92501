"""What a cell says is what it becomes, or it is set aside."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from pipeline.sources.cells import Notation, can_be, parse_text, parse_typed
from pipeline.sources.columns import (
    Column,
    Declared,
    Kind,
    dtype_of,
    is_good,
    why_bad,
)

BEYOND = 2**53 + 1
at = datetime.fromisoformat
OFFSET = Column(kind="datetime", format="%+")


def _parsed(
    cells: pl.Series, kind: Declared, notation: Notation | None = None
) -> tuple[Any, str | None]:
    """Parse one cell; return its value, or None and why it is bad."""
    raw = pl.col("raw")
    parsed = (
        parse_text(raw, kind, notation)
        if cells.dtype == pl.String
        else parse_typed(raw, cells.dtype, kind)
    )
    [row] = (
        cells.alias("raw")
        .to_frame()
        .with_columns(value=parsed.cast(dtype_of(kind)))
        .select(
            pl.when(is_good(raw, pl.col("value"), kind)).then("value"),
            why_bad(raw, pl.col("value"), kind).alias("why"),
        )
        .rows()
    )
    return row


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9007199254740992", 2.0**53),
        ("-9007199254740994", -(2.0**53 + 2)),
        ("100000000000000000000", 1e20),
        ("9007199254740993.5", 9007199254740994.0),  # a fraction is measured
        ("1.2345678901234567e+20", 1.2345678901234567e20),
        ("0.12345678901234567890", 0.12345678901234568),
        (" 1.5E+06 ", 1.5e6),
        ("1e300", 1e300),
    ],
)
def test_number_is_read_where_it_stays_the_same(text: str, expected: float) -> None:
    assert _parsed(pl.Series([text]), "number") == (expected, None)


@pytest.mark.parametrize(
    "cell",
    [
        "9007199254740993",
        " -9007199254740993 ",
        "9007199254740993.0",
        "9" * 39,
        "9" * 60,
        pl.Series([BEYOND], dtype=pl.Int64),
        pl.Series([2**64 - 1], dtype=pl.UInt64),
        pl.Series([2**127 + 1], dtype=pl.UInt128),
        pl.Series([Decimal("9007199254740993.00")], dtype=pl.Decimal(38, 2)),
    ],
    ids=str,
)
def test_whole_number_that_would_become_another_is_set_aside(
    cell: str | pl.Series,
) -> None:
    cells = pl.Series([cell]) if isinstance(cell, str) else cell
    assert _parsed(cells, "number") == (None, "whole number too long to be exact")


@pytest.mark.parametrize(
    ("cells", "kind", "expected"),
    [
        (pl.Series([2**53], dtype=pl.UInt64), "number", 2.0**53),
        (pl.Series([Decimal("0.99999999999999999999")]), "number", 1.0),
        (pl.Series([Decimal("5.00")]), "code", 5),
        (pl.Series([2.0], dtype=pl.Float16), "code", 2),
        (pl.Series([7.0]), "label", "7"),
        (pl.Series([7.5]), "label", "7.5"),
        (pl.Series([BEYOND], dtype=pl.Int64), "label", str(BEYOND)),
        (pl.Series([float("nan")]), "text", None),
    ],
    ids=str,
)
def test_number_of_any_dtype_becomes_that_of_its_kind(
    cells: pl.Series, kind: Kind, expected: object
) -> None:
    assert _parsed(cells, kind) == (expected, None)


@pytest.mark.parametrize(
    ("cells", "kind", "reason"),
    [
        (pl.Series([1.5], dtype=pl.Float16), "code", "unreadable code"),
        (pl.Series([Decimal("5.50")]), "count", "unreadable count"),
        (pl.Series([BEYOND], dtype=pl.Int64), "money", "money of 10^15 or more"),
        (pl.Series([float("nan")]), "label", "unreadable label"),
    ],
    ids=str,
)
def test_number_that_does_not_fit_its_kind_says_why(
    cells: pl.Series, kind: Kind, reason: str
) -> None:
    assert _parsed(cells, kind) == (None, reason)


@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0", "\u3000"], ids=repr)
def test_blanks_at_its_ends_are_no_part_of_a_label(blank: str) -> None:
    padded = pl.Series([f"{blank}A B{blank}"])
    assert _parsed(padded, "label") == ("A B", None)
    assert _parsed(padded, "text") == (padded.item(), None)
    assert _parsed(pl.Series([blank]), "label") == (None, "missing label")


@pytest.mark.parametrize(
    "text",
    [
        "1,234",
        "1.234,5",
        "1 234",
        "1'234",
        "12%",
        "(12)",
        "NA",
        "-",
        "0x1F",
        "1_0",
        "½",
    ],
)
@pytest.mark.parametrize("kind", ["code", "count", "number"])
def test_other_ways_to_write_a_number_are_not_guessed(text: str, kind: Kind) -> None:
    value, why = _parsed(pl.Series([text]), kind)
    is_thousands = (text, kind) == ("1,234", "count")
    assert (value, why) == (
        (1234, None) if is_thousands else (None, f"unreadable {kind}")
    )


def test_dates_are_no_codes() -> None:
    for text in ("2015-01-31", "01/31/2015", "2015-01-01 00:00:00"):
        assert _parsed(pl.Series([text]), "code") == (None, "unreadable code")


COMMA = Notation(",", ".")
OPEN = Notation(None)


@pytest.mark.parametrize(
    ("text", "notation", "expected"),
    [
        ("1.234,56", COMMA, 1234.56),
        ("-1.234.567", COMMA, -1234567.0),
        ("665,5", COMMA, 665.5),
        ("0,125", COMMA, 0.125),
        ("1.234", COMMA, 1234.0),
        ("1,5e3", COMMA, 1500.0),
        ("1.5", COMMA, None),
        ("1,2,3", COMMA, None),
        ("1.23,4", COMMA, None),
        ("0.123,4", COMMA, None),
        ("1,234.5", Notation(), 1234.5),
        ("1,234,567", Notation(), 1234567.0),
        ("1,234", Notation(), None),
        ("1,234", Notation(".", ","), 1234.0),
        ("0,123", Notation(".", ","), None),
        ("1 234.5", Notation(".", " "), 1234.5),
        ("1\u202f234\u00a0567,5", Notation(",", " "), 1234567.5),
        ("1 23", Notation(".", " "), None),
        ("1'234.50", Notation(".", "'"), 1234.5),
        ("1,234", Notation(".", "'"), None),
        ("12", OPEN, 12.0),
        ("1.5", OPEN, 1.5),
        ("1,5", OPEN, 1.5),
        ("1.234,5", OPEN, 1234.5),
        ("1,234.5", OPEN, 1234.5),
        ("1.234", OPEN, None),
        ("1,234", OPEN, None),
        ("0,123", OPEN, 0.123),
        ("1234,567", OPEN, 1234.567),
        ("(123.45)", COMMA, None),
        ("(123.45)", Notation(), None),
        ("123-", Notation(), None),
    ],
    ids=str,
)
def test_number_is_read_as_its_file_is_written(
    text: str, notation: Notation, expected: float | None
) -> None:
    reason = None if expected is not None else "unreadable number"
    assert _parsed(pl.Series([text]), "number", notation) == (expected, reason)


@pytest.mark.parametrize(
    ("text", "notation", "expected"),
    [
        ("1.000", COMMA, 1000),
        ("5,0", COMMA, 5),
        ("1,000", Notation(), None),  # or 1 with a fraction of zeros
        ("1.001", OPEN, 1001),
        ("1,000", OPEN, None),
        ("1,5", COMMA, None),
    ],
    ids=str,
)
def test_whole_number_is_read_as_its_file_is_written(
    text: str, notation: Notation, expected: int | None
) -> None:
    assert _parsed(pl.Series([text]), "count", notation)[0] == expected


@pytest.mark.parametrize(
    ("cell", "declared", "expected"),
    [
        ("-9223372036854775808", "integer", -(2**63)),
        ("9223372036854775807", "integer", 2**63 - 1),
        (" 5.0 ", "integer", 5),
        (pl.Series([7.0]), "integer", 7),
        (pl.Series([BEYOND], dtype=pl.UInt64), "integer", BEYOND),
        ("12.5%", "percent", 12.5),
        ("12.5 %", "percent", 12.5),
        ("12.5", "percent", 12.5),
        ("-3%", "percent", -3.0),
        ("1.10", "decimal", Decimal("1.10")),
        ("-0.000001", "decimal", Decimal("-0.000001")),
        ("2.5000000", "decimal", Decimal("2.5")),
        ("9" * 32, "decimal", Decimal("9" * 32)),
        ("12.34", Column(kind="decimal", scale=2), Decimal("12.34")),
        (pl.Series([0.1]), "decimal", Decimal("0.1")),
        (pl.Series([Decimal("1.50")]), Column(kind="decimal", scale=1), Decimal("1.5")),
        ("Yes", "flag", True),
        ("f", "flag", False),
        ("0", "flag", False),
        (" TRUE ", "flag", True),
        (pl.Series([True]), "flag", True),
        (pl.Series([0], dtype=pl.UInt8), "flag", False),
        ("2015-01-31", "date", date(2015, 1, 31)),
        ("2015-01-31 00:00:00", "date", date(2015, 1, 31)),
        (pl.Series([date(2015, 1, 31)]), "date", date(2015, 1, 31)),
        (pl.Series([at("2015-01-31")]), "date", date(2015, 1, 31)),
        ("31.1.2015", Column(kind="date", format="%d.%m.%Y"), date(2015, 1, 31)),
        ("Jan 2015", Column(kind="date", format="%b %Y"), date(2015, 1, 1)),
        ("2015-01-31", "datetime", at("2015-01-31")),
        ("2015-01-31T12:30", "datetime", at("2015-01-31T12:30")),
        (
            "2015-01-31 12:30:15,25",
            "datetime",
            at("2015-01-31T12:30:15.250000"),
        ),
        (pl.Series([date(2015, 1, 31)]), "datetime", at("2015-01-31")),
        ("2015-03-29T02:30:00+02:00", OFFSET, at("2015-03-29T00:30+00:00")),
        ("2015-10-25T02:30:00+0200", OFFSET, at("2015-10-25T00:30+00:00")),
        ("2015-10-25T02:30:00+01", OFFSET, at("2015-10-25T01:30+00:00")),
        ("2015-10-25 02:30Z", OFFSET, at("2015-10-25T02:30+00:00")),
    ],
    ids=str,
)
def test_cell_becomes_what_its_kind_says(
    cell: str | pl.Series, declared: Declared, expected: object
) -> None:
    cells = pl.Series([cell]) if isinstance(cell, str) else cell
    assert _parsed(cells, declared) == (expected, None)


@pytest.mark.parametrize(
    ("cell", "declared", "reason"),
    [
        ("9223372036854775808", "integer", "unreadable integer"),
        ("5.5", "integer", "unreadable integer"),
        (pl.Series([2.0**60]), "integer", "unreadable integer"),
        (pl.Series([2**63], dtype=pl.UInt64), "integer", "unreadable integer"),
        ("", "integer", "missing integer"),
        ("12.5%%", "percent", "unreadable percent"),
        ("9007199254740993", "percent", "unreadable percent"),
        ("inf", "percent", "percent not finite"),
        ("1.0000001", "decimal", "unreadable decimal"),
        ("12.345", Column(kind="decimal", scale=2), "unreadable decimal"),
        ("9" * 33, "decimal", "unreadable decimal"),
        ("1e5", "decimal", "unreadable decimal"),
        (
            pl.Series([Decimal("1.25")]),
            Column(kind="decimal", scale=1),
            "unreadable decimal",
        ),
        ("maybe", "flag", "unreadable flag"),
        (pl.Series([2]), "flag", "unreadable flag"),
        ("01/02/2015", "date", "unreadable date"),
        ("2015-02-30", "date", "unreadable date"),
        ("15-02-03", "date", "unreadable date"),
        ("2015-01-31 12:00:00", "date", "unreadable date"),
        (pl.Series([at("2015-01-31T12:00")]), "date", "unreadable date"),
        ("01/02/15", Column(kind="date", format="%d/%m/%Y"), "unreadable date"),
        ("2015-01-31T24:00", "datetime", "unreadable datetime"),
        ("2015-06-30T23:59:60", "datetime", "unreadable datetime"),
        ("2015-01-31T12:00:00.1234567", "datetime", "unreadable datetime"),
        ("2015-01-31T12:00Z", "datetime", "unreadable datetime"),
        ("2015-01-31T12:00", OFFSET, "unreadable datetime"),
        (pl.Series([at("2015-01-31")]), OFFSET, "unreadable datetime"),
    ],
    ids=str,
)
def test_cell_that_is_none_of_its_kind_says_why(
    cell: str | pl.Series, declared: Declared, reason: str
) -> None:
    cells = pl.Series([cell]) if isinstance(cell, str) else cell
    assert _parsed(cells, declared) == (None, reason)


def test_an_hour_that_comes_twice_stays_two_hours() -> None:
    there = pl.datetime_range(
        at("2015-10-25"), at("2015-10-25T03:00"), "1h",
        time_zone="Europe/Berlin", eager=True,
    )  # fmt: skip
    assert there.len() == 5
    typed = there.to_frame("").select(parse_typed(pl.col(""), there.dtype, OFFSET))
    text = there.dt.strftime("%Y-%m-%dT%H:%M:%S%z").to_frame("")
    written = text.select(parse_text(pl.col(""), OFFSET))
    assert typed.to_series().equals(written.to_series())
    assert written.to_series().n_unique() == 5


@pytest.mark.parametrize(
    ("dtype", "declared"),
    [
        (pl.Int64(), "date"),
        (pl.Int64(), "datetime"),
        (pl.Boolean(), "count"),
        (pl.Date(), "code"),
        (pl.Float64(), "flag"),
        (pl.Binary(), "label"),
        (pl.List(pl.Int64), "number"),
    ],
    ids=str,
)
def test_dtype_that_means_something_else_is_not_taken(
    dtype: pl.DataType, declared: Declared
) -> None:
    assert not can_be(dtype, declared)
