"""A panel, chosen from what the data show."""

from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from pipeline.errors import ConfigError, nearest, some
from pipeline.init.choice import AT, TIME, Choice, Unsure, Wishes, place
from pipeline.init.entity import choose_entity, folded
from pipeline.init.look import Survey
from pipeline.init.target import choose_target, values_of
from pipeline.init.time import choose_every, choose_time, is_on_grid
from pipeline.init.wide import Wide
from pipeline.panel.periods import Every, label, number

FEWEST_PERIODS = 6
"""One has no past, three are learned from, one calibrates and one judges."""


_BY_ROW = 0.1
"""Of the periods, those missing: with more, as of weekends, lags go by rows."""

MOST_LISTED = 10
"""Missing periods that are named one by one."""

_SLIVER = 0.01
"""Of the rows of the median period: a run refuses a first or last one with fewer."""


@dataclass(frozen=True)
class Panel:
    """A panel, by the names that its columns have in the files."""

    time: str
    every: Every
    entity: list[str]
    target: str
    values: list[str]
    """Numbers whose past may help, the target first."""
    constants: list[str]
    """Numbers that are the same in all periods of an entity."""
    n_entities: int
    n_periods: int
    n_rows: int
    """Of entities and periods."""
    n_absent: int
    """Periods that others have and an entity lacks, from its first to its last."""
    n_short: int
    """Entities of a single period."""
    n_missing: int
    """Periods, from the first to the last, that no entity has."""
    missing: list[Any]
    """These, if they are few."""
    sparse: list[Any]
    """The first and last period, if they have next to no rows."""
    is_on_grid: bool
    """Whether each time is the first of its period, as far as stages want it."""
    is_resampled: bool
    """Whether several rows become one."""
    choices: list[Choice]

    @property
    def is_by_row(self) -> bool:
        """Whether so many periods are missing that the past is counted in rows."""
        return self.n_missing > _BY_ROW * self.n_periods


def choose(survey: Survey, wishes: Wishes) -> Panel:
    """Choose what makes a panel of the rows.

    An Unsure where several do, a ConfigError where none does.
    """
    if survey.wide:
        time, entity, target, keyed, of = _of_wide(survey, wishes)
        values, constants = [target], list[str]()
    else:
        time, entity, target, keyed, of = _of_long(survey, wishes)
        values, constants = values_of(survey, time, entity, target)
    every, of_every = choose_every(keyed, time, wishes.every)
    dtype = keyed.schema[TIME]
    numbered = keyed.with_columns(number(TIME, every, dtype).cast(pl.Int64).alias("n"))
    sizes = numbered.group_by("n").len().sort("n")
    at = pl.col("n").rank("dense").cast(pl.Int64)
    spans = (
        numbered.with_columns(at.alias("at"))
        .group_by("key")
        .agg(pl.col("n").n_unique(), pl.col("at").max() - pl.col("at").min() + 1)
    )
    _require_history(spans, sizes.height, survey)
    is_resampled = spans["n"].sum() < keyed.height  # each period gets a row then
    if is_resampled:
        of_sum = f", the {survey.number(target).figure} of several rows"
        of[2] = replace(of[2], saw=of[2].saw + of_sum)
    first, last = sizes["n"][0], sizes["n"][-1]
    n_missing = 0 if is_resampled else last - first + 1 - sizes.height
    return Panel(
        time=time,
        every=every,
        entity=entity,
        target=target,
        values=values,
        constants=constants,
        n_entities=spans.height,
        n_periods=last - first + 1 if is_resampled else sizes.height,
        n_rows=int(spans["n"].sum()),
        n_absent=0 if is_resampled else int((spans["at"] - spans["n"]).sum()),
        n_short=int((spans["n"] == 1).sum()),
        n_missing=n_missing,
        missing=_labels(_absent(sizes["n"]), every, dtype)
        if n_missing <= MOST_LISTED
        else [],
        sparse=_labels(_slivers(sizes), every, dtype),
        is_on_grid=is_on_grid(keyed[TIME], every),
        is_resampled=is_resampled,
        choices=[*of[:2], of_every, *of[2:]],
    )


def _absent(numbers: pl.Series) -> list[int]:
    """List the numbers that are not there, from the first to the last."""
    return sorted({*range(numbers[0], numbers[-1] + 1)} - {*numbers})


def _slivers(sizes: pl.DataFrame) -> list[int]:
    """List the first and the last period, if they have next to no rows."""
    usual = float(str(sizes["len"].median()))
    ends = sizes[[0, -1]].unique(maintain_order=True)
    return ends.filter(pl.col("len") < _SLIVER * usual)["n"].to_list()


def _require_history(spans: pl.DataFrame, n_periods: int, survey: Survey) -> None:
    """Refuse what is too short to learn from."""
    n = spans.height
    if (spans["n"] == 1).all():
        raise ConfigError(
            f"{place(survey)}: no past to learn from\n"
            f"found: one period of each of {n:,} entities\n"
            "expected: several\nhint: --entity says what comes again, --every a shorter"
            " period"
        )
    if n_periods < FEWEST_PERIODS:
        raise ConfigError(
            f"{place(survey)}: a history too short to learn from\n"
            f"found: {n_periods} periods\nexpected: {FEWEST_PERIODS} or more, of which"
            " the last ones judge what is learned from the first"
        )


def _labels(numbers: list[int], every: Every, dtype: pl.DataType) -> list[Any]:
    """Give the first times of periods."""
    times = label(pl.col("n"), every, dtype)
    return (
        pl.DataFrame({"n": numbers}, {"n": pl.Int64})
        .select(times)
        .to_series()
        .to_list()
    )


def _of_long(
    survey: Survey, wishes: Wishes
) -> tuple[str, list[str], str, pl.DataFrame, list[Choice]]:
    """Choose of a table with a row per entity and time."""
    _require_columns(survey, wishes)
    time, of_time = choose_time(survey, wishes.time)
    times = survey.times.select(pl.col(time).alias(TIME))
    rows = times.hstack(survey.names.get_columns()).with_row_index(AT)
    rows = rows.drop_nulls(TIME)
    entity, of_entity = choose_entity(survey, rows, time, wishes)
    target, of_target = choose_target(survey, time, entity, wishes.target)
    if survey.columns[target].n_null:
        rows = rows.filter(survey.has(target).gather(rows[AT]))
    keyed = rows.select(TIME, folded(entity)).drop_nulls()
    return time, entity, target, keyed, [of_time, of_entity, of_target]


def _of_wide(
    survey: Survey, wishes: Wishes
) -> tuple[str, list[str], str, pl.DataFrame, list[Choice]]:
    """Choose of a table with a row per entity and a column per period."""
    wide = _one_of(survey, wishes.target)
    target = wishes.target or wide.value or "value"
    time = wishes.time or wide.time
    names = survey.names.with_row_index(AT).with_columns(pl.lit(0).alias(TIME))
    _require_columns(survey, Wishes(entity=wishes.entity))
    entity, of_entity = choose_entity(survey, names, "", wishes)
    times = pl.Series([*wide.times.values()])
    keyed = (
        survey.there.select([*wide.times])
        .with_columns(names.select(folded(entity)).to_series())
        .unpivot(index="key")
        .filter("value")
        .drop_nulls()
        .select(
            pl.col("variable").replace_strict([*wide.times], times).alias(TIME), "key"
        )
    )
    first, *_, last = wide.times
    said = f"{len(wide.times)} columns are named for periods, {first!r} to {last!r}"
    of_time = Choice("time", time, said, "as you say" if wishes.time else "sure")
    sure = "as you say" if wishes.target else "sure" if wide.value else "likely"
    of_target = Choice("target", target, "what these columns hold", sure)
    return time, entity, target, keyed, [of_time, of_entity, of_target]


def _one_of(survey: Survey, target: str) -> Wide:
    """Choose the columns of one value."""
    values = [wide.value for wide in survey.wide]
    if len(values) == 1:
        return survey.wide[0]
    if target in values:
        return survey.wide[values.index(target)]
    raise Unsure(
        "target",
        f"{place(survey)}: columns of {len(values)} values are named for periods\n"
        + "\n".join(
            f"found: {wide.value or 'no name'}, as {next(iter(wide.times))!r}"
            for wide in survey.wide
        )
        + "\nhint: --target NAME says which is forecast; the others are left out",
        [value for value in values if value],
    )


def _require_columns(survey: Survey, wishes: Wishes) -> None:
    """Refuse names that are no columns."""
    named = [("--time", wishes.time), ("--target", wishes.target)]
    named += [("--entity", name) for name in wishes.entity]
    for option, name in named:
        if name and name not in survey.columns:
            why = survey.left_out.get(name)
            raise ConfigError(
                f"{option} {name}: "
                + (f"cannot be read: {why}" if why else "no such column")
                + f"{nearest(name, survey.columns)}\nfound: {some(survey.columns)}"
            )
