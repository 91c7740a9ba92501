"""Other worlds: what comes of the source's rows if the future is another one.

Of two worlds, it is said which features differ.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import PipelineError, some
from pipeline.lineage.graph import SOURCE, Lineage, origins
from pipeline.modeling.data import read_others, read_rows
from pipeline.modeling.horizon import Horizon, horizon_of
from pipeline.modeling.settings import ModelingSettings
from pipeline.panel.keys import WORKING
from pipeline.panel.periods import Time, later, written
from pipeline.plan.compose import compose, compose_again
from pipeline.plan.plan import Plan
from pipeline.run.run import check
from pipeline.sources.cells import NUMERIC
from pipeline.sources.columns import Declared, column_of

# Every so many rows of a changed future are left out, and values of an entity column.
_EVERY = 5

_SEED = 2009

CUT_OFF = "future cut off"
"""What is done where even what is known before its period is not there."""

RENAMED = "entities renamed"
"""What is done where a table in the code, by entity, no longer fits."""

ROWS = "rows"
"""What leaks where it depends on the future if an entity has features at all."""

_ROUNDING = 1e-12
"""What rounding may make of a column, as a part of its largest value: `cum_sum - y` has
other last digits where `y` is another, and knows nothing of it."""

_ROW = f"{WORKING}row"
_AFTER = f"{WORKING}after"


@dataclass(frozen=True)
class Leak:
    """A feature that differs where it must not."""

    column: str
    """The feature, or `ROWS`."""
    check: str
    """What was done that should have changed nothing."""
    times: tuple[int | str, ...]
    """The periods of the values that differ, sorted; see `written`."""
    n_values: int
    """How many of them do; of `ROWS`, how many rows come or go."""
    example: str
    """The first of them: key, value before and value after."""


class World(NamedTuple):
    """The features that some raw rows lead to, and the keys of the panel's rows."""

    features: pl.DataFrame
    keys: pl.DataFrame


@dataclass(frozen=True)
class Ground:
    """What all worlds are made of: rows of the source, or the first that have a time.

    The times of a wide table are names of columns, so that there `unpivot` makes them.
    """

    rows: pl.DataFrame
    kinds: Mapping[str, Declared]
    at: str
    """Whose rows they are: the source, or a stage."""
    plan: Plan
    """Makes the panel and the features of such rows."""
    rest: list[Plan]
    """Make the features of the panel's, at each step."""
    horizon: Horizon
    time: str
    entity: list[str]
    """The names of time and entity in the rows, where the horizon has the panel's. The
    time may be a moment that the panel has the period of."""
    fixed: set[str]
    """Columns of the rows that what is known before its period is made of."""
    unseen: list[str]
    """Columns that are made before the rows, which may mix periods: no world tells."""
    step: int = 1
    """How many periods ahead the features are of, that `plan` makes."""

    def ahead(self, step: int) -> "Ground":
        """Make the features of rows so many periods ahead."""
        after, nodes = self.rest[step - 1].nodes, self.plan.nodes
        stages = [
            replace(after[name].stage, inputs=node.stage.inputs)
            if name in after
            else node.stage
            for name, node in nodes.items()
        ]
        plan = compose(self.plan.source, stages, self.plan.others)
        return replace(self, plan=plan, step=step)

    def first_unknown(self, t: Time) -> Time:
        """Return the first period that the features of a period must not know."""
        return later(t, 1 - self.step, self.horizon.every)

    def all_features(self) -> pl.DataFrame:
        """Make the features of all steps."""
        _, panel = _frames(self, self.rows.lazy())
        return self.horizon.known_features(panel, self.rest)


def ground_of(settings: ModelingSettings, source: pl.DataFrame | None = None) -> Ground:
    """Stand on the first rows, on the way to the panel, that say time and entity.

    Those of other sources are the same in all worlds. The source is read unless its
    rows are given.
    """
    pipeline, modeling = settings.pipeline, settings.modeling
    plan = check(pipeline)
    panel = plan.snapshots[modeling.panel].stage.name
    plan = compose_again(plan, plan.source, read_others(pipeline))
    source = read_rows(pipeline) if source is None else source
    lineage = plan.lineage()
    horizon = horizon_of(modeling, plan.schema(panel).names())
    rest = horizon.rest(plan.lf(panel), pipeline.stages, plan.others)
    for at in (SOURCE, *plan.upstream([panel])):
        made_of = origins(lineage, at)
        names = [modeling.time, *modeling.entity]
        match [made_of.get((panel, name), []) for name in names]:
            case [[((of, time), kind)], *entity] if of == at and all(
                len(found) == 1 and found[0][1] == "identity" and found[0][0][0] == at
                for found in entity
            ):
                pass
            case _:
                continue
        is_source = at == SOURCE
        made = plan if is_source else compose_again(plan, source.lazy(), {})
        ground = Ground(
            rows=source if is_source else made.lf(at).collect(),
            kinds=pipeline.source.columns if is_source else _kinds(plan.schema(at)),
            at=at,
            plan=plan,
            rest=rest,
            horizon=horizon,
            time=time,
            entity=[found[0][0].column for found in entity],
            fixed={
                name
                for c in horizon.known
                for (of, name), _ in made_of[panel, c]
                if of == at
            },
            unseen=_unseen(plan, lineage, at),
        )
        if kind == "identity" or _cuts_alike(ground):
            return ground
    raise AssertionError("the panel's rows say their time and entity")


def _kinds(schema: pl.Schema) -> dict[str, Declared]:
    """Tell amounts from codes, which have 32 bits."""
    codes = (pl.Int32(), pl.Boolean())
    return {
        name: "number" if dtype.is_numeric() and dtype not in codes else "code"
        for name, dtype in schema.items()
    }


def _unseen(plan: Plan, lineage: Lineage, at: str) -> list[str]:
    """Name what is made of the source's columns before the rows that are altered."""
    if at == SOURCE:
        return []
    made_of = origins(lineage)
    given = plan.nodes[at].stage.inputs
    columns = [
        column
        for name in given
        for column in lineage.columns_of(name)
        if [kind for _, kind in made_of[name, column]] != ["identity"]
    ]
    some_rows = any(
        kind != "sort" for name in given for _, kind in made_of.get((name, None), [])
    )
    return [*dict.fromkeys(columns), *([ROWS] if some_rows else [])]


def _cuts_alike(ground: Ground) -> bool:
    """Tell whether the rows before a period make the panel before it, and no more."""
    time = ground.horizon.time
    panel = _frames(ground, ground.rows.lazy())[1].select(time).collect()[time]
    if panel.dtype != ground.rows.schema[ground.time] or panel.is_empty():
        return False
    middle = panel.unique().sort()[panel.n_unique() // 2]
    is_before = pl.col(ground.time) < middle
    wrong = [
        _frames(ground, ground.rows.lazy().filter(side))[1].filter(other)
        for side, other in (
            (is_before, pl.col(time) >= middle),
            (~is_before, pl.col(time) < middle),
        )
    ]
    return all(df.is_empty() for df in pl.collect_all(wrong))


def real_world(ground: Ground) -> World:
    """Make the features of the rows as they are."""
    return _world(ground, *_frames(ground, ground.rows.lazy()))


def other_worlds(
    ground: Ground, times: Sequence[Time]
) -> Iterator[tuple[str, Sequence[Time], World]]:
    """Make the worlds in which no feature may differ.

    Yields what is done to the rows, the periods at which to compare, what comes of it.
    """
    other, horizon = _other_values(ground), ground.horizon
    for i, t in enumerate(times):
        yield "future changed", [t], _changed_from(ground, other, t, i)
        # A forecast is of so many periods after the last one, so that after a gap there
        # are none.
        _, panel = _frames(ground, _before(ground, ground.first_unknown(t)))
        rest, step = ground.rest[ground.step - 1], ground.step
        features = horizon.features_ahead(panel, rest, step)
        extended = horizon.extend(panel, step)
        yield CUT_OFF, [t], _world(ground, features, extended, t)
    shuffled = ground.rows.sample(fraction=1, shuffle=True, seed=_SEED)
    after = _world(ground, *_frames(ground, shuffled.lazy()))
    yield "rows shuffled", times, after
    renamed = ground.rows.lazy().with_columns(_renamed(ground.rows, ground.entity))
    others = _others_renamed(ground)
    made = _world(ground, *_frames(ground, renamed, others))
    yield RENAMED, times, World(*(_named_back(df, horizon.entity) for df in made))


def _renamed(rows: pl.DataFrame, entity: Sequence[str]) -> list[pl.Expr]:
    """Give entities other names, in the same order."""
    return [
        pl.col(name) + 1
        if rows.schema[name].is_numeric()
        else pl.format("~{}", name).alias(name)
        for name in entity
    ]


def _others_renamed(ground: Ground) -> dict[str, pl.LazyFrame]:
    """Give entities the same other names in other sources.

    Of those, in the columns that come into a stage beside other rows, at most renamed,
    under the name of an entity's column, as the keys of a join do.
    """
    made_of = origins(ground.plan.lineage())
    named: dict[str, set[str]] = {}
    for node in ground.plan.nodes.values():
        for given, name in product(node.stage.inputs, ground.horizon.entity):
            match made_of.get((given, name)):
                case [((source, column), "identity")] if source in ground.plan.others:
                    named.setdefault(source, set()).add(column)
                case _:
                    pass
    tables = {source: ground.plan.others[source].collect() for source in named}
    return {
        source: rows.with_columns(_renamed(rows, sorted(named[source]))).lazy()
        for source, rows in tables.items()
    }


def _named_back(df: pl.DataFrame, entity: Sequence[str]) -> pl.DataFrame:
    """Undo `_renamed`."""
    return df.with_columns(
        pl.col(name) - 1
        if df.schema[name].is_numeric()
        else pl.col(name).str.strip_prefix("~")
        for name in entity
    )


def _other_values(ground: Ground) -> pl.DataFrame:
    """Give columns that are not known before other rows' values, and larger amounts."""

    def other(name: str, declared: Declared, seed: int) -> pl.Expr:
        values = pl.col(name).shuffle(seed=seed)
        # Larger, lest their sums stay as they are.
        return values * 7 + 1 if column_of(declared).kind in NUMERIC else values

    return ground.rows.with_columns(
        other(name, kind, _SEED + i)
        for i, (name, kind) in enumerate(ground.kinds.items())
        if name not in (ground.time, *ground.entity, *ground.fixed)
    )


def other_data(ground: Ground) -> World:
    """Make a world of nothing but other values, at the same times."""
    rows = _thin(_other_values(ground), ground.entity, 0)
    return _world(ground, *_frames(ground, rows.lazy()))


def _changed_from(ground: Ground, other: pl.DataFrame, t: Time, i: int) -> World:
    """Make t where rows are others, or absent, from the first that it must not know."""
    first = ground.first_unknown(t)
    future = _thin(other.filter(pl.col(ground.time) >= first), ground.entity, i)
    rows = pl.concat([_before(ground, first), future.lazy()])
    return _world(ground, *_frames(ground, rows), t)


def _before(ground: Ground, t: Time) -> pl.LazyFrame:
    """Take the rows before t."""
    return ground.rows.lazy().filter(pl.col(ground.time) < t)


def _thin(rows: pl.DataFrame, entity: Sequence[str], i: int) -> pl.DataFrame:
    """Leave out some rows, and all rows of some values of each entity column.

    Which values depends on `i`, so that every one is left out at some time.
    """
    is_out = pl.int_range(pl.len()).shuffle(seed=_SEED + i) % _EVERY == 0
    for name in entity:
        values = rows[name].unique().sort().shuffle(seed=_SEED)
        # All but the first, so that an only one stays.
        out = values[1:].gather_every(_EVERY, offset=i % _EVERY)
        is_out |= pl.col(name).is_in(out.implode())
    return rows.filter(~is_out)


def _frames(
    ground: Ground,
    rows: pl.LazyFrame,
    others: Mapping[str, pl.LazyFrame] | None = None,
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Make the features of the rows, and the panel on the way."""
    is_source, leaves = ground.at == SOURCE, dict(others or {})
    source = rows if is_source else ground.plan.source
    leaves |= {} if is_source else {ground.at: rows}
    snapshots = compose_again(ground.plan, source, leaves).snapshots
    horizon = ground.horizon
    return snapshots[horizon.features].lf, snapshots[horizon.panel].lf


def _world(
    ground: Ground, features: pl.LazyFrame, panel: pl.LazyFrame, t: Time | None = None
) -> World:
    """Collect features and the panel's keys, at t or at all times.

    Beside t, there are the keys of the period before.
    """
    time = ground.horizon.time
    if t is not None:
        at = pl.col(time)
        features = features.filter(at == t)
        panel = panel.filter(at.is_between(at.filter(at < t).max().fill_null(t), t))
    keys = panel.select(*ground.horizon.entity, time).unique()
    try:
        # NOTE: With frames in memory, it takes a fifth less CPU time than streaming.
        return World(*pl.collect_all([features, keys], engine="in-memory"))
    except PolarsError as error:
        at = "all rows" if t is None else f"{time} {t}"
        raise PipelineError(
            f"audit: the stages failed on {at}\nfound: {error}\n"
            "hint: `just run` says whether they do on the rows as they are"
        ) from error


def differences(
    before: World, after: World, columns: Sequence[str], *, time: str, check: str
) -> tuple[list[Leak], int]:
    """Compare the features of the keys that are in the panel of both worlds.

    Two nulls are equal, and two NaN, and floats that differ by rounding. Gives a leak
    per column that differs; then one of `ROWS` if a key has features in one of the
    worlds only; and how many pairs were compared. `check` is what makes the difference
    between the worlds.
    """
    key = before.keys.columns
    left, right = (
        of.features.join(other.keys, on=key, how="semi").select(
            *key, *columns, pl.lit("there").alias(_ROW)
        )
        for of, other in ((before, after), (after, before))
    )
    joined = left.join(right, on=key, how="full", coalesce=True, suffix=_AFTER)
    in_both = pl.col(_ROW).is_not_null() & pl.col(_ROW + _AFTER).is_not_null()
    differs = {
        column: in_both & _differs(column, joined.schema[column]) for column in columns
    } | {_ROW: ~in_both}
    counts = joined.select(is_other.sum().alias(c) for c, is_other in differs.items())
    leaks = [
        _leak(joined.filter(is_other), key, time, column, check)
        for column, is_other in differs.items()
        if counts[column].item()
    ]
    return leaks, (joined.height - counts[_ROW].item()) * len(columns)


def rows_decided_later(
    before: World, after: World, t: Time, *, time: str, check: str
) -> list[Leak]:
    """Compare the panel's rows of the period before t, which t may not decide."""
    at = pl.col(time)
    last = after.keys.filter(at < t)[time].max()
    left, right = (
        of.keys.filter(at == pl.lit(last)).with_columns(pl.lit("there").alias(_ROW))
        for of in (before, after)
    )
    if left.is_empty():  # what is cut off after a gap goes on in it
        return []
    key = [name for name in left.columns if name != _ROW]
    joined = left.join(right, on=key, how="full", coalesce=True, suffix=_AFTER)
    rows = joined.filter(pl.col(_ROW).ne_missing(pl.col(_ROW + _AFTER)))
    return [] if rows.is_empty() else [_leak(rows, key, time, _ROW, check)]


def _differs(column: str, dtype: pl.DataType) -> pl.Expr:
    """Tell where a column has another value than by rounding."""
    before, after = pl.col(column), pl.col(column + _AFTER)
    is_other = before.ne_missing(after)
    if not dtype.is_float():
        return is_other
    largest = pl.max_horizontal(
        pl.when(side.is_finite()).then(side.abs()).max() for side in (before, after)
    )
    is_near = (before - after).abs() <= _ROUNDING * largest
    return is_other & ~is_near.fill_null(value=False)


def _leak(
    rows: pl.DataFrame, key: list[str], time: str, column: str, check: str
) -> Leak:
    """Make a leak of the rows in which a column differs."""
    times = rows[time].unique().sort().to_list()
    *values, before, after = (
        rows.sort(time, *key).select(*key, column, column + _AFTER).row(0)
    )
    at = ", ".join(f"{name}={value}" for name, value in zip(key, values, strict=True))
    if column == _ROW:
        before, after = (value or "absent" for value in (before, after))
    name = ROWS if column == _ROW else column
    return Leak(
        name,
        check,
        tuple(map(written, times)),
        rows.height,
        f"{at}: {before} -> {after}",
    )


def describe_leaks(leaks: Iterable[Leak]) -> dict[str, str]:
    """Write a line per leaking column, in the order in which they first come."""
    by_column: dict[str, list[Leak]] = {}
    for leak in leaks:
        by_column.setdefault(leak.column, []).append(leak)
    lines: dict[str, str] = {}
    for column, found in by_column.items():
        times = describe_span({time for leak in found for time in leak.times})
        checks = ", ".join(dict.fromkeys(leak.check for leak in found))
        n_values = sum(leak.n_values for leak in found)
        noun = "rows come or go" if column == ROWS else "values differ"
        lines[column] = (
            f"{column}: {times}: {n_values:,} {noun} ({checks}); {found[0].example}"
        )
    return lines


def describe_span(times: Iterable[int | str]) -> str:
    """Write periods, in any order: numbers as ``2010-2012, 2014``, dates one by one."""
    ordered = sorted(set(times))  # pyright: ignore[reportArgumentType] # of one type
    ranges: list[list[int | str]] = []
    for time in ordered:
        if ranges and isinstance(time, int) and time - 1 == ranges[-1][-1]:
            ranges[-1] = [ranges[-1][0], time]
        else:
            ranges.append([time])
    return some("-".join(map(str, ends)) for ends in ranges)
