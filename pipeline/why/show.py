"""A value and what it is made of, as tables, as Markdown and as JSON."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
import polars.selectors as cs

from pipeline.errors import n_of, some
from pipeline.sources.located import PLACE
from pipeline.why.back import Step
from pipeline.why.why import Why

_MOST_ROWS = 20
_MOST_COLUMNS = 10
"""Of a table for people; JSON has all."""


def show(why: Why, format_: str, *, every_row: bool) -> str:
    """Write it; of a long list the first rows, unless every one is asked for."""
    if format_ == "json":
        return json.dumps(plain(why, every_row=every_row), indent=2, default=str)
    return "\n".join(lines(why, every_row=every_row, is_markdown=format_ == "md"))


def plain(why: Why, *, every_row: bool) -> dict[str, Any]:
    """Turn it into what JSON has."""
    most = sys.maxsize if every_row else _MOST_ROWS
    return {
        "snapshot": why.snapshot,
        "key": why.key,
        "column": why.column,
        "value": why.value,
        "run": why.run_id,
        "made": [_plain_step(step, most) for step in why.steps if not step.decides],
        "decided": [_plain_step(step, most) for step in why.steps if step.decides],
        "sources": _plain_sources(why.sources, most),
        "decided_sources": _plain_sources(why.deciding, most),
        "unknown": list(why.unknown),
        "set_aside": {
            "n_cells": why.set_aside.height,
            "n_others": why.n_others,
            "cells": _dicts(why.set_aside, most),
        },
    }


def _plain_step(step: Step, most: int) -> dict[str, Any]:
    """Turn a step into what JSON has."""
    return {
        "stage": step.stage,
        "transform": step.transform,
        "columns": list(step.columns),
        "of": step.given,
        "settings": dict(step.settings),
        "note": step.note,
        "n_rows": step.rows.height,
        "rows": _dicts(step.rows, most),
    }


def _plain_sources(
    sources: Mapping[str, pl.DataFrame], most: int
) -> dict[str, dict[str, Any]]:
    """Turn rows of sources into what JSON has."""
    return {
        name: {"n_rows": rows.height, "rows": _dicts(_named(rows), most)}
        for name, rows in sources.items()
    }


def _dicts(rows: pl.DataFrame, most: int) -> list[dict[str, Any]]:
    """Turn the first rows into what JSON has, which has no number that is none."""
    floats = cs.float()
    finite = pl.when(floats.is_finite()).then(floats)
    return rows.head(most).with_columns(finite).to_dicts()


def lines(why: Why, *, every_row: bool, is_markdown: bool) -> Iterator[str]:
    """Write it for people."""
    most = sys.maxsize if every_row else _MOST_ROWS
    at, head = ("`", "## ") if is_markdown else ("", "")
    yield (
        f"{head}{at}{why.snapshot}.{why.column}{at} = {_value(why.value)}"
        f"  ({_pairs(why.key)}; run {why.run_id})"
    )
    for name in why.unknown:
        yield f"what stage {at}{name}{at} looks at is unknown: more may matter"
    for step in why.steps:
        if not step.decides:
            yield from _made(step, most, is_markdown=is_markdown)
    yield from _sources(why.sources, most, is_markdown=is_markdown)
    yield from _set_aside(why, most, is_markdown=is_markdown)
    if decided := [step for step in why.steps if step.decides]:
        yield ""
        yield "what only decides which rows there are:"
    for step in decided:
        if step.columns:
            yield from _made(step, most, is_markdown=is_markdown)
            continue
        of = "all rows" if step.given == "fact" else f"{at}{step.given}{at}"
        yield ""
        how = f"{step.transform}: {_pairs(step.settings)}"
        yield f"{at}{step.stage}{at} ({how}), by {of}"
        yield from table(step.rows, most, is_markdown=is_markdown)
    yield from _sources(why.deciding, most, is_markdown=is_markdown)


def _made(step: Step, most: int, *, is_markdown: bool) -> Iterator[str]:
    """Say of which rows a stage has made columns."""
    at, note = "`" if is_markdown else "", f" ({step.note})" if step.note else ""
    yield ""
    yield (
        f"{at}{step.stage}{at} ({step.transform}) made {some(step.columns)} of"
        f" {n_of(step.rows.height, 'row')} of {at}{step.given}{at}{note}"
    )
    yield from table(step.rows, most, is_markdown=is_markdown)


def _sources(
    sources: Mapping[str, pl.DataFrame], most: int, *, is_markdown: bool
) -> Iterator[str]:
    """Name rows of sources."""
    at = "`" if is_markdown else ""
    for name, rows in sources.items():
        yield ""
        yield f"{at}{name}{at}: {n_of(rows.height, 'row')}"
        yield from table(_named(rows), most, is_markdown=is_markdown)


def _set_aside(why: Why, most: int, *, is_markdown: bool) -> Iterator[str]:
    """Name the bad cells that might be of it, mended."""
    n, n_others = why.set_aside.height, why.n_others
    if not n + n_others:
        return
    yield ""
    if n:
        yield f"{n_of(n, 'cell')} set aside, which may change the value if mended:"
        yield from table(why.set_aside, most, is_markdown=is_markdown)
    if n_others:
        yield (
            f"{n_of(n_others, 'cell')} set aside of rows of other keys, which may"
            " change only what decides"
        )


def _pairs(values: Mapping[str, Any]) -> str:
    """Write names with their values."""
    return ", ".join(f"{name}={_text(value)}" for name, value in values.items())


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    """Put the places of a source's rows first, as ``file`` and ``line``."""
    names = {PLACE[0]: "file", PLACE[1]: "line"}
    places = [
        pl.col(name).alias(shown if shown not in rows.columns else f"its {shown}")
        for name, shown in names.items()
    ]
    return rows.select(*places, pl.exclude(PLACE))


def table(rows: pl.DataFrame, most: int, *, is_markdown: bool) -> Iterator[str]:
    """Write rows, and how many more there are."""
    names = rows.columns[:_MOST_COLUMNS]
    shown = rows.head(most).select(names)
    cells = [names, *([_text(v) for v in row] for row in shown.iter_rows())]
    yield from _markdown(cells) if is_markdown else _aligned(cells)
    more = [
        f"{n_of(rest, what)} more"
        for rest, what in (
            (rows.height - shown.height, "row"),
            (rows.width - len(names), "column"),
        )
        if rest
    ]
    if more:
        yield f"  ... and {' and '.join(more)}; `--all`, `--format json`"


def _text(value: object) -> str:
    """Write a value."""
    return "null" if value is None else str(value)


def _value(value: object) -> str:
    """Write a value so that texts are told from others."""
    return repr(value) if isinstance(value, str | float) else _text(value)


def _aligned(cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write lines of cells below each other."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (f"{cell:{n}}" for cell, n in zip(line, widths, strict=True))
        yield f"  {'  '.join(padded)}".rstrip()


def _markdown(cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write a table of Markdown."""
    head, *lines = cells
    yield ""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for line in lines:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
