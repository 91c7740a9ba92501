"""From a cell as it was found to a value of its column's kind."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from pipeline.sources.columns import Column, Declared, Kind, column_of, dtype_of
from pipeline.sources.dates import read_date, read_datetime

Mark: TypeAlias = Literal[".", ","]
"""What stands before a fraction."""

Grouping: TypeAlias = Literal[",", ".", " ", "'"]
"""What stands between groups of three digits."""


@dataclass(frozen=True)
class Notation:
    """How numbers are written.

    Without `grouping`, digits are grouped by the other sign of the two where nothing
    else can be meant: ``1,234.5`` and ``1,234,567``, but ``1,234`` only of whole
    numbers. Where `decimal` is None, each number is read that has one reading:
    ``1.5`` and ``1,5``, but not ``1.500``.
    """

    decimal: Mark | None = "."
    grouping: Grouping | None = None


TEXT = (pl.String, pl.Categorical, pl.Enum)
"""Types of text, however it is stored."""

NUMERIC: frozenset[Kind] = frozenset(
    ("count", "integer", "money", "number", "percent", "decimal")
)
"""Kinds whose digits may be grouped, and that may be written with a decimal comma."""

WHOLE: frozenset[Kind] = frozenset(("count", "integer"))
"""Those of them that have no fraction."""

_EXACT_BELOW = 2**53
"""From here on, not every whole number is a float."""

_BEYOND_INT128 = r"^[+-]?\d{39}"

_FLAGS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}

_BLANKS = "[ \u00a0\u2009\u202f]"
"""What people group digits with: a blank, also one that does not break."""

_GROUPED_BY = {",": ",", ".": r"\.", " ": _BLANKS, "'": "['\u2019]"}
"""Patterns of what groups digits."""

_NOT_000 = r"(\d\d[1-9]|\d[1-9]\d|[1-9]\d\d)"


def parse_text(
    text: pl.Expr, declared: Declared, notation: Notation | None = None
) -> pl.Expr:
    """Read values as people and spreadsheets write them.

    Spaces around a cell are dropped but in ``text``, and so is, of numbers, one leading
    ``$`` (money), a ``%`` at the end (percents: 12.5 % are 12.5), what groups digits by
    three and a fraction of zeros (whole numbers: ``5.0`` is 5). The rest is Polars'
    cast: leading zeros, a sign and, in a Float64, an exponent are read; hexadecimal and
    underscores are not. Flags are true, t, yes, y, 1 and their contraries, in any case.
    Dates are read by the column's format, else as ISO 8601 has them; of a ``date``, a
    time of midnight may follow.

    Null where the text cannot be read, or would become another value than it says: a
    whole number in a float, places after a decimal's scale. Infinities and NaN are read
    as such, for ``is_good`` to refuse.
    """
    column = column_of(declared)
    if column.kind == "text":
        return text
    cell = text.str.strip_chars()
    match column.kind:
        case "label":
            return cell
        case "flag":
            return cell.str.to_lowercase().replace_strict(
                _FLAGS, default=None, return_dtype=pl.Boolean
            )
        case "date":
            return read_date(cell, column.format)
        case "datetime":
            return read_datetime(cell, column.format)
        case _:
            return _parse_number(cell, column, notation or Notation())


def _parse_number(cell: pl.Expr, column: Column, notation: Notation) -> pl.Expr:
    """Read a number; null where it is none, or would become another."""
    if column.kind not in ("number", "percent") or notation.decimal != ".":
        return _parse_written(cell, column, notation)
    # NOTE: Nearly all are plain. The others' way has ten steps, which cost next to
    # nothing where a cell is null.
    plain = cell.cast(pl.Float64, strict=False)
    is_plain = plain.abs() < _EXACT_BELOW
    other = pl.when(is_plain.is_null() | ~is_plain).then(cell)
    return (
        pl.when(is_plain).then(plain).otherwise(_parse_written(other, column, notation))
    )


def _parse_written(cell: pl.Expr, column: Column, notation: Notation) -> pl.Expr:
    """Read a number as people write it."""
    kind, dtype = column.kind, dtype_of(column)
    if kind == "money":
        cell = cell.str.strip_prefix("$")
    if kind == "percent":
        cell = cell.str.replace(rf"{_BLANKS}*%$", "")
    number = cell
    if kind in NUMERIC:
        number = _plain(cell, notation, is_whole=kind in WHOLE)
    if dtype.is_integer():
        number = number.str.replace(r"^([+-]?\d+)\.0+$", "$1")
    if kind == "decimal":
        number = number.str.replace(r"(\.\d*?)0+$", "$1")
        is_exact = number.str.contains(rf"^[+-]?\d*\.?\d{{0,{column.scale}}}$")
        number = pl.when(is_exact).then(number)
    value = number.cast(dtype, strict=False)
    if kind not in ("number", "percent"):  # others are too small to be rounded
        return value
    whole = number.str.strip_suffix(".0").cast(pl.Int128, strict=False)
    is_measured = whole.is_null() & ~number.str.contains(_BEYOND_INT128)
    return pl.when(is_measured).then(value).otherwise(keep_whole(value, whole))


def _plain(cell: pl.Expr, notation: Notation, *, is_whole: bool) -> pl.Expr:
    """Write a number with a point and without groups; null or as it is if it is none.

    Groups are of three digits: "8,37" is a slip of the hand, not 837.
    """
    mark, by = notation.decimal, notation.grouping
    if mark is None:
        by_point = _plain(cell, Notation(".", by), is_whole=is_whole)
        by_comma = _plain(cell, Notation(",", by), is_whole=is_whole)
        has_comma = cell.str.contains(decided(",", is_whole=is_whole))
        number = pl.when(has_comma).then(by_comma).otherwise(by_point)
        is_open = cell.str.contains(two_readings(".,", is_whole=is_whole))
        return pl.when(~is_open).then(number)
    if by is None:
        by = "," if mark == "." else "."
        form = _surely_grouped(by, mark, is_whole=is_whole)
    else:
        form = grouped(by, rf"\{mark}")
    joined = cell.str.replace_all(_GROUPED_BY[by], "")
    number = pl.when(cell.str.contains(form)).then(joined).otherwise(cell)
    if mark == ".":
        return number
    is_other = number.str.contains(".", literal=True)
    return pl.when(~is_other).then(number.str.replace(",", ".", literal=True))


def grouped(by: str, mark: str) -> str:
    """Match numbers whose digits are grouped by a sign, before a decimal sign if any.

    The latter is a pattern.
    """
    return rf"^[+-]?[1-9]\d{{0,2}}({_GROUPED_BY[by]}\d{{3}})+({mark}\d*)?$"


def _surely_grouped(by: str, mark: str, *, is_whole: bool) -> str:
    """Match those of these numbers whose grouping sign cannot be the decimal one."""
    forms = [rf"(\{by}\d{{3}})+\{mark}\d+", rf"(\{by}\d{{3}}){{2,}}"]
    if is_whole:
        forms.append(rf"\{by}{_NOT_000}")
    return rf"^[+-]?[1-9]\d{{0,2}}({'|'.join(forms)})$"


def two_readings(signs: str, *, is_whole: bool) -> str:
    """Match numbers with one of the signs that may group digits or be the decimal one.

    Of whole numbers, 1,000 may be 1 with a fraction of zeros.
    """
    last = "000" if is_whole else r"\d{3}"
    return rf"^[+-]?[1-9]\d{{0,2}}[{signs}]{last}$"


def decided(mark: Mark, *, is_whole: bool) -> str:
    """Match numbers that can be read with one decimal sign only."""
    other = "," if mark == "." else "."
    group = "|".join(_GROUPED_BY[by] for by in (other, " ", "'"))
    forms = [
        rf"\d*\{mark}(\d{{1,2}}|\d{{4,}})([eE][+-]?\d+)?",
        rf"(0\d*|\d{{4,}})?\{mark}\d{{3}}([eE][+-]?\d+)?",
        rf"\d+\{mark}\d+[eE][+-]?\d+",
        rf"[1-9]\d{{0,2}}(({group})\d{{3}})+\{mark}\d+",
        rf"[1-9]\d{{0,2}}(\{other}\d{{3}}){{2,}}",
    ]
    if is_whole:
        forms.append(rf"[1-9]\d{{0,2}}\{other}{_NOT_000}")
    return rf"^[+-]?({'|'.join(forms)})$"


def can_be(dtype: pl.DataType, declared: Declared) -> bool:
    """Tell whether cells of a dtype can be what is declared."""
    kind = column_of(declared).kind
    if dtype == pl.Null or isinstance(dtype, TEXT):
        return True
    if kind == "flag":
        return dtype == pl.Boolean or dtype.is_integer()
    if kind in ("date", "datetime"):
        return isinstance(dtype, pl.Date | pl.Datetime)
    return dtype.is_numeric()


def parse_typed(column: pl.Expr, dtype: pl.DataType, declared: Declared) -> pl.Expr:
    """Bring cells of a dtype that `can_be` a kind's to it; null where one does not fit.

    Text is read as `parse_text` does. As text, NaN is null.
    """
    wanted, kind = dtype_of(declared), column_of(declared).kind
    if isinstance(dtype, TEXT):
        return parse_text(column.cast(pl.String), declared)
    if dtype == pl.Null:
        return column.cast(wanted)
    match kind:
        case "flag":
            is_flag = column.cast(pl.Int64, strict=False).is_between(0, 1)
            return pl.when(is_flag).then(column.cast(pl.Boolean))
        case "date" | "datetime":
            return _bring_to_date(column, dtype, wanted)
        case "decimal":  # the text of a float is what was written down
            number = column.cast(pl.String) if dtype.is_float() else column
            if dtype.is_float():
                return parse_text(number, declared)
            value = column.cast(wanted, strict=False)
            return pl.when(value == column).then(value)
        case _:
            return _bring_to_number(column, dtype, wanted, kind)


def _bring_to_date(column: pl.Expr, dtype: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    """Bring dates to a kind's dtype; null where a part of a time would be lost."""
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    if isinstance(wanted, pl.Datetime) and bool(wanted.time_zone) != bool(zone):
        return pl.lit(None, wanted)
    if zone and isinstance(wanted, pl.Datetime):
        column = column.dt.convert_time_zone("UTC")
    elif zone:
        column = column.dt.replace_time_zone(None)
    value = column.cast(wanted)
    exact = pl.Datetime(dtype.time_unit if isinstance(dtype, pl.Datetime) else "us")
    is_whole = value.cast(exact) == column.cast(exact)
    return pl.when(is_whole).then(value)


def _bring_to_number(
    column: pl.Expr, dtype: pl.DataType, wanted: pl.DataType, kind: Kind
) -> pl.Expr:
    """Bring numbers of any dtype to a kind's; null where one does not fit."""
    if dtype == pl.Float16:  # Polars 2.1 takes 1.5 for its own floor
        column, dtype = column.cast(pl.Float32), pl.Float32()
    if wanted == pl.String and dtype.is_float():
        return _write_float(column)
    if wanted.is_integer() and not dtype.is_integer():
        # A cast alone would cut 5.5 down to 5.
        column = pl.when(column == column.floor()).then(column)
    if kind == "integer" and dtype.is_float():  # may have been another one
        column = pl.when(column.abs() < _EXACT_BELOW).then(column)
    value = column.cast(wanted, strict=False)
    if kind not in ("number", "percent") or dtype.is_float():
        return value
    return keep_whole(value, column.cast(pl.Int128, strict=False))


def _write_float(column: pl.Expr) -> pl.Expr:
    """Write floats as whole numbers are written, where they are whole; NaN is null.

    Ids with gaps are floats in one file and whole numbers in the next.
    """
    is_whole = (column == column.floor()) & (column.abs() < _EXACT_BELOW)
    whole = pl.when(is_whole).then(column).cast(pl.Int64, strict=False)
    return whole.cast(pl.String).fill_null(column.fill_nan(None).cast(pl.String))


def keep_whole(value: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """Keep a Float64 unless it is not the whole number, in Int128, it should be."""
    is_same = value.cast(pl.Int128, strict=False) == whole
    return pl.when((value.abs() < _EXACT_BELOW) | is_same).then(value)
