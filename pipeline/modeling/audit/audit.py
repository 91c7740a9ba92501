"""Prove on the data at hand that no feature knows its own period or a later one.

A feature leaks if it could not have been computed when the forecast is made [1]_. So
the future is changed, and cut off, and no feature may move.

References
----------
.. [1] Kaufman et al., "Leakage in Data Mining: Formulation, Detection, and Avoidance",
   ACM TKDD 6(4), 2012.
"""

from dataclasses import dataclass

import polars as pl

from pipeline.errors import SourceError
from pipeline.modeling.audit.leaks import (
    Leak,
    describe_leaks,
    describe_span,
    differences,
)
from pipeline.modeling.audit.worlds import (
    CUT_OFF,
    ground_of_source,
    other_worlds,
    real_world,
)
from pipeline.modeling.predictor import features_of
from pipeline.modeling.settings import ModelingSettings
from pipeline.plan.known import Why, trace_known
from pipeline.run.run import check


@dataclass(frozen=True)
class Audit:
    """What was found, and how much was looked at."""

    leaks: list[Leak]
    """By period, check and column; empty if all is well."""
    features: list[str]
    times: list[int]
    """The periods the features were compared at, sorted."""
    n_values: int
    """The pairs of values that were compared."""


def audit(settings: ModelingSettings) -> Audit:
    """Change the future, cut it off and shuffle the rows: no feature may differ.

    For every period t that has features, two other worlds are made. In one, the raw
    rows from t on have other values in all columns but time, entity and what is known
    before its period, and some are left out, all those of some entities' parts among
    them. In the other there are only the rows before t, and the features at t are made
    as for a forecast. In both, the features at t of every entity that is still there
    must be the same bit for bit. A last world has the rows in another order, and must
    have all features. The target is not compared: it is of its own period.

    The source is made or fetched if it is not there; snapshots are neither read nor
    written, and every run finds the same.

    Raises
    ------
    ConfigError
        If the panel does not take time and entity from the source as they are.
    SourceError
        If the source cannot be read, or has too few periods for features.
    """
    ground = ground_of_source(settings)
    modeling = settings.modeling
    world = real_world(ground)
    times, present = (df[modeling.time].unique().sort().to_list() for df in world)
    if not times or len(present) < 2:
        raise SourceError(
            f"audit: snapshot '{modeling.features}' has no row that knows a past\n"
            f"found: '{modeling.panel}' with {modeling.time}"
            f" {describe_span(present) or 'of no row'}\n"
            f"expected: two consecutive values of {modeling.time} or more\n"
            "hint: audit a source of several periods"
        )
    columns = features_of(world.features, modeling)
    named = _made_of_named(settings)
    leaks: list[Leak] = []
    n_values = 0
    for change, at, after in other_worlds(ground, times):
        # There, the last value stands in for what is known before its period.
        compared = [c for c in columns if change != CUT_OFF or c not in named]
        before = world.at(pl.col(modeling.time).is_in(at))
        found, n = differences(
            before, after, compared, time=modeling.time, check=change
        )
        leaks += found
        n_values += n
    return Audit(leaks, columns, times, n_values)


def _made_of_named(settings: ModelingSettings) -> set[str]:
    """Name the features that are made of what is known before its period."""
    modeling, plan = settings.modeling, check(settings.pipeline)
    named: dict[str, Why] = dict.fromkeys(modeling.known, "named")
    named |= dict.fromkeys(modeling.key, "key")
    stage = plan.snapshots[modeling.features].stage.name
    known = trace_known(plan, stage, named)
    return {column for column, why in known.items() if why == "named"}


def describe_audit(audit: Audit) -> list[str]:
    """Write a line per leaking column, then one of the whole."""
    looked_at = (
        f"{len(audit.features)} features x {len(audit.times)} periods"
        f" ({describe_span(audit.times)}), {audit.n_values:,} values compared"
    )
    lines = describe_leaks(audit.leaks)
    verdict = f"{len(lines)} leak{'s' * (len(lines) > 1)}" if lines else "no leak"
    return [*lines, f"{verdict}: {looked_at}"]
