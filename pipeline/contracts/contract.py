"""What the rows of a snapshot must be, as a file of configuration says it."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, field

from pipeline.config import BaseConfig

Severity = Literal["error", "warn"]


Value: TypeAlias = bool | int | float | str


class Range(BaseConfig, frozen=True, kw_only=True):
    """The bounds of a numeric column, both included; one of them may be left out."""

    min: int | float | None = None
    max: int | float | None = None

    def __post_init__(self) -> None:
        """Refuse bounds that nothing, or anything, is within."""
        if self.min is None and self.max is None:
            raise ValueError("expected min, max or both")
        bounds = [bound for bound in (self.min, self.max) if bound is not None]
        if not bounds[0] <= bounds[-1]:  # NaN, too
            raise ValueError(f"expected min <= max, found {self.min} and {self.max}")


class Rows(BaseConfig, frozen=True, kw_only=True):
    """How many rows a snapshot has; ``exact`` stands alone.

    ``min: 0`` says that none is no mistake, see `pipeline.run.plausible`.
    """

    exact: Annotated[int, Meta(ge=0)] | None = None
    min: Annotated[int, Meta(ge=0)] | None = None
    max: Annotated[int, Meta(ge=0)] | None = None
    change: Annotated[float, Meta(ge=0)] | None = None
    """Largest change against the run before of the same profile and source, as a part
    of its rows: 0.2 is 20 %."""

    def __post_init__(self) -> None:
        """Refuse bounds that contradict each other."""
        wrong: list[str] = []
        if self.exact is not None and (self.min, self.max) != (None, None):
            wrong.append("expected exact, or min and max; found both")
        if self.min is not None and self.max is not None and self.min > self.max:
            wrong.append(f"expected min <= max, found {self.min} > {self.max}")
        if wrong:
            raise ValueError("; ".join(wrong))


class Contract(BaseConfig, frozen=True, kw_only=True):
    """What the rows of a snapshot must be: ``configs/checks/<snapshot>.yaml``.

    In a mapping, null takes an entry of an earlier layer out.
    """

    columns: dict[str, str | None] = field(default_factory=dict[str, str | None])
    """Dtype of columns, as Polars names it: ``Int64``, or ``Datetime`` of any unit.
    Others may be there."""
    required: list[str] = field(default_factory=list[str])
    """Columns that are there, of any dtype."""
    key: bool = True
    """Rows are unique by the snapshot's key, of which nothing is null or NaN."""
    not_null: list[str] = field(default_factory=list[str])
    finite: bool = False
    """No float column of the snapshot holds NaN or an infinity."""
    ranges: dict[str, Range | None] = field(default_factory=dict[str, Range | None])
    """Bounds of numeric columns; NaN is outside of every range."""
    values: dict[str, Annotated[list[Value], Meta(min_length=1)] | None] = field(
        default_factory=dict[str, list[Value] | None]
    )
    """All that a column may hold."""
    rows: Rows = field(default_factory=Rows)
    empty: list[str] = field(default_factory=list[str])
    """Columns of numbers that may hold none in any row."""
    sql: dict[str, str | None] = field(default_factory=dict[str, str | None])
    """A name, and what is true of every row: a Polars SQL expression on its columns,
    without aggregates, windows and subqueries. NaN is greater than any number. Polars'
    ``IS TRUE`` of null is null; ``coalesce(n < 5, false)`` makes it fail."""
    warn: list[str] = field(default_factory=list[str])
    """Checks (``ranges.price``) or kinds of them (``ranges``) that only warn."""
