"""Diff a snapshot step by step, from what it was to what it is, and sum it all up."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import msgspec
import polars as pl

from pipeline.files.parquet import scan_parquet
from pipeline.panel.exact import to_fixed_point
from pipeline.snapshots.diff.diff import Diff, RowCounts, SchemaDiff, diff
from pipeline.snapshots.diff.report import MAX_COLUMNS, aligned, plain, schema_lines

_LARGEST = 1e18
"""Floats beyond it have no exact sum here."""


class Cause(NamedTuple):
    """What leads from one state of a snapshot to the next."""

    names: tuple[str, ...]
    """Of code, versions, configuration and data: those that cannot be told apart."""
    changes: tuple[str, ...]
    """What changed, a line each."""
    proof: str = ""
    """Why it makes no difference, where that is known without a look at rows."""


class ColumnStep(msgspec.Struct, frozen=True):
    """What a step did to a column of numbers; sums are of all rows, null is none.

    A column that is not there, or has no exact sum, has none; ``sum_diff`` counts what
    is not there as 0. Sums of floats are of multiples of 2**-33, and so exact: those of
    the steps add up to the whole.
    """

    name: str
    n_changed: int
    """Values that are others, in rows that are there before and after."""
    sum_before: int | float | None
    sum_after: int | float | None
    sum_diff: int | float | None


class Step(msgspec.Struct, frozen=True):
    """What one cause, or several that cannot be told apart, did to a snapshot."""

    causes: tuple[str, ...]
    changes: tuple[str, ...]
    proof: str
    rows: RowCounts
    schema: SchemaDiff
    columns: tuple[ColumnStep, ...]
    """Those with another value, or another sum; numbers or not."""

    @property
    def is_nothing(self) -> bool:
        """Whether rows and columns are the same before and after."""
        rows = self.rows
        is_same = not (rows.added or rows.removed or rows.changed)
        return is_same and self.schema.is_equal


class Steps(msgspec.Struct, frozen=True):
    """A snapshot of two runs, and what each cause did to it, in this order."""

    snapshot: str
    before: str
    after: str
    notes: tuple[str, ...]
    steps: tuple[Step, ...]
    whole: Step


def diff_steps(
    snapshot: str,
    runs: tuple[str, str],
    key: Sequence[str],
    states: Sequence[Path],
    causes: Sequence[Cause],
    notes: Sequence[str],
    *,
    tolerance: float = 0.0,
) -> Steps:
    """Diff each state of a snapshot with the next, and the first with the last.

    Parameters
    ----------
    states : sequence of Path
        Parquet objects, one more than there are causes. Where one stands twice in
        succession, its cause made no difference.

    Raises
    ------
    SnapshotError
        As `diff` does.
    """
    sums = {path: _sums(path) for path in dict.fromkeys(states)}

    def step(cause: Cause, before: Path, after: Path) -> Step:
        found = diff(before, after, key, tolerance=tolerance, n_samples=0)
        columns = tuple(_columns(found, sums[before], sums[after]))
        return Step(*cause, found.rows, found.schema, columns)

    steps = [
        step(cause, *pair) for cause, pair in zip(causes, pairwise(states), strict=True)
    ]
    whole = step(Cause(("all",), ()), states[0], states[-1])
    return Steps(snapshot, *runs, tuple(notes), tuple(steps), whole)


def _sums(path: Path) -> dict[str, Fraction | None]:
    """Sum each column of numbers exactly; None where that cannot be."""
    lf = scan_parquet(path)
    totals: list[pl.Expr] = []
    dtypes = {n: d for n, d in lf.collect_schema().items() if d.is_numeric()}
    for name, dtype in dtypes.items():
        column = pl.col(name)
        is_safe = column.is_not_null()
        if dtype.is_float():
            # Of NaN, too, this is false.
            is_safe = column.is_finite() & (column.abs() <= _LARGEST)
            total = to_fixed_point(pl.when(is_safe).then(column)).sum()
        else:
            total = column.sum() if dtype.is_decimal() else column.cast(pl.Int128).sum()
        odd = (column.is_not_null() & ~is_safe).any()
        totals.append(pl.struct(total=total, odd=odd).alias(name))
    row = (
        lf.select(totals).collect(engine="streaming").row(0, named=True)
        if totals
        else {}
    )
    return {
        name: None if row[name]["odd"] else _exact(row[name]["total"], dtype)
        for name, dtype in dtypes.items()
    }


def _exact(total: Any, dtype: pl.DataType) -> Fraction:
    """Take a sum as the number it stands for."""
    return Fraction(total or 0) / (2**33 if dtype.is_float() else 1)


def _columns(
    found: Diff,
    before: Mapping[str, Fraction | None],
    after: Mapping[str, Fraction | None],
) -> Iterator[ColumnStep]:
    """Say what became of each column that has other values, or another sum."""
    changed = {column.name: column.n_changed for column in found.columns}
    for name in dict.fromkeys((*changed, *before, *after)):
        if name in found.key:
            continue
        old, new = before.get(name), after.get(name)
        is_summed = all(
            side.get(name, 0) is not None and (name in before or name in after)
            for side in (before, after)
        )
        difference = (new or 0) - (old or 0) if is_summed else None
        if changed.get(name) or difference:
            numbers = (_number(value) for value in (old, new, difference))
            yield ColumnStep(name, changed.get(name, 0), *numbers)


def _number(value: Fraction | int | None) -> int | float | None:
    """Write a number as a whole one, if it is, or as a float."""
    if value is None:
        return None
    return int(value) if value.denominator == 1 else float(value)


def show(found: Steps, format_: str) -> str:
    """Write the steps as 'text', 'markdown' or 'json'."""
    return {"text": to_text, "markdown": to_markdown, "json": to_json}[format_](found)


def to_text(found: Steps) -> str:
    """Write what each step did: rows, the first columns, and what changed."""
    verdict = "equal" if found.whole.is_nothing else "different"
    title = f"{found.snapshot}: {found.before} -> {found.after}: {verdict}"
    lines = [title, *(f"  {note}" for note in found.notes)]
    for step in found.steps:
        by = f"{'nothing ' * bool(step.proof)}by {' and '.join(step.causes)}"
        lines += [f"{by}: {step.proof or _rows(step)}", *_details(step)]
    lines.append(f"in all: {_rows(found.whole)}")
    if not any(_did(step) == _did(found.whole) for step in found.steps):
        lines += _details(found.whole)
    return "\n".join(lines) + "\n"


def to_markdown(found: Steps) -> str:
    """Write the same for a comment on a pull request."""
    first, *rest = to_text(found).splitlines()
    return "\n".join((f"### {first}", "", "```text", *rest, "```")) + "\n"


def to_json(found: Steps) -> str:
    """Write the fields by their names, as the JSON of a diff."""
    return msgspec.json.format(msgspec.json.encode(plain(found))).decode() + "\n"


def _did(step: Step) -> tuple[RowCounts, SchemaDiff, tuple[ColumnStep, ...]]:
    """Take what a step did, whatever its cause."""
    return step.rows, step.schema, step.columns


def _rows(step: Step) -> str:
    """Say how many rows came, went and are others."""
    if step.is_nothing:
        return "no difference"
    rows = step.rows
    return (
        f"{rows.after - rows.before:+,} rows: {rows.added:,} added,"
        f" {rows.removed:,} removed, {rows.changed:,} changed"
    )


def _details(step: Step) -> Iterator[str]:
    """Write what changed, and what that did to columns."""
    yield from (f"  {line}" for line in step.changes)
    yield from _schema(step.schema)
    if step.columns:
        header = ("column", "changed", "sum before", "sum after", "difference")
        rows = [_cells(column) for column in step.columns[:MAX_COLUMNS]]
        yield from (f"  {line}" for line in aligned([header, *rows]))
    if len(step.columns) > MAX_COLUMNS:
        yield f"  and {len(step.columns) - MAX_COLUMNS} columns more"


def _schema(schema: SchemaDiff) -> Iterator[str]:
    """Name the columns that came, went, or are of another dtype or place."""
    changes: dict[str, list[str]] = {}
    for sign, text in schema_lines(schema):
        changes.setdefault(sign, []).append(text)
    for sign, texts in changes.items():
        text = f"{sign} {', '.join(texts)}"
        yield from wrap(text, 86, initial_indent="  ", subsequent_indent="    ")


def _cells(column: ColumnStep) -> tuple[str, ...]:
    """Show the numbers of a column; a dash where there are none."""
    sums = (column.sum_before, column.sum_after)
    shown = ["-" if number is None else f"{number:,.10g}" for number in sums]
    change = "-" if column.sum_diff is None else f"{column.sum_diff:+,.10g}"
    return (column.name, f"{column.n_changed:,}", *shown, change)
