"""Features of the period after the last one, made by the stages that made the rest."""

import dataclasses
from collections.abc import Sequence

import polars as pl

from pipeline.errors import ConfigError, nearest
from pipeline.plan.compose import compose
from pipeline.plan.settings import SOURCE, Stage


def step_of(periods: pl.Series) -> int:
    """Return the step from one period to the next: the least there is.

    It is 1 of years in a row, 5 of a panel of every fifth year, and 1 of a single one.
    """
    steps = periods.drop_nulls().unique().sort().diff().drop_nulls()
    return int(steps.cast(pl.Int64).min() or 1)  # pyright: ignore[reportArgumentType]


def extend(
    rows: pl.LazyFrame,
    *,
    time: str,
    entity: Sequence[str],
    known: Sequence[str],
    step: int,
) -> pl.LazyFrame:
    """Add a row in the period after the last one for every entity ever seen.

    Parameters
    ----------
    rows : pl.LazyFrame
        The panel, any number of rows per entity and period.
    time : str
        Integer period, such as the year.
    entity : sequence of str
        Columns that name the entity.
    known : sequence of str
        Columns that are known before their period: the entity's last values go on.
    step : int
        From one period to the next.

    Returns
    -------
    pl.LazyFrame
        The rows and, per entity, a copy of one of them dated last period + step. What
        else a copy holds is arbitrary: no feature of a period may use the period. In
        any order; empty if `rows` is.
    """
    in_order = rows.sort(time, *known) if known else rows
    dated = in_order.with_columns(_next(time, step))
    one = dated.unique(entity, keep="last" if known else "any")
    return pl.concat([rows, one])


def next_features(
    rows: pl.LazyFrame,
    stages: Sequence[Stage],
    *,
    panel: str,
    features: str,
    time: str,
    entity: Sequence[str],
    target: str,
    known: Sequence[str],
    step: int,
) -> pl.LazyFrame:
    """Make the features of the period after the last one, for every entity ever seen.

    The panel is extended by a row per entity in that period, and the stages after the
    panel make of it what they make of every other period.

    Parameters
    ----------
    rows : pl.LazyFrame
        The panel: the columns of snapshot `panel`.
    stages : sequence of Stage
        The pipeline, inputs before users; those up to the panel are not used.
    panel, features : str
        The snapshots to start at and to make.
    time : str
        Integer period in both, such as the year.
    entity : sequence of str
        Columns of both that name the entity.
    target : str
        Column of the features that is not known yet.
    known, step
        As of `extend`.

    Returns
    -------
    pl.LazyFrame
        The columns of `features` but the target, `time` being last period + step. At
        most a row per entity: those that the stages leave out, such as entities without
        a recent past, are not there. In any order.

    Raises
    ------
    ConfigError
        If no stage publishes `panel` or `features`, or if the features are made of
        something beside the panel.
    SchemaError
        If `rows` lacks a column.
    """
    extended = extend(rows, time=time, entity=entity, known=known, step=step)
    remaining = stages_between(stages, panel, features)
    made = compose(extended, remaining).snapshots[features].lf
    return made.join(rows.select(_next(time, step)), on=time, how="semi").drop(target)


def _next(time: str, step: int) -> pl.Expr:
    """Date a row by the period after the last one, in the dtype of the column."""
    return pl.col(time).max() + step


def stages_between(stages: Sequence[Stage], panel: str, features: str) -> list[Stage]:
    """Keep the stages that make the features of the panel, which is their source.

    Raises
    ------
    ConfigError
        As of `next_features`.
    """
    first, last = (published(stages, name).name for name in (panel, features))
    needed, kept = {last}, list[Stage]()
    for stage in reversed(stages):
        if stage.name not in needed or stage.name == first:
            continue
        if SOURCE in stage.inputs:
            raise ConfigError(
                f"stages: '{features}' is not made of snapshot '{panel}' alone\n"
                f"found: stage '{stage.name}', which reads the source beside it\n"
                f"expected: every stage before '{last}' to come after '{first}'\n"
                f"hint: publish a later stage as '{panel}', or give"
                f" '{stage.name}' other inputs in configs/pipeline.yaml"
            )
        needed |= set(stage.inputs)
        inputs = tuple(SOURCE if name == first else name for name in stage.inputs)
        kept.append(dataclasses.replace(stage, inputs=inputs))
    return kept[::-1]


def published(stages: Sequence[Stage], snapshot: str) -> Stage:
    """Find the stage that publishes a snapshot.

    Raises
    ------
    ConfigError
        If there is none; names the one that was probably meant.
    """
    found = {stage.snapshot: stage for stage in stages if stage.snapshot}
    if snapshot not in found:
        raise ConfigError(
            f"stages: no stage publishes '{snapshot}'{nearest(snapshot, found)}\n"
            f"found: {', '.join(found)}\n"
            "hint: name the snapshot of a stage so in configs/pipeline.yaml"
        )
    return found[snapshot]
