"""Cells that were set aside, of rows that a value might have been made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipeline.lineage.value import DIRECT
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Settings
from pipeline.sources.located import PLACE, locate_bad


def set_aside(
    settings: Settings,
    plan: Plan,
    bad: pl.DataFrame,
    stages: Sequence[str],
    key: Mapping[str, Any],
    rows: Mapping[str, pl.DataFrame],
) -> pl.DataFrame:
    """Keep the bad cells of rows that have a key, as far as their other cells tell.

    Or that of one of some rows of the sources; other sources are not looked at then.
    The names are columns of the stages; of one without a value only rows tell.
    """
    found: list[pl.DataFrame] = []
    for source, config in settings.sources.items():
        if rows and source not in rows:
            continue
        tests = [
            _holds(column, value, rows.get(source))
            for name, value in key.items()
            for column in _of_source(plan, stages, name, source)
            if value is not None or rows.get(source, pl.DataFrame()).height
        ]
        is_it = pl.all_horizontal(pl.lit(True), *tests)
        one = [next(iter(plan.schema(source)))]
        found.append(locate_bad(config, settings.root, is_it, one).select(PLACE))
    places = pl.concat(found).rename(dict(zip(PLACE, ("file", "line"), strict=True)))
    return bad.join(places, on=["file", "line"], how="semi", maintain_order="left")


def _holds(column: str, value: object, rows: pl.DataFrame | None) -> pl.Expr:
    """Test whether a column holds a value, or one of some rows', or cannot be read."""
    known = set[str]() if value is None else {str(value)}
    if rows is not None and column in rows.columns:
        known |= {*rows[column].cast(pl.String).drop_nulls()}
    cell, values = pl.col(column), pl.Series([*known], dtype=pl.String)
    return cell.is_null() | cell.cast(pl.String).is_in(values.implode())


def _of_source(
    plan: Plan, stages: Sequence[str], column: str, source: str
) -> list[str]:
    """Name the columns of a source whose values a column of stages holds."""
    found: set[tuple[str, str | None]] = {(stage, column) for stage in stages}
    for edge in reversed(plan.lineage().edges):
        if edge.kind == DIRECT[0] and (edge.stage, edge.column) in found:
            found.add((edge.input, edge.input_column))
    return [name for owner, name in found if owner == source and name is not None]
