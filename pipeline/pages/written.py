"""How a stage writes a column: its expression, as Polars prints the plan."""

import re
from collections.abc import Iterator

import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import SchemaError
from pipeline.panel.keys import WORKING
from pipeline.plan.plan import Plan

_LISTS = re.compile(r"^ *(?:SELECT |(?: WITH_COLUMNS:)?)(\[.*)$")
_ALIASED = re.compile(r'(?s)(.*)\.alias\("(.*)"\)')
_PLAIN = re.compile(r'col\("[^"]*"\)')
_MAX = 300
"""Characters of an expression that can still be read."""


def expressions_of(plan: Plan, stage: str) -> dict[str, str]:
    """Write what a stage computes, by column; what cannot be read is left out.

    That is what is made of columns that a stage needs for itself only, as those of a
    join, or is longer than a few lines.
    """
    node = plan.nodes[stage]
    inputs = [plan.schema(name) for name in node.stage.inputs]
    if any('"' in name for schema in (*inputs, node.schema) for name in schema):
        return {}  # Polars prints them as they are, and nothing tells where they end
    try:
        lf = node.stage.apply(*(pl.LazyFrame(schema=schema) for schema in inputs))
        text = lf.explain(optimized=False)
    except (PolarsError, SchemaError):
        return {}
    return expressions(text)


def expressions(plan: str) -> dict[str, str]:
    """Find in a printed plan how each column is made, of those made in one step."""
    found: dict[str, str] = {}
    steps: list[str] = []
    for line in plan.splitlines():
        listed = _LISTS.match(line)
        for item in _items(listed[1]) if listed else ():
            aliased = _ALIASED.fullmatch(item)
            if aliased:
                found.setdefault(aliased[2], aliased[1])
            if not _PLAIN.fullmatch(item):
                steps.append(aliased[1] if aliased else item)
    return {
        name: expr
        for name, expr in found.items()
        if WORKING not in expr and len(expr) <= _MAX
        if not any(f'col("{name}")' in step for step in steps)
    }


def _items(listed: str) -> Iterator[str]:
    """Split a list in brackets at the commas that are in no others, nor in quotes."""
    depth, start, is_text = 0, 1, False
    for i, sign in enumerate(listed):
        if sign == '"':
            is_text = not is_text
        elif is_text:
            continue
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        if depth == 0 or (depth == 1 and sign == ","):
            yield listed[start:i].strip()
            start = i + 1
        if depth == 0:
            return
