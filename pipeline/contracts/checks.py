"""Contracts: what the rows of a snapshot must be, counted in the pass that makes them.

A contract is compiled against the snapshot's schema before data is read: every mistake
that needs no data is found then. What is left are aggregations over the snapshot's
lazy frame, sorted by its key, which count the rows that break each check.

One rule for nulls: a null passes every check but ``key`` and ``not_null``.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import polars as pl
from polars.exceptions import PolarsError

from pipeline.contracts.condition import parse_condition
from pipeline.contracts.contract import (
    Contract,
    Range,
    Rows,
    Severity,
    Value,
)
from pipeline.errors import SchemaError, n_of, nearest

_TEXT = (pl.String, pl.Categorical, pl.Enum)


@dataclass(frozen=True, eq=False)
class Check:
    """One compiled check."""

    name: str
    """``key``, or the field of the contract and an entry: ``not_null.year``."""
    severity: Severity
    """Whether a failure stops the run."""
    description: str
    """What holds if the check passes, in one line."""
    failures: pl.Expr
    """Aggregation named `name`: how many rows break the check; for the number of rows,
    by how many it is off; for a column, 0 or 1. An integer, never null."""
    violates: pl.Expr | None = None
    """Boolean per row, to filter the rows that break the check, in a frame sorted by
    the key; None where no single row does."""
    columns: tuple[str, ...] = ()
    """What `violates` looks at."""


@dataclass(frozen=True)
class Outcome:
    """What came of a check; the fields are those of `Check`, counted."""

    name: str
    severity: Severity
    description: str
    n_failures: int

    @property
    def passed(self) -> bool:
        """Whether nothing breaks the check."""
        return self.n_failures == 0


@dataclass(frozen=True)
class _Fault:
    """What is wrong with a contract, and what to do instead if it shall only warn."""

    name: str
    text: str
    instead: Check | None = None


_Compiled: TypeAlias = Iterator[Check | _Fault]


def compile_contract(
    contract: Contract,
    schema: pl.Schema,
    key: Sequence[str],
    previous_n_rows: int | None = None,
    *,
    at: str = "checks",
) -> list[Check]:
    """Turn the contract of a snapshot, sorted by `key`, into expressions.

    Nothing is read. Without the rows of the run that it is compared with, or if there
    were none, ``rows.change`` passes. `at` is the contract's path in the configuration,
    for messages. The checks, of unique names, are in the order of the contract's
    fields.

    Raises
    ------
    SchemaError
        With all mistakes: absent columns, wrong dtypes, impossible values, bad SQL and
        unknown names under ``warn``.
    """
    not_null = dict.fromkeys(contract.not_null, True)
    finite = {
        name: contract.finite for name, dtype in schema.items() if dtype.is_float()
    }
    compiled = [
        *_of_columns("columns", contract.columns, schema, _dtype),
        *_required(contract, schema),
        *(_key(key, schema) if contract.key and key else ()),
        *_of_columns("not_null", not_null, schema, _not_null),
        *_of_columns("finite", finite, schema, _finite),
        *_of_columns("ranges", contract.ranges, schema, _range),
        *_of_columns("values", contract.values, schema, _values),
        *_rows(contract.rows, previous_n_rows),
        # `pipeline.run.plausible` holds the rest to it.
        *(_absent(f"empty.{c}", c, schema) for c in contract.empty if c not in schema),
        *_sql(contract, schema),
    ]
    checks, mistakes = _settle(compiled, contract.warn)
    mistakes += _unknown_warnings(contract.warn, compiled)
    if mistakes:
        count = f"{len(mistakes)} mistake{'s' * (len(mistakes) > 1)}"
        lines = "\n".join(f"  {mistake}" for mistake in mistakes)
        found = ", ".join(f"{name} {dtype}" for name, dtype in schema.items())
        raise SchemaError(
            f"{at}: {count}\n{lines}\nfound: {found}\n"
            "hint: contracts are in configs/checks/ and under `checks` of a profile"
        )
    return checks


def count_failures(lf: pl.LazyFrame, checks: Iterable[Check]) -> pl.LazyFrame:
    """Count the rows that break each check, in one row with a column per check.

    `lf` is the snapshot, sorted by its key.
    """
    return lf.select(check.failures for check in checks)


def sample_failures(
    lf: pl.LazyFrame, check: Check, key: Sequence[str], n_rows: int = 5
) -> pl.LazyFrame:
    """Take the first rows that break a check: the key, and what the check looks at.

    `lf` is the snapshot, sorted by `key`. Of a check that is not about single rows, no
    row is taken.
    """
    violates = pl.lit(False) if check.violates is None else check.violates
    columns = list(dict.fromkeys([*key, *check.columns]))
    return lf.filter(violates).select(columns).head(n_rows)


def outcomes_of(checks: Sequence[Check], counts: pl.DataFrame) -> list[Outcome]:
    """Tell which checks passed, by what `count_failures` gives."""
    # Others of its columns may hold long lists.
    n_failures = counts.select(c.name for c in checks).row(0) if checks else ()
    return [
        Outcome(c.name, c.severity, c.description, int(n))
        for c, n in zip(checks, n_failures, strict=True)
    ]


def _settle(
    compiled: Sequence[Check | _Fault], warn: Sequence[str]
) -> tuple[list[Check], list[str]]:
    """Give each check its severity, and take apart checks and mistakes."""
    checks: list[Check] = []
    mistakes: list[str] = []
    for item in compiled:
        warns = item.name in warn or item.name.partition(".")[0] in warn
        check = item.instead if isinstance(item, _Fault) and warns else item
        if isinstance(check, Check):
            checks.append(replace(check, severity="warn" if warns else "error"))
        elif isinstance(item, _Fault):
            mistakes.append(f"{item.name}: {item.text}")
    return checks, mistakes


def _unknown_warnings(
    warn: Sequence[str], compiled: Sequence[Check | _Fault]
) -> list[str]:
    """Find what is named under ``warn`` and is no check."""
    names = [item.name for item in compiled]
    known = dict.fromkeys([*names, *(name.partition(".")[0] for name in names)])
    return [
        f"warn: no such check, found '{name}'{nearest(name, known)}"
        for name in warn
        if name not in known
    ]


def _absent(name: str, column: str, schema: pl.Schema) -> _Fault:
    """Say that a column is not there."""
    return _Fault(name, f"no such column, found '{column}'{nearest(column, schema)}")


def _by_row(
    name: str, description: str, violates: pl.Expr, columns: Sequence[str]
) -> Check:
    """Make the check that counts the rows where `violates` is true."""
    failures = violates.sum().alias(name)
    return Check(name, "error", description, failures, violates, tuple(columns))


def _by_table(name: str, description: str, failures: pl.Expr) -> Check:
    """Make a check that no single row breaks."""
    return Check(name, "error", description, failures.alias(name))


def _by_schema(name: str, description: str, *, holds: bool) -> Check:
    """Make a check whose outcome the schema decides."""
    return _by_table(name, description, pl.lit(int(not holds), dtype=pl.UInt32))


def _of_columns(
    kind: str,
    entries: Mapping[str, Any],
    schema: pl.Schema,
    make: Callable[[str, str, Any, pl.DataType], Check | _Fault],
) -> _Compiled:
    """Make a check of each entry, by column; one that is null or false is taken out."""
    for column, entry in entries.items():
        if entry is None or entry is False:
            continue
        name = f"{kind}.{column}"
        if column in schema:
            yield make(name, column, entry, schema[column])
        else:
            yield _absent(name, column, schema)


def _dtype(name: str, column: str, expected: str, dtype: pl.DataType) -> Check | _Fault:
    """Hold a declared dtype to the one there is."""
    known = _dtype_names()
    base = expected.partition("(")[0]
    if base not in known:
        return _Fault(name, f"no such dtype, found '{expected}'{nearest(base, known)}")
    holds = expected in (str(dtype), dtype.base_type().__name__)
    check = _by_schema(name, f"{column} to be {expected}", holds=holds)
    if holds:
        return check
    return _Fault(name, f"expected {expected}, found {dtype}", instead=check)


@functools.cache
def _dtype_names() -> list[str]:
    """Name the dtypes a column can have."""
    abstract = {"DataType", "BaseExtension", "Extension", "Unknown", "Utf8"}
    return [
        name
        for name, value in vars(pl).items()
        if isinstance(value, type)
        and issubclass(value, pl.DataType)
        and name not in abstract
    ]


def _required(contract: Contract, schema: pl.Schema) -> _Compiled:
    """Look for columns that must be there."""
    for column in dict.fromkeys(contract.required):
        name, description = f"required.{column}", f"a column {column}"
        if column in schema:
            yield _by_schema(name, description, holds=True)
        else:
            instead = _by_schema(name, description, holds=False)
            yield replace(_absent(name, column, schema), instead=instead)


def _key(key: Sequence[str], schema: pl.Schema) -> _Compiled:
    """Compare each row's key with that of the row above, and look for nulls in it."""
    absent = [column for column in key if column not in schema]
    if absent:
        yield from (_absent("key", column, schema) for column in absent)
        return
    # NOTE: Sorting puts equal keys together, 0.0 and -0.0 among them, which == calls
    # equal, too. NaN is refused as a null is: whether it is unique has no answer.
    columns = [pl.col(column) for column in key]
    missing = [_is_missing(column, schema[column]) for column in key]
    repeats = [column == column.shift(1) for column in columns]
    violates = pl.any_horizontal(*missing, pl.all_horizontal(repeats))
    description = f"unique rows by {', '.join(key)}, without a null there"
    yield _by_row("key", description, violates, key)


def _is_missing(column: str, dtype: pl.DataType) -> pl.Expr:
    """Tell where a part of a key is null, or NaN."""
    is_null = pl.col(column).is_null()
    return is_null | pl.col(column).is_nan() if dtype.is_float() else is_null


def _not_null(name: str, column: str, _: bool, __: pl.DataType) -> Check:
    """Look for nulls."""
    return _by_row(name, f"{column} never null", pl.col(column).is_null(), [column])


def _finite(name: str, column: str, _: bool, __: pl.DataType) -> Check:
    """Look for NaN and infinities."""
    violates = ~pl.col(column).is_finite()
    return _by_row(name, f"{column} never NaN or infinite", violates, [column])


def _range(name: str, column: str, bounds: Range, dtype: pl.DataType) -> Check | _Fault:
    """Hold numbers to their bounds."""
    if not dtype.is_numeric():
        return _Fault(name, f"expected a column of numbers, found {dtype}")
    violations: list[pl.Expr] = []
    words: list[str] = []
    if bounds.min is not None:
        violations.append(pl.col(column) < bounds.min)
        words.append(f">= {bounds.min}")
    if bounds.max is not None:
        violations.append(pl.col(column) > bounds.max)
        words.append(f"<= {bounds.max}")
    if dtype.is_float():  # to Polars, NaN is greater than any number
        violations.append(pl.col(column).is_nan())
    description = f"{column} {' and '.join(words)}"
    return _by_row(name, description, pl.any_horizontal(violations), [column])


def _values(
    name: str, column: str, values: Sequence[Value], dtype: pl.DataType
) -> Check | _Fault:
    """Look for cells that hold none of the values that are allowed."""
    wrong = [repr(value) for value in values if not _can_hold(dtype, value)]
    if wrong:
        return _Fault(name, f"expected values of a {dtype}, found {', '.join(wrong)}")
    violates = ~pl.col(column).is_in(pl.Series(values, dtype=dtype).implode())
    text = ", ".join(repr(value) for value in values)
    return _by_row(name, f"{column} to be one of {text}", violates, [column])


def _can_hold(dtype: pl.DataType, value: Value) -> bool:
    """Tell whether a value of YAML can be a cell of a dtype."""
    if isinstance(value, bool) or dtype == pl.Boolean:
        return isinstance(value, bool) and dtype == pl.Boolean
    if isinstance(value, str) != (dtype.base_type() in _TEXT):
        return False  # Polars would read a date, too
    if not isinstance(value, str) and not dtype.is_numeric():
        return False
    try:
        pl.Series([value], dtype=dtype)
    except (PolarsError, TypeError, OverflowError):
        return False  # out of the dtype's bounds or categories
    return True


def _rows(rows: Rows, previous: int | None) -> _Compiled:
    """Hold the number of rows to its bounds."""
    n_rows = pl.len().cast(pl.Int64)
    if rows.exact is not None:
        off = (n_rows - rows.exact).abs()
        yield _by_table("rows.exact", n_of(rows.exact, "row"), off)
    if rows.min is not None:
        off = (rows.min - n_rows).clip(0)
        yield _by_table("rows.min", f"at least {n_of(rows.min, 'row')}", off)
    if rows.max is not None:
        off = (n_rows - rows.max).clip(0)
        yield _by_table("rows.max", f"at most {n_of(rows.max, 'row')}", off)
    if rows.change is not None:
        share = f"{rows.change * 100:.6g} %"
        if not previous:  # nothing to compare with, or nothing to take a part of
            description = f"a change of at most {share}, with no rows to compare with"
            yield _by_schema("rows.change", description, holds=True)
            return
        off = (n_rows - previous).abs()
        off = pl.when(off / previous > rows.change).then(off).otherwise(0)
        description = f"a change of at most {share} from {n_of(previous, 'row')}"
        yield _by_table("rows.change", description, off)


def _sql(contract: Contract, schema: pl.Schema) -> _Compiled:
    """Evaluate conditions written in SQL."""
    for entry, sql in contract.sql.items():
        name = f"sql.{entry}"
        if sql is None:
            continue
        try:
            condition = parse_condition(sql, schema)
        except ValueError as error:
            yield _Fault(name, str(error))
            continue
        columns = list(dict.fromkeys(condition.meta.root_names()))
        yield _by_row(name, " ".join(sql.split()), ~condition, columns)
