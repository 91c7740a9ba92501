"""Other worlds: what comes of the source's rows if the future is another one."""

from collections.abc import Iterator, Sequence

import polars as pl
from polars.exceptions import PolarsError

from pipeline.errors import PipelineError
from pipeline.modeling.audit.ground import Ground
from pipeline.modeling.audit.leaks import World
from pipeline.modeling.horizon import extend, next_features
from pipeline.modeling.settings import Modeling
from pipeline.plan.compose import compose
from pipeline.sources.columns import Kind

# Every so many rows of a changed future are left out, and values of an entity column.
_EVERY = 5

_SEED = 2009

CUT_OFF = "future cut off"
"""What is done where even what is known before its period is not there."""


def real_world(ground: Ground) -> World:
    """Make the features of the rows as they are."""
    return collect_world(*_frames(ground, ground.rows.lazy()), ground.modeling)


def other_worlds(
    ground: Ground, times: Sequence[int]
) -> Iterator[tuple[str, Sequence[int], World]]:
    """Make the worlds in which no feature may differ.

    Parameters
    ----------
    ground : Ground
        The rows as they are.
    times : sequence of int
        The periods that have features.

    Yields
    ------
    tuple of (str, sequence of int, World)
        What is done to the rows; the periods at which to compare; what comes of it.
    """
    other = other_values(ground)
    for t in times:
        frames = changed_from(ground, other, t)
        yield "future changed", [t], collect_world(*frames, ground.modeling, t)
        yield CUT_OFF, [t], _forecast(ground, t)
    shuffled = ground.rows.sample(fraction=1, shuffle=True, seed=_SEED)
    after = collect_world(*_frames(ground, shuffled.lazy()), ground.modeling)
    yield "rows shuffled", times, after


def changed_from(
    ground: Ground, other: pl.DataFrame, t: int
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Take other rows from t on, without some of them; see `collect_world`."""
    past = ground.rows.lazy().filter(pl.col(ground.time) < t)
    future = _thin(other.filter(pl.col(ground.time) >= t), ground.entity, t)
    return _frames(ground, pl.concat([past, future.lazy()]))


def _forecast(ground: Ground, t: int) -> World:
    """Take the rows before t only, and make the features at t of them.

    A forecast is of the period after the last one, so that after a gap there are none.
    """
    past = ground.rows.lazy().filter(pl.col(ground.time) < t)
    modeling, step = ground.modeling, ground.step
    _, rows = _frames(ground, past)
    features = next_features(
        rows,
        ground.stages,
        panel=modeling.panel,
        features=modeling.features,
        time=modeling.time,
        entity=modeling.entity,
        target=modeling.target,
        known=ground.known,
        step=step,
    )
    extended = extend(
        rows,
        time=modeling.time,
        entity=modeling.entity,
        known=ground.known,
        step=step,
    )
    return collect_world(features, extended, modeling, t)


def other_values(ground: Ground) -> pl.DataFrame:
    """Give columns that are not known before other rows' values, and larger amounts."""

    def other(name: str, kind: Kind, seed: int) -> pl.Expr:
        values = pl.col(name).shuffle(seed=seed)
        # Larger, lest their sums stay as they are.
        return values * 7 + 1 if kind in ("count", "money", "number") else values

    return ground.rows.with_columns(
        other(name, kind, _SEED + i)
        for i, (name, kind) in enumerate(ground.kinds.items())
        if name not in (ground.time, *ground.entity, *ground.fixed)
    )


def _thin(rows: pl.DataFrame, entity: Sequence[str], t: int) -> pl.DataFrame:
    """Leave out some rows, and all rows of some values of each entity column.

    Which values depends on t, so that every one is left out at some t.
    """
    is_out = pl.int_range(pl.len()).shuffle(seed=_SEED + t) % _EVERY == 0
    for name in entity:
        values = rows[name].unique().sort().shuffle(seed=_SEED)
        # All but the first, so that an only one stays.
        out = values[1:].gather_every(_EVERY, offset=t % _EVERY)
        is_out |= pl.col(name).is_in(out.implode())
    return rows.filter(~is_out)


def collect_world(
    features: pl.LazyFrame, rows: pl.LazyFrame, panel: Modeling, t: int | None = None
) -> World:
    """Collect features and the panel's keys, at t or at all times.

    Raises
    ------
    PipelineError
        If the stages fail on these rows.
    """
    if t is not None:
        is_t = pl.col(panel.time) == t
        features, rows = features.filter(is_t), rows.filter(is_t)
    keys = rows.select(*panel.entity, panel.time).unique()
    try:
        # NOTE: With frames in memory, it takes a fifth less CPU time than streaming.
        return World(*pl.collect_all([features, keys], engine="in-memory"))
    except PolarsError as error:
        at = "all rows" if t is None else f"{panel.time} {t}"
        raise PipelineError(
            f"audit: the stages failed on {at}\nfound: {error}\n"
            "hint: `just run` says whether they do on the rows as they are"
        ) from error


def _frames(ground: Ground, rows: pl.LazyFrame) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Make the features of the rows, and the panel on the way, if they are not it."""
    snapshots = compose(rows, ground.stages).snapshots
    panel = snapshots.get(ground.modeling.panel)
    return snapshots[ground.modeling.features].lf, panel.lf if panel else rows
