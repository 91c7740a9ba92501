"""What became of forecasts and of the champion, as lines to read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from pipeline.errors import some
from pipeline.modeling.fit.amount import amount

if TYPE_CHECKING:  # a run shows scores, and has no use for the champion
    from pipeline.modeling.monitor.monitor import Monitoring
    from pipeline.modeling.settings import Modeling

_N_SCORES = 20
_N_DRIFTED = 10
"""Lines, at most; the catalog holds them all."""


def describe_monitoring(found: "Monitoring", modeling: "Modeling") -> Iterator[str]:
    """Say how good forecasts were, whether the champion stays, and what has drifted."""
    version, time = found.version, modeling.time
    yield from describe_scores(found.scores, modeling)
    for period in found.never_forecast:
        yield f"{time} {period} was never forecast: nothing of it is scored"
    if not found.kept:
        yield "no forecast is kept: `just forecast` keeps one until its period has come"
    waiting = {
        str(period): None
        for kept in found.kept
        for period in kept.record.periods
        if str(period) not in kept.record.scored
    }
    if waiting:
        yield f"forecast, and not come yet: {time} {some(waiting)}"
    if version is None:
        yield f"{modeling.name}: no champion yet; `just promote` makes one"
        return
    title = f"{version.name} version {version.number} ({found.model})"
    if found.faults is None:
        yield f"{title}, the champion: none of its forecasts is scored yet"
    elif found.faults:
        yield f"{title}, the champion, no longer earns its place:"
        yield from (f"  - {fault}" for fault in found.faults)
    else:
        yield f"{title}, the champion, earns its place"
    yield from _describe_drift(found.drift)


def describe_scores(scores: pl.DataFrame, modeling: "Modeling") -> Iterator[str]:
    """Show the newest scored forecasts, a line each, beside the best baseline."""
    overall = scores.filter(slice_by="all")
    own = overall.filter(~pl.col("is_baseline"))
    if own.is_empty():
        return
    metric, key = modeling.metric, ["period", "version", "step"]
    best = (
        overall.filter("is_baseline")
        .sort(metric, "model")
        .unique(key, keep="first", maintain_order=True)
        .select(*key, best="model", best_error=metric)
    )
    lines = own.join(best, on=key, how="left")
    lines = lines.sort(pl.col("period").str.len_chars(), *key)  # 9 comes before 10
    time, unit = modeling.time, f"; amounts in {modeling.unit}" if modeling.unit else ""
    yield f"forecasts whose periods have come{unit}"
    yield (
        f"  {time:>12} version step {'rows':>9} {metric.upper():>9}"
        f" {'best baseline':>24} {'bias':>7} {'coverage':>9} {'not come':>9}"
        f" {'not forecast':>13}"
    )
    for row in lines.tail(_N_SCORES).iter_rows(named=True):
        baseline = (
            "-" if row["best"] is None else f"{row['best']} {amount(row['best_error'])}"
        )
        bias, coverage = (
            "-" if row[name] is None else format(row[name], spec)
            for name, spec in (("bias", "+.1%"), ("coverage", ".1%"))
        )
        yield (
            f"  {row['period']:>12} {row['version']:>7} {row['step']:>4}"
            f" {row['n_rows']:>9,} {amount(row[metric]):>9} {baseline:>24} {bias:>7}"
            f" {coverage:>9} {row['n_not_come']:>9,} {row['n_not_forecast']:>13,}"
        )
    if (more := lines.height - _N_SCORES) > 0:
        yield f"  and {more:,} before: `just sql 'from meta.forecast_scores'`"


def _describe_drift(drift: pl.DataFrame) -> Iterator[str]:
    """Name the features that have drifted, in their order."""
    if drift.is_empty():
        yield "drift: not known of a champion trained before it was kept; train anew"
        return
    drifted = drift.filter("is_drifted")
    of = f"of {drift.height} features that {drift['period'][0]} is forecast from"
    if drifted.is_empty():
        yield f"drift: none {of}"
        return
    yield f"drift: {drifted.height} {of} are not as they were where it learned"
    for row in drifted.head(_N_DRIFTED).iter_rows(named=True):
        share = row["importance"]
        weight = "" if share is None else f", importance {share:.0%}"
        yield f"  {row['feature']}{weight}: {row['why']}"
    if (more := drifted.height - _N_DRIFTED) > 0:
        yield f"  and {more} more: `just sql 'from meta.drift where is_drifted'`"
