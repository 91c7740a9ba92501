"""The kinds of column a source may declare, and what makes one of their cells good."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import polars as pl
from msgspec import Meta, field

from pipeline.config import BaseConfig

Kind = Literal["code", "count", "money", "number", "label", "text"]

Limit: TypeAlias = Annotated[int, Meta(ge=0)] | Annotated[float, Meta(gt=0, lt=1)]
"""A number of rows, or a share of them."""


class DeclaredColumns(BaseConfig, frozen=True, kw_only=True):
    """What every source declares of its raw columns."""

    columns: dict[str, Kind]
    """The columns to read, in the order they are wanted; others are ignored."""
    rename: dict[str, str] = field(default_factory=dict[str, str])
    """Found name to declared name, for files that spell them differently."""
    max_bad_rows: Annotated[
        Limit | tuple[Limit, ...],
        Meta(description="a count, a share below 1, or a list of these"),
    ] = (100, 0.01)
    """More bad rows than this stop the run: of several the one that allows least."""

    def __post_init__(self) -> None:
        """Refuse two columns of a file that would be one."""
        names = list(self.rename.values())
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"expected rename to give each name once, found twice: {twice}"
            )

    @property
    def bad_limits(self) -> tuple[Limit, ...]:
        """Each limit of ``max_bad_rows``."""
        given = self.max_bad_rows
        return given if isinstance(given, tuple) else (given,)


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

_EXACT_BELOW = 2**53
"""From here on, not every whole number is a float."""

_BEYOND_INT128 = r"^[+-]?\d{39}"

# Groups of exactly three digits: "8,37" is a slip of the hand, not 837.
_GROUPED = r"^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$"


def dtype_of(kind: Kind) -> type[pl.DataType]:
    """Return the Polars dtype of a kind; that of money, in US dollars, is Float64."""
    return _RULES[kind].dtype


def is_nullable(kind: Kind) -> bool:
    """Tell whether a good row may have nothing in a column of this kind."""
    return _RULES[kind].nullable


def is_checked(kind: Kind) -> bool:
    """Tell whether cells of this kind can be bad; only ``text`` takes anything."""
    return kind != "text"


def parse_text(text: pl.Expr, kind: Kind) -> pl.Expr:
    """Read numbers as people and spreadsheets write them.

    Spaces around the number are dropped, one leading ``$`` (money), commas between
    groups of three digits (money and counts) and a fraction of zeros (whole numbers:
    ``5.0`` is 5). The rest is Polars' cast: leading zeros, a sign and, in a Float64,
    an exponent are read; hexadecimal and underscores are not. Of a ``label`` the spaces
    around it are dropped; ``text`` stays as it is.

    Null where the text cannot be read, or is a whole number that would become another.
    Infinities and NaN are read as such, for ``is_good`` to refuse.
    """
    rule = _RULES[kind]
    if rule.dtype is pl.String:
        return text.str.strip_chars() if kind == "label" else text
    number = text.str.strip_chars()
    if rule.dollar:
        number = number.str.strip_prefix("$")
    if rule.thousands:
        plain = number.str.replace_all(",", "", literal=True)
        number = pl.when(number.str.contains(_GROUPED)).then(plain).otherwise(number)
    if rule.dtype.is_integer():
        number = number.str.replace(r"^([+-]?\d+)\.0+$", "$1")
    value = number.cast(rule.dtype, strict=False)
    if kind != "number":  # others are too small to be rounded
        return value
    whole = number.str.strip_suffix(".0").cast(pl.Int128, strict=False)
    is_measured = whole.is_null() & ~number.str.contains(_BEYOND_INT128)
    return pl.when(is_measured).then(value).otherwise(keep_whole(value, whole))


def parse_number(column: pl.Expr, dtype: pl.DataType, kind: Kind) -> pl.Expr:
    """Bring numbers of any dtype to a kind's; null where one does not fit.

    As text, NaN is null.
    """
    wanted = dtype_of(kind)
    if dtype == pl.Float16:  # Polars 2.1 takes 1.5 for its own floor
        column, dtype = column.cast(pl.Float32), pl.Float32()
    if wanted == pl.String and dtype.is_float():
        return _write_float(column)
    if wanted.is_integer() and not dtype.is_integer():
        # A cast alone would cut 5.5 down to 5.
        column = pl.when(column == column.floor()).then(column)
    value = column.cast(wanted, strict=False)
    if kind != "number" or dtype.is_float():
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


def is_good(raw: pl.Expr, value: pl.Expr, kind: Kind) -> pl.Expr:
    """Tell which cells of a column are good; null, where ``value`` is, counts as false.

    ``raw`` are the cells before parsing, of any dtype, or ``value`` where they were
    read typed; ``value`` is of ``dtype_of(kind)``.
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
    is_rounded = pl.lit(False)
    if kind == "number":  # a whole one that is not taken is a number all the same
        text = raw.cast(pl.String).str.strip_chars()
        is_rounded = text.cast(pl.Float64, strict=False).is_not_null()
    return (
        pl.when(is_good(raw, value, kind))
        .then(None)
        .when(is_blank(raw))
        .then(pl.lit(f"missing {kind}"))
        .when(value.is_null() & is_rounded)
        .then(pl.lit(f"whole {kind} too long to be exact"))
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
