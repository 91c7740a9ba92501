"""What no sound run gives: stages without rows, columns without values, odd periods.

A contract is what one snapshot promises. This holds for all of them, unless the
configuration names the exception.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median

import polars as pl

from pipeline.contracts.contract import Contract
from pipeline.engine.one_pass import Execution, collect_all
from pipeline.errors import ContractError, n_of, some
from pipeline.files.parquet import scan_parquet
from pipeline.panel.periods import Every, Time, later, number
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
    found = [
        *empty_stages(plan, contracts, execution.n_rows),
        *empty_snapshots(contracts, execution.profiles),
        *empty_columns(plan, contracts, execution.profiles),
    ]
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


def odd_periods(
    periods: Periods, snapshot: str, rows: Mapping[Time, int]
) -> Iterator[str]:
    """Say which times are no period's, which periods no unit has, or next to none."""
    times = sorted(rows)  # pyright: ignore[reportArgumentType] # all of one type
    where = f"snapshot '{snapshot}': `panel.time`, {periods.time},"
    stray = _off_the_grid(times, periods.every)
    if stray:
        yield (
            f"{where} holds times that begin no period of `panel.every:"
            f" {periods.every}`\n"
            f"found: {some(map(str, stray))}\n"
            "hint: transformation `to_period` gives each row the first of its period,"
            " `resample` makes one row of several; or say another `panel.every`"
        )
        return
    gaps = [
        (a, b, missing)
        for a, b, missing in _gaps(times, periods.every)
        if not _may_miss(a, missing, periods)
    ]
    if gaps:
        shown = some(f"{a} to {b}" for a, b, _ in gaps)
        found = [f"{t} ({n_of(rows[t], 'row')})" for t in times]
        yield (
            f"{where} goes in periods of {periods.every}, but not from {shown}\n"
            f"found: {some(found)}\n"
            f"hint: {_cause(times, rows, gaps, periods.every)}"
        )
        return
    sparse = set(map(str, periods.sparse_periods))
    for time in dict.fromkeys((*times[:1], *times[-1:])):
        if _is_sliver(time, rows) and str(time) not in sparse:
            yield (
                f"{where} has {n_of(rows[time], 'row')} of {time}, where the median"
                f" period has {median(rows.values()):,.0f}\n"
                "hint: what is learned of the first or last period would hang on them:"
                " correct or remove them at the source, or allow them with"
                f" `panel.sparse_periods: [{time}]`"
            )


def _off_the_grid(times: Sequence[Time], every: Every) -> list[Time]:
    """Find the times that are not some periods after the first one, or of no period."""
    if not times or isinstance(every, int):
        return []
    column = pl.Series("t", times)
    dtype = column.dtype
    first = number(pl.lit(times[0], dtype), every, dtype)
    ordinal = number("t", every, dtype) - first
    exact = pl.col("t") == pl.lit(times[0], dtype).dt.offset_by(
        pl.format("{}" + every.lstrip("0123456789"), ordinal * _length(every))
    )
    if every[-1] in "yqo":
        exact &= pl.col("t") == pl.col("t").dt.truncate("1mo")
    return column.to_frame().filter(~exact)["t"].to_list()


def _length(every: str) -> int:
    """Return how many units a period has."""
    return int(every.rstrip("yqmowdh"))


def _gaps(times: Sequence[Time], every: Every) -> list[tuple[Time, Time, int]]:
    """Find neighbours between which periods are missing, and how many."""
    column = pl.Series("t", times)
    numbers = column.to_frame().select(number("t", every, column.dtype)).to_series()
    return [
        (a, b, n - m - 1)
        for (a, b), (m, n) in zip(pairwise(times), pairwise(numbers), strict=True)
        if n - m > 1
    ]


def _missing(after: Time, n: int, every: Every) -> list[Time]:
    """List the first missing periods after one, not more than one would name."""
    return [later(after, k, every) for k in range(1, min(n, _N_NAMED) + 1)]


def _may_miss(after: Time, n: int, periods: Periods) -> bool:
    """Tell whether all periods of a gap are allowed to be missing."""
    allowed = periods.missing_periods
    if allowed == "any":
        return True
    if n > len(allowed):
        return False
    named = {str(time) for time in allowed}
    return {str(later(after, k, periods.every)) for k in range(1, n + 1)} <= named


def _is_sliver(time: Time, rows: Mapping[Time, int]) -> bool:
    """Tell whether a period has far fewer rows than the median one."""
    return rows[time] < _SLIVER * median(rows.values())


_N_NAMED = 10
"""Periods, at most, that one would name one by one."""

_WRITTEN = {
    "YYYYMMDD": (10_000_000, 100, 31, "{kind: date, format: '%Y%m%d'}", "1d"),
    "YYYYMM": (100_000, 100, 12, "{kind: date, format: '%Y%m'}", "1mo"),
    "YYYYWW": (100_000, 100, 53, "the Monday of the week as a date", "1w"),
    "YYYYQ": (10_000, 10, 4, "the first day of the quarter as a date", "1q"),
}
"""Dates as they are often written as a number: the least of so many digits, what the
last digits are counted in, the largest they can be, and how to read them instead."""


def _cause(
    times: Sequence[Time],
    rows: Mapping[Time, int],
    gaps: Sequence[tuple[Time, Time, int]],
    every: Every,
) -> str:
    """Guess why periods are missing, and say what to do."""
    numbers = [time for time in times if isinstance(time, int)]
    for written, (least, unit, largest, kind, length) in _WRITTEN.items():
        if numbers and all(
            least <= t < 10 * least and 1 <= t % unit <= largest for t in numbers
        ):
            return (
                f"these look like {written}, in which the period before the first of a"
                f" year is not one less: read {kind}, with `panel.every: {length}`"
            )
    alone = [t for t in (times[0], times[-1]) if _is_sliver(t, rows)]
    if alone:
        stray = some(f"{n_of(rows[t], 'row')} of {t}" for t in alone)
        return f"likely a slip: correct or remove {stray} at the source"
    if numbers and len(gaps) == len(times) - 1:
        step = min(b - a for a, b in pairwise(numbers))
        return f"no two are {every} apart: `panel.every: {step}` says how far they are"
    missing = [
        str(time) for a, _, n in gaps for time in _missing(a, n, every)[:_N_NAMED]
    ]
    if len(missing) < _N_NAMED:
        said = f"`panel.missing_periods: [{', '.join(missing)}]`"
    else:
        said = "`panel.missing_periods: any`, and lags that go by rows, not periods"
    return (
        "no unit has a past there; if nothing was measured then, as on Sundays, say"
        f" {said}"
    )


def _rows_by_period(
    periods: Periods, plan: Plan, execution: Execution
) -> dict[str, dict[Time, int]]:
    """Count the rows of each period in the snapshots that were computed."""
    time = periods.time
    names = [
        name
        for name in execution.files
        if time in plan.snapshots[name].stage.key
        and _is_time(plan.snapshots[name].schema[time])
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


def _is_time(dtype: pl.DataType) -> bool:
    """Tell whether a column of the dtype counts periods."""
    return dtype.is_integer() or dtype == pl.Date or isinstance(dtype, pl.Datetime)
