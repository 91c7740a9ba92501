"""Choose the fewest columns that, with time, name a row."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import polars as pl

from pipeline.errors import ConfigError, n_of, some
from pipeline.init.choice import (
    AT,
    TIME,
    Choice,
    Unsure,
    Wishes,
    a,
    is_named_id,
    listed,
    place,
)
from pipeline.init.look import Survey, is_few
from pipeline.panel.periods import Every

_MOST_KEYS, _MOST_CANDIDATES = 4, 8


_N_WHOLE_PERIODS = 20_000
"""Rows, about, of some whole periods: what is there twice in them need not be looked
for in all."""


_N_UNIQUE = 50
"""Rows of which each has another value in a column that numbers them."""

_ODD = 0x9E3779B97F4A7C15
"""By which a hash is multiplied before another is added."""

_AS_FEW = 1.1
"""Times the entities of the best choice: with more, another is no panel as good."""


def choose_entity(
    survey: Survey, rows: pl.DataFrame, time: str, wishes: Wishes
) -> tuple[list[str], Choice]:
    """Choose the fewest columns of names that, with time, make rows unique."""
    if wishes.entity:
        entity = list(wishes.entity)
        return entity, _held(survey, rows, time, entity, wishes.every)
    names = _candidates(survey, rows, time)
    unique = _unique(survey, rows, time, names)
    named = [name for name in names if _of_texts(survey, [name])]
    is_named = bool(named) and _is_unique(rows, named)
    if not unique and is_named:
        unique = [named]  # that no number is left to forecast is said of the target
    if not unique and wishes.every is not None and len(named) == 1:
        n = rows.select(folded(named)).to_series().n_unique()
        saw = f"{n:,} different, the only names"
        return named, Choice("entity", named[0], saw, "likely")
    if not unique:
        raise _no_entity(survey, rows, time, names)
    best, n = _fewest(survey, rows, unique)
    numbers_rows = not survey.wide and 2 * n > rows.height
    if numbers_rows and named and not is_named:
        raise _no_entity(survey, rows, time, names)
    if numbers_rows:
        raise _no_past(survey, rows, best)
    sure = "sure" if _of_texts(survey, best) else "likely"
    beside = f"with {time} " if time else ""
    saw = f"{n:,} different, {beside}no row is there twice"
    return best, Choice("entity", ", ".join(best), saw, sure)


def _fewest(
    survey: Survey, rows: pl.DataFrame, unique: Sequence[Sequence[str]]
) -> tuple[list[str], int]:
    """Choose what names the fewest entities: that comes again in each period.

    An Unsure where others name as few.
    """
    sizes = {tuple(f): rows.select(folded(f)).to_series().n_unique() for f in unique}
    best, *others = sorted(sizes, key=lambda f: (sizes[f], _rank(survey, f)))
    rivals = [other for other in others if sizes[other] <= _AS_FEW * sizes[best]]
    _require_one(survey, rows, best, rivals)
    return [*best], sizes[best]


def _no_past(survey: Survey, rows: pl.DataFrame, entity: Sequence[str]) -> ConfigError:
    """Say that an entity does not come again."""
    n = rows.select(folded(entity)).to_series().n_unique()
    return ConfigError(
        f"{place(survey)}: no past to learn from: {n:,} {listed(entity)} have"
        f" {rows.height:,} rows\n"
        "expected: several periods of each\n"
        "hint: --entity NAME,... says which columns name what comes again"
    )


def _require_one(
    survey: Survey,
    rows: pl.DataFrame,
    best: Sequence[str],
    rivals: Sequence[Sequence[str]],
) -> None:
    """Ask where others are as good, and name something else."""
    n = rows.select(folded(best)).to_series().n_unique()
    other_names = [
        rival
        for rival in rivals
        if _of_texts(survey, rival) >= _of_texts(survey, best)
        and rows.select(folded([*best, *rival])).to_series().n_unique() > n
    ]
    if other_names:
        found = (best, *other_names)
        raise Unsure(
            "entity",
            f"{place(survey)}: several columns make rows unique\n"
            f"found: {' or '.join(map(listed, found))}\n"
            "hint: --entity NAME,... says which columns name the entity",
            [",".join(names) for names in found],
        )


def folded(names: Sequence[str]) -> pl.Expr:
    """Make one number of several hashes; null where one is."""
    folded = pl.col(names[0])
    for name in names[1:]:
        folded = folded * _ODD + pl.col(name)
    return folded.alias("key")


def _candidates(survey: Survey, rows: pl.DataFrame, time: str) -> list[str]:
    """List columns that may name an entity: no numbers of rows, no parts of time."""
    names = [
        name
        for name in survey.names.columns
        if name != time
        and is_few(survey.columns[name].n_null, survey.n_rows)
        and (survey.wide or not _numbers_rows(survey.head[name]))
    ]
    sample = _whole_periods(rows)
    n_times = sample[TIME].n_unique()
    kept = [
        name
        for name in names
        if sample[name].n_unique() > 1
        and not (n_times > 1 and sample.select(TIME, name).n_unique() == n_times)
    ]
    kept.sort(key=lambda name: _rank(survey, [name]))
    return _one_of_each(rows, sample, kept)[:_MOST_CANDIDATES]


def _one_of_each(
    rows: pl.DataFrame, sample: pl.DataFrame, names: Sequence[str]
) -> list[str]:
    """Leave out names of what another one names, too, as codes beside their texts.

    The one stays that has the fewest values in all rows: others change over time.
    """
    sizes = {name: sample[name].n_unique() for name in names}
    groups: list[list[str]] = []
    for name in names:
        for group in (g for g in groups if sizes[g[0]] == sizes[name]):
            if sample.select(group[0], name).n_unique() == sizes[name]:
                group.append(name)
                break
        else:
            groups.append([name])
    return [
        group[0] if len(group) == 1 else min(group, key=lambda n: rows[n].n_unique())
        for group in groups
    ]


def _numbers_rows(values: pl.Series) -> bool:
    """Tell whether each of many rows has a value of its own."""
    values = values.drop_nulls()
    return values.len() >= _N_UNIQUE and not values.is_duplicated().any()


def _leaves_a_number(survey: Survey, time: str, names: Sequence[str]) -> bool:
    """Tell whether there is still something to forecast, if there ever was."""
    numbers = {s.name for s in survey.columns.values() if s.is_number and s.varies}
    return not numbers - {time} or bool(numbers - {time, *names})


def _rank(survey: Survey, names: Sequence[str]) -> tuple[int, float, int]:
    """Order columns by how likely they name an entity, the likeliest first."""
    order = list(survey.columns)
    odd = [
        0 if survey.columns[n].kind == "label" else 0.5 if is_named_id(n) else 1
        for n in names
    ]
    return len(names), sum(odd), sum(order.index(name) for name in names)


def _of_texts(survey: Survey, names: Sequence[str]) -> bool:
    return all(survey.columns[n].kind == "label" or is_named_id(n) for n in names)


def _whole_periods(rows: pl.DataFrame) -> pl.DataFrame:
    """Take all rows of some periods."""
    if rows.height <= 2 * _N_WHOLE_PERIODS:
        return rows
    sizes = rows.group_by(TIME).len().sort(pl.col(TIME).hash())
    some_times = sizes.filter(pl.col("len").cum_sum() <= _N_WHOLE_PERIODS)[TIME]
    chosen = some_times if some_times.len() > 1 else sizes[TIME].head(2)
    return rows.filter(pl.col(TIME).is_in(chosen.implode()))


def _unique(
    survey: Survey, rows: pl.DataFrame, time: str, names: Sequence[str]
) -> list[list[str]]:
    """List the smallest combinations of columns that, with time, make rows unique.

    Where there are numbers, one is left to be forecast.
    """
    sample = _whole_periods(rows)
    for size in range(1, min(_MOST_KEYS, len(names)) + 1):
        found = [
            list(some_names)
            for some_names in combinations(names, size)
            if _is_unique(sample, some_names)
            and (sample is rows or _is_unique(rows, some_names))
        ]
        if found:
            return [f for f in found if _leaves_a_number(survey, time, f)]
    return []


def _is_unique(rows: pl.DataFrame, names: Sequence[str]) -> bool:
    """Tell whether no two rows have the same entity and time."""
    keys = rows.select(_with_time(names)).to_series().drop_nulls()
    return keys.n_unique() == keys.len()


def _with_time(names: Sequence[str]) -> pl.Expr:
    """Make one number of an entity and its time."""
    return folded(names) * _ODD + pl.col(TIME).hash()


def _no_entity(
    survey: Survey, rows: pl.DataFrame, time: str, names: Sequence[str]
) -> ConfigError:
    """Say why there is no entity."""
    where = place(survey)
    if not survey.wide and rows[TIME].n_unique() == rows.height:
        return ConfigError(
            f"{where}: no entity: each {time} has one row, of a single series\n"
            f"found: {some(survey.columns)}\n"
            "expected: a column that names what is measured, even if all rows name the"
            f" same\nhint: {_of_events(survey, time)}add such a column to the file, and"
            " say --entity NAME"
        )
    if not names:
        return Unsure(
            "entity",
            f"{where}: no column names an entity\n"
            f"found: {some(f'{s.name} ({s.kind})' for s in survey.columns.values())}\n"
            "expected: text or whole numbers that come again in each period\n"
            "hint: --entity NAME,... says which columns",
            [],
        )
    named = [name for name in names if _of_texts(survey, [name])] or names
    most = list(named)[:_MOST_KEYS]
    if copies := _copies(survey, rows, most):
        return ConfigError(f"{where}: {copies}")
    return Unsure(
        "entity",
        f"{where}: no entity: two rows have the same"
        f" {listed([*([time] if time else []), *most])}\n"
        f"{_two_rows(survey, rows, most)}\n"
        "hint: --entity NAME,... says which columns name the entity; of events, a"
        " longer --every makes one row of several",
        [],
    )


def _of_events(survey: Survey, time: str) -> str:
    """Say how rows that are events become a panel, if a text comes again in them."""
    sizes = {
        name: survey.names[name].n_unique()
        for name in survey.names.columns
        if survey.columns[name].kind == "label"
    }
    again = [name for name, n in sizes.items() if 1 < n <= survey.n_rows / 2]
    every = {"datetime": "1d", "date": "1mo"}.get(survey.columns[time].kind)
    if not again or every is None:
        return ""
    return f"of events, --entity {again[0]} --every {every}; else "


def _copies(survey: Survey, rows: pl.DataFrame, names: Sequence[str]) -> str:
    """Say that rows are there twice, if no others are of one entity and time."""
    n_copies = rows.height - survey.cells.collect()[rows[AT]].n_unique()
    n_keys = rows.select(_with_time(names)).to_series().n_unique()
    if not n_copies or rows.height - n_keys != n_copies:
        return ""
    verb = "is" if n_copies == 1 else "are"
    return (
        f"{n_of(n_copies, 'row')} {verb} there twice, the same in all columns\n"
        f"{_two_rows(survey, rows, names)}\nhint: take the copies out of the file"
    )


def _two_rows(survey: Survey, rows: pl.DataFrame, names: Sequence[str]) -> str:
    """Show the first two rows of an entity and time."""
    keyed = rows.select(pl.col(AT).alias("at"), _with_time(names).alias("key"))
    keyed = keyed.drop_nulls()
    twice = keyed.filter(pl.col("key").is_duplicated())
    first = twice.filter(pl.col("key") == twice["key"][0])["at"].head(2)
    return "\n".join(f"found: {_shown(survey.row(at))}" for at in first)


def _shown(row: Mapping[str, Any]) -> str:
    """Write a row for an error."""
    return ", ".join(f"{name} {value}" for name, value in row.items())


def _held(
    survey: Survey,
    rows: pl.DataFrame,
    time: str,
    entity: Sequence[str],
    every: Every | None,
) -> Choice:
    """Hold an entity that somebody has named to the rows."""
    for name in entity:
        seen = survey.columns[name]
        if name == time or name not in survey.names:
            raise ConfigError(
                f"--entity {name}: is the time, or {a(seen.kind)}\n"
                "expected: columns of text or whole numbers"
            )
        if not is_few(seen.n_null, survey.n_rows):
            raise ConfigError(
                f"--entity {name}: {seen.n_null:,} of {survey.n_rows:,} rows have"
                " nothing there\nhint: mend the file, or name other columns"
            )
    n = rows.select(folded(entity)).to_series().n_unique()
    is_unique = _is_unique(rows, entity)
    if not is_unique and every is None:
        if copies := _copies(survey, rows, entity):
            raise ConfigError(f"{place(survey)}: {copies}")
        raise ConfigError(
            f"--entity {','.join(entity)}: two rows of one {time or 'name'}\n"
            f"{_two_rows(survey, rows, entity)}\n"
            "hint: name more columns; of events, --every makes one row of those of a"
            " period"
        )
    if not survey.wide and n == rows.height:
        raise ConfigError(
            f"--entity {','.join(entity)}: no past to learn from: {n:,} different in"
            f" {n:,} rows\nexpected: several periods of each"
        )
    saw = f"{n:,} different" + (", no row is there twice" if is_unique else "")
    return Choice("entity", ", ".join(entity), saw, "as you say")
