"""The kinds of column a source may declare, and what makes one of their cells good."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal, TypeAlias

import polars as pl
from msgspec import Meta, field, structs

from pipeline.config import BaseConfig
from pipeline.sources.dates import OFFSET, reads_its_own, tells_offset

Kind = Literal[
    "code",
    "count",
    "integer",
    "money",
    "number",
    "percent",
    "decimal",
    "flag",
    "date",
    "datetime",
    "label",
    "text",
]

Limit: TypeAlias = Annotated[int, Meta(ge=0)] | Annotated[float, Meta(gt=0, lt=1)]
"""A number of rows, or a share of them."""

_Bound: TypeAlias = int | float | Decimal | date

_LONGEST_DECIMAL = 38


class Column(BaseConfig, frozen=True, kw_only=True):
    """A column by its kind, and where its cells are not what is usual for it."""

    kind: Kind
    min: float | int | str | None = None
    """The least a cell may be; of dates, and of exact decimals, as text."""
    max: float | int | str | None = None
    null: bool | None = None
    """Whether a good row may have nothing there."""
    format: str | None = None
    """How dates are written, as of `strftime`; without it, as ISO 8601 says."""
    scale: Annotated[int, Meta(ge=0, le=18)] = 6
    """Places after the point of a ``decimal``, at most."""

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))

    def _faults(self) -> Iterator[str]:
        """Say what does not go together."""
        is_dated = self.kind in ("date", "datetime")
        if self.format is not None and not is_dated:
            yield "expected a format of a date or datetime only"
        elif self.format is not None and not reads_its_own(
            self.format, is_time=self.kind == "datetime"
        ):
            yield (
                f"expected a format that tells a {self.kind}, such as %d/%m/%Y,"
                f" found {self.format!r}"
            )
        try:
            low, high = bounds_of(self)
        except (ValueError, InvalidOperation):
            what = "dates as 2015-01-31" if is_dated else "numbers"
            yield f"expected min and max of a {self.kind} to be {what}"
            return
        is_ordered = _RULES[self.kind].is_ordered
        if not is_ordered and (self.min is not None or self.max is not None):
            yield f"expected no min or max of a {self.kind}"
        if low is not None and high is not None and low > high:  # pyright: ignore[reportOperatorIssue] # both are of the kind
            yield f"expected min to be at most max, found {self.min} and {self.max}"


Declared: TypeAlias = Kind | Column
"""What is declared of a column."""


LocalPath: TypeAlias = Annotated[
    str,
    Meta(
        pattern="^(?!s3://)",
        description="a path on this machine; kind: parquet reads from s3://, too",
    ),
]
"""A file or a glob, relative to the project's folder."""


class DeclaredColumns(BaseConfig, frozen=True, kw_only=True):
    """What every source declares of its raw columns."""

    columns: dict[str, Declared]
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

    ``below`` is not allowed any more.
    """

    dtype: pl.DataType
    nullable: bool = False
    smallest: int | None = None
    below: int | None = None
    is_ordered: bool = True


TOO_LARGE = 10**15
"""A slip of the hand, and near to where products could no longer be added exactly."""

_RULES: Mapping[Kind, _Rule] = {
    "code": _Rule(pl.Int32(), smallest=0),
    "count": _Rule(pl.Int64(), smallest=1, below=TOO_LARGE),
    "integer": _Rule(pl.Int64()),
    "money": _Rule(pl.Float64(), smallest=0, below=TOO_LARGE),
    "number": _Rule(pl.Float64(), nullable=True),
    "percent": _Rule(pl.Float64()),
    "decimal": _Rule(pl.Decimal(_LONGEST_DECIMAL, 6)),
    "flag": _Rule(pl.Boolean(), is_ordered=False),
    "date": _Rule(pl.Date()),
    "datetime": _Rule(pl.Datetime("us")),
    "label": _Rule(pl.String(), is_ordered=False),
    "text": _Rule(pl.String(), nullable=True, is_ordered=False),
}


def column_of(declared: Declared) -> Column:
    """Give a column that is declared by its kind alone what is usual for it."""
    return declared if isinstance(declared, Column) else Column(kind=declared)


def dtype_of(declared: Declared) -> pl.DataType:
    """Return the dtype of a column's values.

    Money, in US dollars, and percents, of which 12.5 % are 12.5, are Float64. A
    datetime with an offset is one in UTC, else without a zone.
    """
    column = column_of(declared)
    if column.kind == "decimal":
        return pl.Decimal(_LONGEST_DECIMAL, column.scale)
    if has_offset(column):
        return pl.Datetime("us", "UTC")
    return _RULES[column.kind].dtype


def has_offset(declared: Declared) -> bool:
    """Tell whether a column's format says how far from UTC its times are."""
    column = column_of(declared)
    return column.kind == "datetime" and tells_offset(column.format or "")


def is_open(declared: Declared) -> bool:
    """Tell whether only the files say if a column's times are in UTC."""
    column = column_of(declared)
    return column.kind == "datetime" and column.format is None


def is_unformatted(declared: Declared) -> bool:
    """Tell whether it is to be found out how a column's dates are written."""
    column = column_of(declared)
    return column.kind in ("date", "datetime") and column.format is None


def with_offset(declared: Declared) -> Column:
    """Make it a column of ISO datetimes with an offset from UTC."""
    return structs.replace(column_of(declared), format=OFFSET)


def is_nullable(declared: Declared) -> bool:
    """Tell whether a good row may have nothing in a column."""
    column = column_of(declared)
    return _RULES[column.kind].nullable if column.null is None else column.null


def is_checked(declared: Declared) -> bool:
    """Tell whether a column's cells can be bad; only ``text`` takes anything."""
    return column_of(declared).kind != "text" or not is_nullable(declared)


def bounds_of(declared: Declared) -> tuple[_Bound | None, _Bound | None]:
    """Say what a column's cells may be at least and at most; a ValueError if odd.

    Before what is too large for its kind there is no bound.
    """
    column = column_of(declared)
    low = _RULES[column.kind].smallest if column.min is None else column.min
    return _bound(low, column), _bound(column.max, column)


def _bound(given: float | str | None, column: Column) -> _Bound | None:
    """Read a bound as a value of its column's kind."""
    kind = column.kind
    if given is None:
        return None
    if kind == "date":
        return date.fromisoformat(str(given))
    if kind == "datetime":
        at = datetime.fromisoformat(str(given))
        if has_offset(column):
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        if at.tzinfo:
            raise ValueError(given)
        return at
    if kind == "decimal":
        return Decimal(str(given))
    if isinstance(given, str):
        raise ValueError(given)
    return given


def is_good(raw: pl.Expr, value: pl.Expr, declared: Declared) -> pl.Expr:
    """Tell which cells of a column are good; null, where ``value`` is, counts as false.

    ``raw`` are the cells before parsing, of any dtype, or ``value`` where they were
    read typed; ``value`` is of ``dtype_of(declared)``.
    """
    nullable = is_nullable(declared)
    if isinstance(dtype_of(declared), pl.String):
        return pl.lit(True) if nullable else ~is_blank(value)
    good = _is_within(value, declared)
    return good | is_blank(raw) if nullable else good


def _is_within(value: pl.Expr, declared: Declared) -> pl.Expr:
    """Tell which values are finite, and within their bounds."""
    low, high = bounds_of(declared)
    below = _RULES[column_of(declared).kind].below
    checks: list[pl.Expr] = []
    if low is not None:
        checks.append(value >= pl.lit(low))
    if high is not None:
        checks.append(value <= pl.lit(high))
    if below is not None:
        checks.append(value < below)
    # Between two bounds there is neither infinity nor NaN.
    is_between = low is not None and (high is not None or below is not None)
    if dtype_of(declared).is_float() and not is_between:
        checks.append(value.is_finite())
    if not checks:
        return value.is_not_null()
    good = checks[0]
    for check in checks[1:]:
        good = good & check
    return good


def why_bad(raw: pl.Expr, value: pl.Expr, declared: Declared) -> pl.Expr:
    """Say why ``is_good`` refused a cell: a String, null where the cell is good."""
    column = column_of(declared)
    kind, dtype = column.kind, dtype_of(declared)
    low, high = bounds_of(declared)
    reason = (
        pl.when(is_good(raw, value, declared))
        .then(None)
        .when(is_blank(raw))
        .then(pl.lit(f"missing {kind}"))
    )
    if kind == "number":  # a whole one that is not taken is a number all the same
        text = raw.cast(pl.String).str.strip_chars()
        is_rounded = text.str.contains(r"^[+-]?[0-9]+(\.0*)?$")
        reason = reason.when(value.is_null() & is_rounded).then(
            pl.lit(f"whole {kind} too long to be exact")
        )
    reason = reason.when(value.is_null()).then(pl.lit(f"unreadable {kind}"))
    if dtype.is_float():
        reason = reason.when(~value.is_finite()).then(pl.lit(f"{kind} not finite"))
    if low is not None:
        below = f"negative {kind}" if low == 0 else f"{kind} below {low}"
        reason = reason.when(value < pl.lit(low)).then(pl.lit(below))
    if high is not None:
        reason = reason.when(value > pl.lit(high)).then(pl.lit(f"{kind} above {high}"))
    return reason.otherwise(pl.lit(f"{kind} of 10^15 or more"))


def is_blank(cell: pl.Expr) -> pl.Expr:
    """Tell whether a cell is null or, written out, nothing but spaces."""
    text = cell.cast(pl.String).str.strip_chars()
    return text.is_null() | (text == "")
