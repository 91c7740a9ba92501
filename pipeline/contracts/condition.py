"""Conditions in SQL: parsed by Polars, refused unless they are about one row."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import nearest

# NOTE: Polars looks into the file of a subquery such as (SELECT a FROM read_csv('x'))
# while it parses, so these words are refused before, wherever they stand.
_SUBQUERY = re.compile(r"\b(select|read_\w+)\b", re.IGNORECASE)

_NOT_OF_A_ROW = {
    "Agg": "an aggregate",
    "Correlation": "an aggregate",
    "Len": "an aggregate",
    "Quantile": "an aggregate",
    "Over": "a window",
    "SubPlan": "a subquery",
    "Explode": "an unnested list",
    "Selector": "a choice of columns",
}
"""Parts of an expression that look at other rows, or are not one value per row."""


def parse_condition(sql: str, schema: pl.Schema) -> pl.Expr:
    """Parse a condition in Polars' SQL on the columns of one row; nothing is read.

    Raises
    ------
    ValueError
        If it does not parse, names absent columns or none, is not Boolean, looks at
        other rows or other tables, or can fail on some values.
    """
    return _parsed(sql, tuple(schema.items()))


@lru_cache(maxsize=256)
def _parsed(sql: str, columns: tuple[tuple[str, pl.DataType], ...]) -> pl.Expr:
    """Parse a condition once: a run holds its snapshots to it several times."""
    schema = pl.Schema(columns)
    word = _SUBQUERY.search(sql)
    if word:
        raise ValueError(f"expected a condition on one row, found '{word[0]}'")
    try:
        expr = pl.sql_expr(sql)
    except PolarsError as error:
        raise ValueError(f"expected SQL, found {sql!r}: {_first_line(error)}") from None
    tree = json.loads(expr.meta.serialize(format="json"))
    for part in _parts(tree):
        if part in _NOT_OF_A_ROW:
            found = _NOT_OF_A_ROW[part]
            raise ValueError(f"expected a condition on one row, found {found}")
    _refuse_columns(expr, schema)
    _refuse_dtypes(expr, schema)
    return expr


def _refuse_columns(expr: pl.Expr, schema: pl.Schema) -> None:
    """Refuse absent columns, and a condition on none."""
    columns = list(dict.fromkeys(expr.meta.root_names()))
    if not columns:
        raise ValueError("expected a condition on a column, found none")
    absent = [f"'{c}'{nearest(c, schema)}" for c in columns if c not in schema]
    if absent:
        raise ValueError(f"no such column, found {', '.join(absent)}")


def _refuse_dtypes(expr: pl.Expr, schema: pl.Schema) -> None:
    """Refuse what is not Boolean, or cannot be computed of the columns' dtypes."""
    try:
        dtype = pl.DataFrame(schema=schema).select(expr).dtypes[0]
    except PolarsError as error:
        raise ValueError(f"does not fit the columns: {_first_line(error)}") from None
    if dtype != pl.Boolean:
        raise ValueError(f"expected a Boolean, found {dtype}")
    try:
        _extremes(schema).select(expr)
    except PolarsError as error:
        raise ValueError(
            f"can fail on values that a column may hold: {_first_line(error)}; "
            "TRY_CAST gives null where CAST fails"
        ) from None


def _parts(tree: Any) -> Iterator[str]:
    """Yield the kinds of an expression's parts, without its names and literals."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, list):
        for child in cast("list[Any]", tree):
            yield from _parts(child)
    elif isinstance(tree, dict):
        for kind, child in cast("dict[str, Any]", tree).items():
            yield kind
            if kind not in ("Column", "Literal", "Alias"):
                yield from _parts(child)
            elif kind == "Alias":
                yield from _parts(child[0])


def _extremes(schema: pl.Schema) -> pl.DataFrame:
    """Make rows of values on which a strict cast fails if it can."""
    series = [pl.Series(n, _extreme(t), dtype=t) for n, t in schema.items()]
    return pl.DataFrame(series)


def _extreme(dtype: pl.DataType) -> list[Any]:
    """Return two values of a dtype that few other dtypes can hold, or nulls."""
    if dtype.is_integer():
        bounds = cast("type[pl.Int64]", dtype.base_type())
        return list(pl.select(low=bounds.min(), high=bounds.max()).row(0))
    if dtype.is_float():
        return [float("nan"), float("inf")]
    return ["?", ""] if dtype == pl.String else [None, None]


def _first_line(error: Exception) -> str:
    """Return what Polars says, without its plan and its notes."""
    return str(error).strip().splitlines()[0].partition("; valid columns")[0]
