"""Prove on the data at hand that no feature knows its own period or a later one.

A feature leaks if it could not have been computed when the forecast is made [1]_. So
the future is changed, and cut off, and no feature may move; nor where entities have
other names, as those of a table in the code have not.

Then, in each period, all raw rows of an entity are given to another one, at random. No
entity's past says anything about its next outcome now, and a model that predicts it all
the same has been told by a feature of the same period: a permutation test [2]_ of the
whole way from raw rows to predictions. What tells is the rank correlation of prediction
and outcome. A model of the change since the past starts from another entity's past,
which is noise, and noise in a few large rows hides a leak from R2: one that is the
target itself left an R2 of 0.32, and a rank correlation of 0.995.

References
----------
.. [1] Kaufman et al., "Leakage in Data Mining: Formulation, Detection, and Avoidance",
   ACM TKDD 6(4), 2012.
.. [2] Ojala and Garriga, "Permutation Tests for Studying Classifier Performance", JMLR
   11, 2010.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from pipeline.errors import SourceError
from pipeline.lineage.graph import origins
from pipeline.modeling.audit.worlds import (
    CUT_OFF,
    Ground,
    Leak,
    World,
    describe_leaks,
    describe_span,
    differences,
    ground_of,
    other_data,
    other_worlds,
    real_world,
    rows_decided_later,
)
from pipeline.modeling.data import parts
from pipeline.modeling.predictor import features_of, fit_model, target_of
from pipeline.modeling.settings import Modeling, ModelingSettings
from pipeline.panel.periods import Time, written
from pipeline.plan.known import Why, trace_known
from pipeline.plan.plan import Plan
from pipeline.progress import numbered

MOST_PERIODS = 40
"""That are looked at; of more, as of hours, every so many."""

UNSEEN = "made before the rows have a period; what is mixed there is not looked at"
"""Why no audit proves what is made of a table's columns for periods."""

N_DEVIATIONS = 4
"""Chance leaves a rank correlation of 0, with a deviation of 1 / sqrt(n_rows - 1)."""


@dataclass(frozen=True)
class Audit:
    """What was found, and how much was looked at."""

    leaks: list[Leak]
    """By period, check and column; empty if all is well."""
    features: list[str]
    times: list[int | str]
    """The periods the features were compared at, sorted."""
    n_values: int
    """The pairs of values that were compared."""
    of_names: list[str]
    """Features that no data move: of a calendar, or of a table in the code."""
    part: float
    """Of the rows, those that were looked at."""
    unseen: list[str] = field(default_factory=list[str])
    """What is made before the rows have a period, where no future can be changed."""


def audit(
    settings: ModelingSettings,
    source: pl.DataFrame | None = None,
    *,
    most_rows: int | None = None,
) -> Audit:
    """Change the future, cut it off, shuffle and rename: no feature may differ.

    For every period t that has features, of many `MOST_PERIODS`, two other worlds are
    made. In one, the raw rows from t on have other values in all columns but time,
    entity and what is known before its period, and some are left out, all those of some
    entities' parts among them. In the other there are only the rows before t, and the
    features at t are made as for a forecast. In both, the features at t of every entity
    that is still there must be the same bit for bit, and the rows of the panel's period
    before. Two last worlds have the rows in another order, and the entities under other
    names, and must have all features. The target is not compared: it is of its own
    period.

    Of more than `most_rows` rows, some clusters are looked at. The rows are the
    source's, or of the first stage where they have a period. The source is read, and
    made or fetched if it is not there, unless its rows are given; snapshots are neither
    read nor written, and every run finds the same.
    """
    modeling = settings.modeling
    ground, part = _some_clusters(ground_of(settings, source), modeling, most_rows)
    world = real_world(ground)
    times, present = (df[modeling.time].unique().sort().to_list() for df in world)
    if not times or len(present) < 2:
        raise SourceError(
            f"audit: snapshot '{modeling.features}' has no row that knows a past\n"
            f"found: '{modeling.panel}' with {modeling.time}"
            f" {describe_span(map(written, present)) or 'of no row'}\n"
            f"expected: two consecutive values of {modeling.time} or more\n"
            "hint: audit a source of several periods"
        )
    columns = features_of(world.features, modeling)
    named = _made_of_named(ground.plan, modeling)
    leaks: list[Leak] = []
    n_values = 0
    looked: set[Time] = set()
    for step in ground.horizon.steps:
        there = ground if step == 1 else ground.ahead(step)
        world_then = world if step == 1 else real_world(there)
        some = _some(times, step, modeling)
        worlds = other_worlds(there, some)
        n_worlds = 2 * len(some) + 2
        for change, at, after in numbered(worlds, "other worlds", n_worlds):
            # There, the last value stands in for what is known before its period.
            compared = [c for c in columns if change != CUT_OFF or c not in named]
            is_then = pl.col(modeling.time).is_in(at)
            before = World(*(df.filter(is_then) for df in world_then))
            check = change if step == 1 else f"{change}, {step} ahead"
            found, n = differences(
                before, after, compared, time=modeling.time, check=check
            )
            leaks += found
            n_values += n
            looked |= {*at}
            if step == len(at) == 1:
                leaks += rows_decided_later(
                    world, after, at[0], time=modeling.time, check=check
                )
    moved, _ = differences(
        world, other_data(ground), columns, time=modeling.time, check="all changed"
    )
    by_source = made_of_others(ground.plan, modeling).values()
    unmoved = {*columns} - {leak.column for leak in moved} - named.union(*by_source)
    of_names = [name for name in columns if name in unmoved]
    at = [written(time) for time in times if time in looked]
    return Audit(leaks, columns, at, n_values, of_names, part, ground.unseen)


def _some(times: Sequence[Time], step: int, modeling: Modeling) -> Sequence[Time]:
    """Choose the periods to look at, of each step others, and the latest of all."""
    every = -(-len(times) * modeling.horizon // MOST_PERIODS)
    return times[(len(times) - step) % every :: every] if every > 1 else times


def _some_clusters(
    ground: Ground, modeling: Modeling, most: int | None
) -> tuple[Ground, float]:
    """Keep every so many clusters if there are more rows than most; say how many."""
    every = -(-ground.rows.height // most) if most else 1
    if every <= 1:
        return ground, 1.0
    cluster = ground.entity[modeling.entity.index(modeling.cluster)]
    kept = ground.rows[cluster].unique().sort().gather_every(every)
    rows = ground.rows.filter(pl.col(cluster).is_in(kept.implode()))
    return replace(ground, rows=rows), rows.height / ground.rows.height


def describe_audit(found: Audit, *, allowed: Sequence[str]) -> Iterator[str]:
    """Write a line per leaking column, then one of the whole."""
    lines = describe_leaks(found.leaks)
    for column, line in lines.items():
        yield f"{line}{' (let pass by `modeling.leaks`)' * (column in allowed)}"
    if found.unseen:
        yield f"{', '.join(found.unseen)}: {UNSEEN}"
    verdict = f"{len(lines)} leak{'s' * (len(lines) > 1)}" if lines else "no leak"
    yield (
        f"{verdict}: {len(found.features)} features x {len(found.times)} periods"
        f" ({describe_span(found.times)}), {found.n_values:,} values compared"
    )


def _made_of_named(plan: Plan, modeling: Modeling) -> set[str]:
    """Name the features that are made of what is known before its period."""
    named: dict[str, Why] = dict.fromkeys(modeling.known, "named")
    named |= dict.fromkeys(modeling.key, "key")
    stage = plan.snapshots[modeling.features].stage.name
    known = trace_known(plan, stage, named)
    return {column for column, why in known.items() if why == "named"}


def made_of_others(plan: Plan, modeling: Modeling) -> dict[str, list[str]]:
    """Name the columns of the features that are made of each other source."""
    if not plan.others:
        return {}
    node, made_of = plan.snapshots[modeling.features], origins(plan.lineage())
    sources = {
        column: {source for (source, _), _ in made_of[node.stage.name, column]}
        for column in node.schema
    }
    return {
        name: [column for column, found in sources.items() if name in found]
        for name in plan.others
    }


@dataclass(frozen=True)
class Permuted:
    """What a model has learned of nothing."""

    model: str
    correlation: float
    """Of the ranks of predictions and outcomes of the validation periods (Spearman's);
    0 if all predictions are the same."""
    n_rows: int
    """Of those periods."""

    @property
    def bound(self) -> float:
        """What chance stays below."""
        return N_DEVIATIONS / (self.n_rows - 1) ** 0.5

    @property
    def is_leak(self) -> bool:
        """Whether it knows what it cannot know."""
        return self.correlation > self.bound


def audit_permuted(settings: ModelingSettings) -> Permuted:
    """Train the default model, with its YAML's parameters, on permuted rows.

    Nothing is published.
    """
    modeling = settings.modeling
    config = settings.models[modeling.model]
    ground = ground_of(settings)
    rows = permute(ground.rows, ground.time, ground.entity, seed=modeling.seed)
    df = replace(ground, rows=rows).all_features().sort(modeling.key)
    train, valid, _ = parts(df, modeling)
    predictor = fit_model(train, config, modeling)
    prediction, y = predictor.point(valid), target_of(valid, modeling.target)
    both = pl.DataFrame({"y": y, "prediction": prediction})
    correlation = both.select(
        pl.corr("y", "prediction", method="spearman").fill_nan(0)
    ).item()
    return Permuted(modeling.model, correlation, valid.height)


def permute(
    rows: pl.DataFrame, time: str, entity: Sequence[str], *, seed: int
) -> pl.DataFrame:
    """Give all rows of each entity to a random one of the same period.

    There may be any number of rows per entity and period. They stay in their order, and
    each entity is there in the same periods as before.
    """
    blocks = rows.select(time, *entity).unique().sort(time, *entity)
    rank = pl.int_range(pl.len()).shuffle(seed=seed)
    other = blocks.sort(time, rank).select(pl.col(entity).name.prefix("_other_"))
    return (
        rows.join(blocks.hstack(other), on=[time, *entity], maintain_order="left")
        .with_columns(pl.col(f"_other_{name}").alias(name) for name in entity)
        .select(rows.columns)
    )


def describe_permuted(found: Permuted) -> str:
    """Say in a line what was found."""
    fault = "the target says something to a model that should know nothing: "
    return (
        f"{fault if found.is_leak else ''}{found.model} on permuted rows: a rank"
        f" correlation of {found.correlation:+.3f} in {found.n_rows:,} rows, expected"
        f" at most {found.bound:.3f}"
    )
