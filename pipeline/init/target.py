"""Choose what is forecast, and what else has a past."""

from collections.abc import Sequence

import polars as pl

from pipeline.errors import ConfigError, some
from pipeline.init.choice import Choice, Unsure, a, is_named_id, place, tells
from pipeline.init.look import Seen, Survey

_NAMED_TARGET = ("target", "y", "value", "values")


def choose_target(
    survey: Survey, time: str, entity: Sequence[str], wish: str
) -> tuple[str, Choice]:
    """Choose what is forecast."""
    values = values_of(survey, time, entity, "")[0]
    if wish:
        seen = survey.columns[wish]
        if not seen.is_number or not seen.varies or wish in (time, *entity):
            why = (
                f"{a(seen.kind)}, expected a number"
                if not seen.is_number
                else "the time, or of the entity"
                if wish in (time, *entity)
                else f"{seen.low} in every row"
            )
            raise ConfigError(
                f"--target {wish}: {why}\n"
                f"found: numbers that vary are {some(values) or 'none'}"
            )
        return wish, Choice("target", wish, _span(seen), "as you say")
    if not values:
        raise ConfigError(
            f"{place(survey)}: no column can be a target\n"
            f"found: {some(f'{s.name} ({s.kind})' for s in survey.columns.values())}\n"
            "expected: numbers that vary, beside time and entity\n"
            "hint: --target NAME says which, 'columns.NAME=number' that it is a number"
        )
    named = [name for name in values if name.strip().lower() in _NAMED_TARGET]
    if len(values) > 1 and len(named) != 1:
        raise Unsure(
            "target",
            f"{place(survey)}: {len(values)} columns may be the target\n"
            f"found: {some(values)}\nhint: --target NAME says which is forecast",
            values,
        )
    target = named[0] if named else values[0]
    seen, is_only = survey.columns[target], len(values) == 1
    why = "the only number that varies" if is_only else "by its name"
    saw = f"{_span(seen)}, {why}"
    return target, Choice("target", target, saw, "sure" if is_only else "likely")


def _span(seen: Seen) -> str:
    """Write the least and the largest value."""
    ends = (seen.low, seen.high)
    low, high = (f"{end:.6g}" if isinstance(end, float) else str(end) for end in ends)
    return f"{low} to {high}"


def values_of(
    survey: Survey, time: str, entity: Sequence[str], target: str
) -> tuple[list[str], list[str]]:
    """List numbers that vary, the target first, and those that no entity varies in."""
    numbers = [
        seen.name
        for seen in survey.columns.values()
        if seen.is_number
        and seen.varies
        and seen.name not in (time, *entity, target)
        and not is_named_id(seen.name)
        and not _is_of_time(survey, time, seen.name)
    ]
    constants = [name for name in numbers if _is_constant(survey, entity, name)]
    first = [target] if target else []
    return [*first, *(n for n in numbers if n not in constants)], constants


def _is_of_time(survey: Survey, time: str, name: str) -> bool:
    """Tell whether whole numbers are part of the time, as a year of a date."""
    return name in survey.times and tells(survey.times, time, [name])


def _is_constant(survey: Survey, entity: Sequence[str], name: str) -> bool:
    """Tell whether a number is the same in all of an entity's first rows."""
    by_entity = survey.head.group_by(entity).agg(
        n_rows=pl.len(), n_values=pl.col(name).drop_nulls().n_unique()
    )
    again = by_entity.filter(pl.col("n_rows") > 1)
    return again.height > 0 and bool((again["n_values"] <= 1).all())
