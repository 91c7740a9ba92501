"""Show a diff of snapshots: as text, as Markdown or as JSON."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, zip_longest
from typing import Any, cast

import msgspec

from pipeline.snapshots.diff.diff import Diff, SchemaDiff
from pipeline.snapshots.diff.values import ColumnDiff

MAX_COLUMNS = 30
"""Changed columns of a table, and columns of a change of schema."""

MAX_SAMPLES = 10
"""Samples of each kind; JSON holds all."""

_MAX_VALUE = 40
"""Characters of a value."""

_MAX_ROW = 120
"""Characters of what tells which row."""

_KINDS = {"+": "added", "-": "removed", "~": "changed", "=": "renamed"}

_Show = Callable[[str], str]

_HEADER = ("column", "changed", "max abs", "mean abs", "max rel")


def show(diff: Diff, title: str, format_: str) -> str:
    """Write a diff as 'text', 'markdown' or 'json'; JSON has no title."""
    if format_ == "json":
        return to_json(diff)
    return {"text": to_text, "markdown": to_markdown}[format_](diff, title)


def to_text(diff: Diff, title: str) -> str:
    """Write aligned lines for a terminal; the title begins the first one.

    They hold the rows in numbers, the changes of the schema, a line for each of the
    first `MAX_COLUMNS` changed columns, and up to `MAX_SAMPLES` samples of each kind.
    """
    rows, changed = diff.rows, _changed(diff)
    counts = (
        f"{rows.before:,} rows before, {rows.after:,} after: {rows.added:,} added, "
        f"{rows.removed:,} removed, {rows.changed:,} changed, "
        f"{rows.unchanged:,} unchanged"
    )
    numbers = [_numbers(column, _name) for column in changed[:MAX_COLUMNS]]
    cells = [(key, name, f"{old} -> {new}") for key, name, old, new in _cells(changed)]
    parts = {
        f"{title}: {_verdict(diff)}": [counts, *_notes(diff, _name)],
        "schema": [
            f"{sign} {change}" for sign, change in schema_lines(diff.schema, _name)
        ],
        "values": [*aligned([_HEADER, *numbers]), *_rest(changed)] if changed else [],
        "changed": aligned(cells, right=False),
        "added": _keys(diff, diff.added),
        "removed": _keys(diff, diff.removed),
    }
    lines = (
        line
        for heading, part in parts.items()
        if part
        for line in (heading, *(f"  {line}" for line in part))
    )
    return "\n".join(lines) + "\n"


def to_markdown(diff: Diff, title: str) -> str:
    """Write a comment on a pull request, below the 65,536 characters it may have.

    It is cut as `to_text` is. Names and values are code: nothing in them is read as
    Markdown.
    """
    changed = _changed(diff)
    numbers = [_numbers(column, quoted) for column in changed[:MAX_COLUMNS]]
    cells = [list(map(code, cell)) for cell in _cells(changed)]
    counts = ("before", "after", "added", "removed", "changed", "unchanged")
    schema = schema_lines(diff.schema, quoted)
    parts = [
        f"### {code(title)}: {_verdict(diff)}",
        table(counts, [[f"{getattr(diff.rows, name):,}" for name in counts]]),
        listed(_notes(diff, quoted)),
        listed(f"{_KINDS[sign]}: {change}" for sign, change in schema),
        table(_HEADER, numbers),
        *_rest(changed),
        folded("changed", table(("key", "column", "before", "after"), cells)),
        folded("added", listed(map(code, _keys(diff, diff.added)))),
        folded("removed", listed(map(code, _keys(diff, diff.removed)))),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_json(diff: Diff) -> str:
    """Write the fields of a diff by their names, whole, after ``is_equal``.

    NaN and the infinities are the strings ``NaN``, ``Infinity`` and ``-Infinity``;
    dates, times and durations are ISO 8601; decimals and whole numbers beyond 64 bits
    are strings; bytes are hexadecimal.
    """
    fields = {"is_equal": diff.is_equal} | msgspec.structs.asdict(diff)
    return msgspec.json.format(msgspec.json.encode(plain(fields))).decode() + "\n"


def plain(value: Any) -> Any:
    """Turn a value into what JSON can tell apart."""
    match value:
        case msgspec.Struct():
            return plain(msgspec.structs.asdict(value))
        case dict():
            items = cast("dict[str, Any]", value)
            return {name: plain(item) for name, item in items.items()}
        case list() | tuple():
            return [plain(item) for item in cast("Sequence[Any]", value)]
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
        case int() if not -(2**63) <= value < 2**64:
            return str(value)
        case bytes():
            return value.hex()
        case _:
            return value


def _verdict(diff: Diff) -> str:
    """Say whether the objects differ."""
    within = f" within a relative tolerance of {diff.tolerance:g}"
    return ("equal" if diff.is_equal else "different") + within * bool(diff.tolerance)


def _notes(diff: Diff, show: _Show) -> Iterator[str]:
    """Say how rows were matched."""
    rows = diff.rows
    yield f"key: {', '.join(map(show, diff.key))}"
    if rows.repeated_before or rows.repeated_after:
        yield (
            f"key not unique in {rows.repeated_before:,} rows before and "
            f"{rows.repeated_after:,} after: those were compared as whole rows"
        )


def schema_lines(
    schema: SchemaDiff, show: _Show | None = None
) -> list[tuple[str, str]]:
    """Say what changed of the schema, with a sign for the kind of change."""
    show = show or _name
    old = {c.before for c in schema.renamed}
    new = {c.after for c in schema.renamed}
    changes = [
        (sign, f"{show(c.name)} {show(_cut(c.dtype))}")
        for sign, columns in (("+", schema.added), ("-", schema.removed))
        for c in columns
        if c.name not in (new if sign == "+" else old)
    ]
    changes += [
        ("=", f"{show(c.before)} is {show(c.after)} now") for c in schema.renamed
    ]
    for c in schema.changed:
        dtypes = f"{show(_cut(c.before))} to {show(_cut(c.after))}"
        note = "" if c.is_compared else ", values not compared"
        changes.append(("~", f"{show(c.name)} {dtypes}{note}"))
    n_left = len(changes) - MAX_COLUMNS
    changes = changes[:MAX_COLUMNS]
    if n_left > 0:
        changes.append(("~", f"and {n_left} columns more"))
    if schema.is_reordered:
        changes.append(("~", "the order of the columns"))
    return changes


def _numbers(column: ColumnDiff, show: _Show) -> list[str]:
    """Show the numbers of a column; a dash where there are none."""
    floats = (column.max_abs_diff, column.mean_abs_diff, column.max_rel_diff)
    return [
        show(column.name),
        f"{column.n_changed:,}",
        *("-" if number is None else f"{number:.4g}" for number in floats),
    ]


def _changed(diff: Diff) -> list[ColumnDiff]:
    """Return the columns to show."""
    return [column for column in diff.columns if column.n_changed]


def _rest(changed: Sequence[ColumnDiff]) -> list[str]:
    """Say how many changed columns are not shown, if any."""
    n_left = len(changed) - MAX_COLUMNS
    return [f"and {n_left} changed columns more"] if n_left > 0 else []


def _cells(changed: Iterable[ColumnDiff]) -> list[tuple[str, str, str, str]]:
    """Show samples as key, name, before and after: the columns in turns."""
    samples = ([(c.name, cell) for cell in c.samples] for c in changed)
    turns = filter(None, chain.from_iterable(zip_longest(*samples)))
    return [
        (_key(c.key.values()), _name(name), _value(c.before), _value(c.after))
        for name, c in islice(turns, MAX_SAMPLES)
    ]


def _keys(diff: Diff, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Show rows by their keys."""
    return [_key(row[name] for name in diff.key) for row in rows[:MAX_SAMPLES]]


def _key(values: Iterable[Any]) -> str:
    """Show the values of a key, whose names stand above, in one line."""
    return _cut(", ".join(map(_value, values)), _MAX_ROW)


def _value(value: Any) -> str:
    """Show a value in one line; text as a literal, so that blanks can be seen."""
    if value is None:
        return "null"
    if isinstance(value, str | bytes | float | list | dict):
        return _cut(repr(value))  # pyright: ignore[reportUnknownArgumentType]
    return _cut(str(value))


def _name(name: str) -> str:
    """Show a name in one line; the usual ones as they are."""
    plain = name.isprintable() and "\\" not in name
    return _cut(name if plain else repr(name)[1:-1])


def _cut(text: str, n_characters: int = _MAX_VALUE) -> str:
    """Shorten a text to a number of characters."""
    return text if len(text) <= n_characters else text[: n_characters - 1] + "…"


def aligned(rows: Sequence[Sequence[str]], *, right: bool = True) -> list[str]:
    """Pad cells to columns: the first to the left, the others as asked."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if right and i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Draw a Markdown table, if there is a row."""
    lines = (header, ["---"] * len(header), *rows) if rows else ()
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def listed(items: Iterable[str]) -> str:
    """Write a Markdown list."""
    return "\n".join(f"- {item}" for item in items)


def folded(summary: str, body: str) -> str:
    """Hide a part of a comment, if there is one, until it is asked for."""
    shown = f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"
    return shown if body else ""


def quoted(name: str) -> str:
    """Quote a name as code."""
    return code(_name(name))


def code(text: str) -> str:
    """Quote as code that may stand in a table.

    Backslashes of the text come in pairs, so one more before a pipe escapes it.
    """
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    blank = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{blank}{text.replace('|', chr(92) + '|')}{blank}{fence}"
