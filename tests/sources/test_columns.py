"""What may be declared of a column, and what its cells may be then."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import polars as pl
import pytest

from pipeline.config import Layer, check
from pipeline.sources.columns import (
    Column,
    Declared,
    DeclaredColumns,
    dtype_of,
    is_checked,
    is_good,
    is_nullable,
    why_bad,
    with_offset,
)


def _why(value: Any, declared: Declared, raw: str | None = "x") -> str | None:
    """Say why a value, found as some text, is bad."""
    cells = pl.DataFrame(
        {"raw": [raw], "value": [value]},
        schema={"raw": pl.String, "value": dtype_of(declared)},
    )
    given = (pl.col("raw"), pl.col("value"), declared)
    good, why = cells.select(is_good(*given).fill_null(False), why_bad(*given)).row(0)
    assert good == (why is None)
    return why


@pytest.mark.parametrize(
    ("settings", "value", "reason"),
    [
        ({"kind": "count", "min": 0}, 0, None),
        ({"kind": "count", "min": 0}, -1, "negative count"),
        ({"kind": "count"}, 0, "count below 1"),
        ({"kind": "count", "max": 100}, 101, "count above 100"),
        ({"kind": "count", "min": 0, "max": 100}, 100, None),
        ({"kind": "code", "min": 2000}, 1999, "code below 2000"),
        ({"kind": "money", "min": -5}, -5.0, None),
        ({"kind": "money", "min": -5}, 1e15, "money of 10^15 or more"),
        ({"kind": "number", "max": 1.5}, float("-inf"), "number not finite"),
        ({"kind": "number", "max": 1.5}, float("nan"), "number not finite"),
        ({"kind": "integer", "min": -(2**63)}, -(2**63), None),
        ({"kind": "percent", "min": 0, "max": 100}, 100.5, "percent above 100"),
        ({"kind": "decimal", "min": "0.10"}, Decimal("0.09"), "decimal below 0.10"),
        ({"kind": "decimal", "min": "0.10"}, Decimal("0.10"), None),
        ({"kind": "date", "min": "2015-01-01"}, date(2015, 1, 1), None),
        (
            {"kind": "date", "min": "2015-01-01"},
            date(2014, 12, 31),
            "date below 2015-01-01",
        ),
    ],
    ids=str,
)
def test_cell_out_of_its_bounds_says_which(
    settings: dict[str, Any], value: object, reason: str | None
) -> None:
    assert _why(value, msgspec.convert(settings, Column)) == reason


@pytest.mark.parametrize(
    "kind", ["code", "count", "integer", "money", "percent", "decimal", "flag", "date"]
)
def test_nothing_is_good_where_it_may_be(kind: Any) -> None:
    assert _why(None, kind, raw=" ") == f"missing {kind}"
    assert _why(None, Column(kind=kind, null=True), raw=" ") is None
    assert _why(None, Column(kind=kind, null=True), raw="?") == f"unreadable {kind}"


def test_text_that_must_be_there_is_checked() -> None:
    needed = Column(kind="text", null=False)
    assert is_checked(needed)
    assert not is_checked("text")
    assert _why("", needed, raw="") == "missing text"
    assert is_nullable(Column(kind="label", null=True))


@pytest.mark.parametrize(
    ("declared", "dtype"),
    [
        ("integer", pl.Int64()),
        ("percent", pl.Float64()),
        ("flag", pl.Boolean()),
        ("date", pl.Date()),
        ("datetime", pl.Datetime("us")),
        (Column(kind="datetime", format="%d/%m/%Y %H:%M%z"), pl.Datetime("us", "UTC")),
        (with_offset("datetime"), pl.Datetime("us", "UTC")),
        ("decimal", pl.Decimal(38, 6)),
        (Column(kind="decimal", scale=2), pl.Decimal(38, 2)),
    ],
    ids=str,
)
def test_kind_says_the_dtype(declared: Declared, dtype: pl.DataType) -> None:
    assert dtype_of(declared) == dtype


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        ("cuont", "columns.A: expected one of code, count, integer"),
        ({"kind": "cuont"}, "columns.A.kind: expected one of code, count, integer"),
        ({"kind": "count", "mim": 0}, "columns.A.mim: unknown field; did you mean"),
        ({"min": 0}, "columns.A.kind: a value is required, found none"),
        ({"kind": "count", "min": "010"}, "min and max of a count to be numbers"),
        ({"kind": "count", "min": 9, "max": 1}, "min to be at most max, found 9 and 1"),
        ({"kind": "flag", "min": 0}, "expected no min or max of a flag"),
        ({"kind": "date", "min": "01/02/2015"}, "of a date to be dates as 2015-01-31"),
        ({"kind": "count", "format": "%Y"}, "expected a format of a date or datetime"),
        ({"kind": "date", "format": "%d/%m"}, "expected a format that tells a date"),
        ({"kind": "date", "format": "dd/mm/yyyy"}, "found 'dd/mm/yyyy'"),
        ({"kind": "datetime", "format": "%Y-%m-%d %H"}, "format that tells a datetime"),
        ({"kind": "decimal", "scale": 40}, "columns.A.scale: expected `int` <= 18"),
    ],
    ids=str,
)
def test_column_that_cannot_be_is_refused_with_its_place(
    given: object, mistake: str
) -> None:
    tree = {"columns": {"A": given}}
    layers = [Layer("configs/sources/csv.yaml", {"source": tree})]
    _, [found] = check(tree, DeclaredColumns, "source", layers)
    assert str(found).startswith("configs/sources/csv.yaml: source.columns.A")
    assert mistake.replace("`", "") in str(found)


def test_columns_are_declared_by_kind_or_in_full() -> None:
    tree = {"columns": {"A": "count", "B": {"kind": "count", "min": 0, "null": True}}}
    config, mistakes = check(tree, DeclaredColumns, "source", [])
    assert not mistakes
    full = Column(kind="count", min=0, null=True)
    assert config.columns == {"A": "count", "B": full}
    assert msgspec.json.decode(msgspec.json.encode(full), type=Column) == full
