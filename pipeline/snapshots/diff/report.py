"""Show a diff of snapshots: as text, as Markdown or as JSON."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any, cast

import msgspec

from pipeline.snapshots.diff.diff import Diff, SchemaDiff
from pipeline.snapshots.diff.values import Cell, ColumnDiff

MAX_COLUMNS = 30
"""Changed columns of a table, and columns of a change of schema."""

MAX_SAMPLES = 10
"""Samples of each kind; JSON holds all."""

_MAX_VALUE = 40
"""Characters of a value."""

_MAX_ROW = 120
"""Characters of what tells which row."""

_KINDS = {"+": "added", "-": "removed", "~": "changed"}

_Show = Callable[[str], str]

_HEADER = ("column", "changed", "max abs", "mean abs", "max rel")


def show(diff: Diff, title: str, format_: str) -> str:
    """Write a diff as 'text', 'markdown' or 'json'; JSON has no title."""
    if format_ == "json":
        return to_json(diff)
    return {"text": to_text, "markdown": to_markdown}[format_](diff, title)


def to_text(diff: Diff, title: str) -> str:
    """Show a diff on a terminal.

    Parameters
    ----------
    diff : Diff
        What to show.
    title : str
        What was compared, in one line; begins the first one.

    Returns
    -------
    str
        Aligned lines, ended by a line break: the rows in numbers, the changes of the
        schema, a line for each of the first `MAX_COLUMNS` changed columns, and up to
        `MAX_SAMPLES` samples of each kind.
    """
    rows = diff.rows
    counts = (
        f"{rows.before:,} rows before, {rows.after:,} after: {rows.added:,} added, "
        f"{rows.removed:,} removed, {rows.changed:,} changed, "
        f"{rows.unchanged:,} unchanged"
    )
    schema = [f"{sign} {change}" for sign, change in _schema(diff.schema, _name)]
    parts = {
        f"{title}: {_verdict(diff)}": [counts, *_notes(diff, _name)],
        "schema": schema,
        "values": _changed_columns(diff),
        "changed": _changed_cells(diff),
        "added": [_sample(diff, row) for row in diff.added[:MAX_SAMPLES]],
        "removed": [_sample(diff, row) for row in diff.removed[:MAX_SAMPLES]],
    }
    lines = (
        line
        for heading, part in parts.items()
        if part
        for line in (heading, *(f"  {line}" for line in part))
    )
    return "\n".join(lines) + "\n"


def to_markdown(diff: Diff, title: str) -> str:
    """Show a diff in a comment on a pull request.

    Parameters
    ----------
    diff : Diff
        What to show.
    title : str
        What was compared, in one line; becomes the heading.

    Returns
    -------
    str
        GitHub-flavoured Markdown, ended by a line break and cut as `to_text` is, below
        the 65,536 characters that a comment may have. Names and values are code:
        nothing in them is read as Markdown.
    """
    changed = [column for column in diff.columns if column.n_changed]
    cells = [
        [_code(text) for text in (_key(c.key), _name(name), *map(_value, _pair(c)))]
        for name, c in _spread(changed)
    ]
    numbers = [_numbers(column, _quoted) for column in changed[:MAX_COLUMNS]]
    counts = ("before", "after", "added", "removed", "changed", "unchanged")
    parts = [
        f"### {_code(title)}: {_verdict(diff)}",
        _table(counts, [[f"{getattr(diff.rows, name):,}" for name in counts]]),
        "\n".join(f"- {note}" for note in _notes(diff, _quoted)),
        "\n".join(
            f"- {_KINDS[sign]}: {change}"
            for sign, change in _schema(diff.schema, _quoted)
        ),
        _table(_HEADER, numbers) if numbers else "",
        _rest(changed),
        _folded("changed", _table(("key", "column", "before", "after"), cells))
        if cells
        else "",
    ]
    for kind, samples in (("added", diff.added), ("removed", diff.removed)):
        listed = [f"- {_code(_sample(diff, row))}" for row in samples[:MAX_SAMPLES]]
        parts.append(_folded(kind, "\n".join(listed)) if listed else "")
    return "\n\n".join(part for part in parts if part) + "\n"


def to_json(diff: Diff) -> str:
    """Write a diff as JSON, whole.

    Parameters
    ----------
    diff : Diff
        What to write.

    Returns
    -------
    str
        One object, indented, ended by a line break. ``is_equal`` comes first, then
        the fields of `Diff` by their names: ``key``, ``tolerance``, ``schema``
        (``added``, ``removed``: ``name``, ``dtype``; ``changed``: ``name``,
        ``before``, ``after``, ``is_compared``; ``is_reordered``), ``rows`` (``before``,
        ``after``, ``added``, ``removed``, ``changed``, ``unchanged``,
        ``repeated_before``, ``repeated_after``), ``columns`` (``name``,
        ``n_changed``, ``max_abs_diff``, ``mean_abs_diff``, ``max_rel_diff``,
        ``samples``: ``key``, ``before``, ``after``), ``added`` and ``removed`` (value
        by column). NaN and the infinities are the strings ``NaN``, ``Infinity`` and
        ``-Infinity``; dates, times and durations are ISO 8601; decimals and whole
        numbers beyond 64 bits are strings; bytes are hexadecimal.
    """
    fields = {"is_equal": diff.is_equal} | msgspec.structs.asdict(diff)
    return msgspec.json.format(msgspec.json.encode(_plain(fields))).decode() + "\n"


def _changed_columns(diff: Diff) -> list[str]:
    """Draw the numbers of the changed columns as aligned lines."""
    changed = [column for column in diff.columns if column.n_changed]
    if not changed:
        return []
    numbers = [_numbers(column, _name) for column in changed[:MAX_COLUMNS]]
    rest = _rest(changed)
    return [*_aligned([_HEADER, *numbers]), *([rest] if rest else [])]


def _changed_cells(diff: Diff) -> list[str]:
    """Draw samples of changed values as aligned lines."""
    cells = [
        (_key(cell.key), _name(name), " -> ".join(map(_value, _pair(cell))))
        for name, cell in _spread(diff.columns)
    ]
    return _aligned(cells, right=False) if cells else []


def _pair(cell: Cell) -> tuple[Any, Any]:
    return cell.before, cell.after


def _rest(changed: Sequence[ColumnDiff]) -> str:
    """Say how many changed columns are not shown."""
    n_left = len(changed) - MAX_COLUMNS
    return f"and {n_left} changed columns more" if n_left > 0 else ""


def _plain(value: Any) -> Any:
    """Turn a value into what JSON can tell apart."""
    match value:
        case msgspec.Struct():
            return _plain(msgspec.structs.asdict(value))
        case dict():
            items = cast("dict[str, Any]", value)
            return {name: _plain(item) for name, item in items.items()}
        case list() | tuple():
            return [_plain(item) for item in cast("Sequence[Any]", value)]
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
    if diff.key:
        yield f"key: {', '.join(map(show, diff.key))}"
    else:
        yield "no key: compared as whole rows"
    if rows.repeated_before or rows.repeated_after:
        yield (
            f"key not unique in {rows.repeated_before:,} rows before and "
            f"{rows.repeated_after:,} after: those were compared as whole rows"
        )


def _schema(schema: SchemaDiff, show: _Show) -> list[tuple[str, str]]:
    """Say what changed of the schema, with a sign for the kind of change."""
    changes = [("+", f"{show(c.name)} {show(_cut(c.dtype))}") for c in schema.added]
    changes += [("-", f"{show(c.name)} {show(_cut(c.dtype))}") for c in schema.removed]
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


def _spread(columns: Iterable[ColumnDiff]) -> list[tuple[str, Cell]]:
    """Choose samples to show: the first of each column, then the second of each."""
    samples = ([(c.name, cell) for cell in c.samples] for c in columns)
    turns = chain.from_iterable(zip_longest(*samples))
    return [sample for sample in turns if sample is not None][:MAX_SAMPLES]


def _sample(diff: Diff, row: Mapping[str, Any]) -> str:
    """Tell which row this is: by its key; without one, by all of it."""
    if diff.key:
        return _key({name: row[name] for name in diff.key})
    words = (f"{_name(name)}={_value(value)}" for name, value in row.items())
    return _cut(", ".join(words), _MAX_ROW)


def _key(values: Mapping[str, Any]) -> str:
    """Show the values of a key, whose names stand above, in one line."""
    return _cut(", ".join(map(_value, values.values())), _MAX_ROW)


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


def _aligned(rows: Sequence[Sequence[str]], *, right: bool = True) -> list[str]:
    """Pad cells to columns: the first to the left, the others as asked."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if right and i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Draw a Markdown table."""
    lines = (header, ["---"] * len(header), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _folded(summary: str, body: str) -> str:
    """Hide a part of a comment until it is asked for."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def _quoted(name: str) -> str:
    """Quote a name as code."""
    return _code(_name(name))


def _code(text: str) -> str:
    """Quote as code that may stand in a table.

    Backslashes of the text come in pairs, so one more before a pipe escapes it.
    """
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    blank = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{blank}{text.replace('|', chr(92) + '|')}{blank}{fence}"
