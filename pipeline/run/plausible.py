"""What no sound run gives: stages without rows, columns without values, odd periods.

A contract is what one snapshot promises. This holds for all of them, unless the
configuration names the exception.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Literal

import polars as pl

from pipeline.contracts.contract import Contract, shown_rows
from pipeline.engine.one_pass import Execution, collect_all
from pipeline.errors import ContractError, some
from pipeline.files.parquet import scan_parquet
from pipeline.plan.plan import Plan
from pipeline.plan.settings import Periods, Settings
from pipeline.snapshots.profile import Profile

_SLIVER = 0.01
"""Of the rows of the median period; with fewer, a period at either end is a slip."""


def refuse_implausible(settings: Settings, plan: Plan, execution: Execution) -> None:
    """Refuse what was computed if it is plainly not what was meant.

    Raises
    ------
    ContractError
        With all that was found, and how each is allowed.
    """
    contracts = settings.contracts
    by_snapshot = _rows_by_period(settings.periods, plan, execution)
    empty = [
        *empty_stages(plan, contracts, execution.n_rows),
        *empty_snapshots(contracts, execution.profiles),
        *empty_columns(plan, contracts, execution.profiles),
    ]
    step = max((_step(sorted(rows)) for rows in by_snapshot.values()), default=1)
    found = [*empty, *(past_by_ones(plan, step) if empty else ())]
    for name, rows in by_snapshot.items():
        found += odd_periods(settings.periods, name, rows)
    if found:
        raise ContractError(
            "\n".join(found) + "\nnothing was published: what there was is as it was"
        )


def empty_stages(
    plan: Plan, contracts: Mapping[str, Contract], n_rows: Mapping[str, int]
) -> Iterator[str]:
    """Name the stages that were given rows, left none and may not.

    Parameters
    ----------
    contracts : mapping of str to Contract
        Of the snapshots: one that may have no rows allows it to its stage.
    """
    for name, node in plan.nodes.items():
        given = n_rows.get(node.stage.inputs[0], 0)
        is_allowed = node.stage.may_be_empty or _may_be_empty(
            node.stage.snapshot, contracts
        )
        if n_rows.get(name) == 0 and given > 0 and not is_allowed:
            yield (
                f"stage '{name}' left none of {given:,} rows\n"
                f"hint: see {node.stage.file} and '{name}' in configs/pipeline.yaml;"
                f" `stages.{name}.may_be_empty: true` allows it"
            )


def empty_snapshots(
    contracts: Mapping[str, Contract], profiles: Mapping[str, Profile]
) -> Iterator[str]:
    """Name the snapshots that were computed, have no rows and may not."""
    for name, profile in profiles.items():
        if profile.n_rows == 0 and not _may_be_empty(name, contracts):
            yield (
                f"snapshot '{name}' has no rows\n"
                f"hint: `checks.{name}.rows: {{min: 0}}` allows it"
            )


def _may_be_empty(snapshot: str | None, contracts: Mapping[str, Contract]) -> bool:
    """Tell whether a contract says that a snapshot may have no rows."""
    rows = contracts.get(snapshot or "", Contract()).rows
    return 0 in (rows.min, rows.exact)


def empty_columns(
    plan: Plan, contracts: Mapping[str, Contract], profiles: Mapping[str, Profile]
) -> Iterator[str]:
    """Name the columns of numbers that hold none in any row of a snapshot.

    Parameters
    ----------
    contracts : mapping of str to Contract
        What is under ``empty`` there is allowed.
    """
    for snapshot, profile in profiles.items():
        allowed = contracts.get(snapshot, Contract()).empty
        schema = plan.snapshots[snapshot].schema
        empty = [
            column.name
            for column in profile.columns
            if schema[column.name].is_numeric()
            and column.n_nulls == profile.n_rows > 0
            and column.name not in allowed
        ]
        if empty:
            yield (
                f"snapshot '{snapshot}': no value in any of {profile.n_rows:,} rows of"
                f" {some(empty)}\n"
                "hint: likely they look for periods that are not there, or join on what"
                f" never matches; `checks.{snapshot}.empty: [{', '.join(empty)}]`"
                " allows it"
            )


def past_by_ones(plan: Plan, step: int) -> Iterator[str]:
    """Say which stages look one period back where periods go in larger steps."""
    by_calendar = [
        f"`{name}.by=row`"
        for name, node in plan.nodes.items()
        if getattr(node.stage.config, "by", None) == "calendar"
    ]
    if step > 1 and by_calendar:
        yield (
            f"hint: likely as periods go in steps of {step}, while `by: calendar` looks"
            " for a past in steps of 1: number the periods consecutively, or say"
            f" {' '.join(by_calendar)}"
        )


def odd_periods(
    periods: Periods, snapshot: str, rows: Mapping[int, int]
) -> Iterator[str]:
    """Say which periods are missing over all units, or hold next to no rows.

    The step from one period to the next is the least there is: 1, or 5 of a panel of
    every fifth year. A larger one is made by no unit, so no unit has a past there.
    """
    times = sorted(rows)
    step = _step(times)
    gaps = [
        (a, b)
        for a, b in pairwise(times)
        if not _may_miss(range(a + step, b, step), periods.missing_periods)
    ]
    where = f"snapshot '{snapshot}': `panel.time`, {periods.time},"
    if gaps:
        shown = some(f"{a} to {b}" for a, b in gaps)
        yield (
            f"{where} goes in steps of {step}, but not from {shown}\n"
            f"found: {some(f'{t} ({shown_rows(rows[t])})' for t in times)}\n"
            f"hint: {_cause(times, rows, gaps, step)}"
        )
        return
    for time in dict.fromkeys((*times[:1], *times[-1:])):
        if _is_sliver(time, rows) and time not in periods.sparse_periods:
            yield (
                f"{where} has {shown_rows(rows[time])} of {time}, where the median"
                f" period has {median(rows.values()):,.0f}\n"
                "hint: what is learned of the first or last period would hang on them:"
                " correct or remove them at the source, or allow them with"
                f" `panel.sparse_periods: [{time}]`"
            )


def _step(times: Sequence[int]) -> int:
    """Return the least step between sorted periods; 1 of less than two."""
    return min((b - a for a, b in pairwise(times)), default=1)


def _may_miss(gap: range, allowed: Sequence[int] | Literal["any"]) -> bool:
    """Tell whether all periods of a gap are allowed to be missing."""
    if allowed == "any":
        return True
    return len(gap) <= len(allowed) and set(gap) <= set(allowed)


def _is_sliver(time: int, rows: Mapping[int, int]) -> bool:
    """Tell whether a period has far fewer rows than the median one."""
    return rows[time] < _SLIVER * median(rows.values())


_N_NAMED = 10
"""Periods, at most, that one would name one by one."""

_WRITTEN = {
    "YYYYMMDD": (10_000_000, 100, 31, "days as days since a day of yours"),
    "YYYYMM": (100_000, 100, 12, "months as year x 12 + month"),
    "YYYYWW": (100_000, 100, 53, "weeks as weeks since a week of yours"),
    "YYYYQ": (10_000, 10, 4, "quarters as year x 4 + quarter"),
}
"""Periods as they are often written: the least number of so many digits, what the last
digits are counted in, the largest they can be, and how to count instead."""


def _cause(
    times: Sequence[int],
    rows: Mapping[int, int],
    gaps: Sequence[tuple[int, int]],
    step: int,
) -> str:
    """Guess why periods are missing, and say what to do."""
    for written, (least, unit, largest, instead) in _WRITTEN.items():
        if all(least <= t < 10 * least and 1 <= t % unit <= largest for t in times):
            return (
                f"these look like {written}, in which the period before the first of a"
                f" year is not one less: count {instead}"
            )
    alone = [t for t in (times[0], times[-1]) if _is_sliver(t, rows)]
    if alone:
        stray = some(f"{shown_rows(rows[t])} of {t}" for t in alone)
        return f"likely a slip: correct or remove {stray} at the source"
    missing = [t for a, b in gaps for t in range(a + step, b, step)[:_N_NAMED]]
    if len(missing) < _N_NAMED:
        said = f"`panel.missing_periods: {missing}`"
    else:
        said = "`panel.missing_periods: any`, and lags that go by rows, not periods"
    return (
        "no unit has a past there; if nothing was measured then, as on Sundays, say"
        f" {said}"
    )


def _rows_by_period(
    periods: Periods, plan: Plan, execution: Execution
) -> dict[str, dict[int, int]]:
    """Count the rows of each period in the snapshots that were computed."""
    time = periods.time
    names = [
        name
        for name in execution.files
        if time in plan.snapshots[name].stage.key
        and plan.snapshots[name].schema[time].is_integer()
    ]
    counts = collect_all(
        [
            scan_parquet(execution.files[name])
            .drop_nulls(time)
            .group_by(time)
            .agg(n_rows=pl.len())
            for name in names
        ]
    )
    return {
        name: dict(count.iter_rows()) for name, count in zip(names, counts, strict=True)
    }
