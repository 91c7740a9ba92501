"""What a cell says is what it becomes, or it is set aside."""

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from pipeline.sources.columns import (
    Kind,
    dtype_of,
    is_good,
    parse_number,
    parse_text,
    why_bad,
)

BEYOND = 2**53 + 1


def _parsed(cells: pl.Series, kind: Kind) -> tuple[Any, str | None]:
    """Parse one cell; return its value, or None and why it is bad."""
    raw = pl.col("raw")
    parsed = (
        parse_text(raw, kind)
        if cells.dtype == pl.String
        else parse_number(raw, cells.dtype, kind)
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
