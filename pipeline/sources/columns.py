"""The kinds of column a source may declare, and what makes one of their cells good."""

from dataclasses import dataclass
from typing import Annotated, Literal

import polars as pl
from msgspec import Meta, field

from pipeline.config import BaseConfig

Kind = Literal["code", "count", "money", "number", "label", "text"]


class DeclaredColumns(BaseConfig, frozen=True, kw_only=True):
    """What every source declares of its raw columns.

    Attributes
    ----------
    columns : dict of str to Kind
        The columns to read, in the order they are wanted; others are ignored.
    rename : dict of str to str
        Found name to declared name, for files that spell them differently.
    max_bad_rows : int
        More bad rows than this stop the run.
    """

    columns: dict[str, Kind]
    rename: dict[str, str] = field(default_factory=dict[str, str])
    max_bad_rows: Annotated[int, Meta(ge=0)] = 100


@dataclass(frozen=True)
class _Rule:
    """What a kind of column holds; ``smallest`` is the least allowed number.

    Where there is one, `TOO_LARGE` and more is not allowed either.
    """

    dtype: type[pl.DataType]
    nullable: bool = False
    smallest: int | None = None
    dollar: bool = False
    thousands: bool = False


TOO_LARGE = 10**15
"""A slip of the hand, and near to where products could no longer be added exactly."""

_RULES: dict[Kind, _Rule] = {
    "code": _Rule(pl.Int32, smallest=0),
    "count": _Rule(pl.Int64, smallest=1, thousands=True),
    "money": _Rule(pl.Float64, smallest=0, dollar=True, thousands=True),
    "number": _Rule(pl.Float64, nullable=True),
    "label": _Rule(pl.String),
    "text": _Rule(pl.String, nullable=True),
}

# Groups of exactly three digits: "8,37" is a slip of the hand, not 837.
_GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$"


def dtype_of(kind: Kind) -> type[pl.DataType]:
    """Return the Polars dtype of a kind; that of money, in US dollars, is Float64."""
    return _RULES[kind].dtype


def is_checked(kind: Kind) -> bool:
    """Tell whether cells of this kind can be bad; only ``text`` takes anything."""
    return kind != "text"


def parse_text(text: pl.Expr, kind: Kind) -> pl.Expr:
    """Read numbers as people and spreadsheets write them.

    Spaces around the number are dropped, one leading ``$`` (money), commas between
    groups of three digits (money and counts) and a fraction of zeros (whole numbers:
    ``5.0`` is 5). The rest is Polars' cast: leading zeros, a sign and, in a Float64,
    an exponent are read; hexadecimal and underscores are not.

    Parameters
    ----------
    text : pl.Expr
        String expression, as found in the file.
    kind : Kind
        What the column holds; ``label`` and ``text`` are returned as they are.

    Returns
    -------
    pl.Expr of shape (n_rows,)
        Of ``dtype_of(kind)``; null where the text cannot be read. Infinities and
        NaN are read as such, for ``is_good`` to refuse.
    """
    rule = _RULES[kind]
    if rule.dtype is pl.String:
        return text
    number = text.str.strip_chars()
    if rule.dollar:
        number = number.str.strip_prefix("$")
    if rule.thousands:
        plain = number.str.replace_all(",", "", literal=True)
        number = pl.when(number.str.contains(_GROUPED)).then(plain).otherwise(number)
    if rule.dtype.is_integer():
        number = number.str.replace(r"^([+-]?\d+)\.0+$", "$1")
    return number.cast(rule.dtype, strict=False)


def is_good(raw: pl.Expr, value: pl.Expr, kind: Kind) -> pl.Expr:
    """Judge the cells of a column.

    Parameters
    ----------
    raw : pl.Expr
        The cells before parsing, of any dtype; where they were read typed, ``value``.
    value : pl.Expr
        The parsed cells, of ``dtype_of(kind)``.
    kind : Kind
        What the column holds.

    Returns
    -------
    pl.Expr of shape (n_rows,)
        Boolean; null, where ``value`` is, counts as false.
    """
    rule = _RULES[kind]
    if rule.dtype is pl.String:
        return pl.lit(True) if rule.nullable else ~is_blank(value)
    if rule.smallest is None:
        good = value.is_finite()
    elif rule.dtype is pl.Int32:
        good = value >= rule.smallest
    else:  # neither infinity nor NaN is less than a number
        good = (value >= rule.smallest) & (value < TOO_LARGE)
    return good | is_blank(raw) if rule.nullable else good


def why_bad(raw: pl.Expr, value: pl.Expr, kind: Kind) -> pl.Expr:
    """Say why ``is_good`` refused a cell: a String, null where the cell is good."""
    smallest = _RULES[kind].smallest
    number = value.cast(pl.Float64, strict=False)
    return (
        pl.when(is_good(raw, value, kind))
        .then(None)
        .when(is_blank(raw))
        .then(pl.lit(f"missing {kind}"))
        .when(value.is_null())
        .then(pl.lit(f"unreadable {kind}"))
        .when(number.is_finite().not_())
        .then(pl.lit(f"{kind} not finite"))
        .when(number >= TOO_LARGE)
        .then(pl.lit(f"{kind} of 10^15 or more"))
        .otherwise(pl.lit(f"negative {kind}" if smallest == 0 else f"{kind} below 1"))
    )


def is_blank(cell: pl.Expr) -> pl.Expr:
    """Tell whether a cell is null or, written out, nothing but spaces."""
    text = cell.cast(pl.String).str.strip_chars()
    return text.is_null() | (text == "")
