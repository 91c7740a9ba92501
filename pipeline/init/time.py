"""Choose the column that tells the period, and how long one is."""

from math import gcd

import polars as pl

from pipeline.errors import ConfigError, n_of, some
from pipeline.init.choice import TIME, Choice, Unsure, a, place, tells
from pipeline.init.kinds import says_time
from pipeline.init.look import Seen, Survey, is_counted
from pipeline.panel.periods import Every, number

_ODD = 0xBF58476D1CE4E5B9
"""By which a period is multiplied before a hash is added."""

_SURE = 0.9
"""Of the steps from row to row that are one period long; below, it is only likely."""


_MONTH, _WEEK = 28, 7


def choose_time(survey: Survey, wish: str = "") -> tuple[str, Choice]:
    """Choose the column that tells the period."""
    if wish:
        seen = survey.columns[wish]
        if wish not in survey.times or seen.kind not in ("date", "datetime", "integer"):
            found = some(
                survey.head[wish].drop_nulls().unique().head(3).cast(pl.String)
            )
            raise ConfigError(
                f"--time {wish}: {a(seen.kind)}, which tells no period\n"
                f"found: {found}\nexpected: dates, datetimes, or whole numbers\n"
                f"hint: 'columns.{wish}={{kind: date, format: ...}}' says how dates are"
                " written"
            )
        return wish, Choice("time", wish, _seen_time(survey, wish), "as you say")
    tiers: dict[int, list[str]] = {}
    for seen in survey.columns.values():
        tier = _tier(survey, seen)
        if tier is not None and seen.varies:
            tiers.setdefault(tier, []).append(seen.name)
    constant = [s for s in survey.columns.values() if _tier(survey, s) is not None]
    if not tiers and constant:
        raise ConfigError(
            f"{place(survey)}: no past to learn from: an entity has one period\n"
            f"found: {constant[0].name} {constant[0].low} in every row\n"
            "expected: several periods"
        )
    if not tiers:
        raise Unsure(
            "time",
            f"{place(survey)}: no column tells time\n"
            f"found: {some(f'{s.name} ({s.kind})' for s in survey.columns.values())}\n"
            "expected: dates, datetimes, or whole numbers such as years\n"
            "hint: --time NAME says which column, 'columns.NAME={kind: date, format:"
            " ...}' how its dates are written",
            [],
        )
    names = tiers[min(tiers)]
    finest = [name for name in names if tells(survey.times, name, names)]
    if not finest:
        raise Unsure(
            "time",
            f"{place(survey)}: {len(names)} columns may tell time\n"
            + "\n".join(f"found: {n}, {_seen_time(survey, n)}" for n in names)
            + "\nhint: --time NAME says which; a period told by several columns has to"
            " be written into one",
            names,
        )
    sure = "sure" if min(tiers) == 0 else "likely"
    return finest[0], Choice("time", finest[0], _seen_time(survey, finest[0]), sure)


def _tier(survey: Survey, seen: Seen) -> int | None:
    """Say how likely a column tells time, 0 most; None if it does not."""
    if seen.kind in ("date", "datetime"):
        return 0
    if seen.kind != "integer" or seen.name not in survey.times:
        return None
    if not is_counted(seen.name, pl.Series([seen.low, seen.high])):
        return None
    return 1 if says_time(seen.name) else 2


def _seen_time(survey: Survey, name: str) -> str:
    """Say what a column of time holds."""
    seen = survey.columns[name]
    missing = (
        f", {n_of(seen.n_null, 'row')} without" if seen.n_null else " in every row"
    )
    return f"{seen.kind}s{missing}, {seen.low} to {seen.high}"


def choose_every(
    keyed: pl.DataFrame, time: str, wish: Every | None
) -> tuple[Every, Choice]:
    """Choose the length of a period by how far rows of an entity are apart."""
    times = keyed[TIME].unique().sort()
    every = wish or guess_every(times)
    if every is None:
        gap = times.diff().min()
        raise Unsure(
            "every",
            f"{time}: no length of a period fits\n"
            f"found: {some(map(str, times.head(3)))} ..., the nearest {gap} apart\n"
            "expected: whole hours, days, weeks, months, quarters or years\n"
            "hint: --every 1h makes one row of those of an hour, 1d of a day",
            ["1h", "1d"],
        )
    share, n_gaps = _share_of_one(keyed, every)
    if wish is not None:
        _refuse_too_short(times, time, wish)
        saw = f"{share:.0%} of {n_gaps:,} steps are one period"
        return every, Choice("every", str(every), saw, "as you say")
    covered = _coverage(times, every)
    if max(share, covered) < 0.5:
        raise Unsure(
            "every",
            f"{time}: rows of an entity are no fixed time apart\n"
            f"found: {share:.0%} of {n_gaps:,} steps are {every}, and {covered:.0%} of"
            " such periods have a row\n"
            "hint: --every 1w, 1mo or another says the length of a period",
            ["1d", "1w", "1mo", "1q", "1y"],
        )
    saw = f"{share:.0%} of {n_gaps:,} steps from row to row are one period"
    return every, Choice("every", str(every), saw, _how_sure(share))


def _how_sure(share: float) -> str:
    return "sure" if share >= _SURE else "likely"


def guess_every(times: pl.Series) -> Every | None:
    """Guess the length of a period from some different times, sorted.

    None where it is less than an hour, or there is one time only.
    """
    if times.len() < 2:
        return 1 if times.dtype.is_integer() else "1d"
    if times.dtype.is_integer():
        return gcd(*times.diff().drop_nulls())
    moments = times.cast(pl.Datetime("us")).cast(pl.Int64)
    hour = 3_600_000_000
    if (moments % hour != 0).any():
        return None
    hours = gcd(*(moments.diff().drop_nulls() // hour))
    if hours % 24:
        return f"{hours}h"
    return _of_days(times.dt.date())


def _of_days(days: pl.Series) -> Every:
    """Guess how many years, quarters, months, weeks or days dates are apart."""
    gaps = days.cast(pl.Int32).diff().drop_nulls()
    months = days.dt.year().cast(pl.Int64) * 12 + days.dt.month()
    shortest = int(str(gaps.min()))
    if shortest >= _MONTH and months.n_unique() == days.len():
        n = gcd(*months.diff().drop_nulls())
        for length, unit in ((12, "y"), (3, "q")):
            if n % length == 0:
                return f"{n // length}{unit}"
        if n > 1 or shortest <= 31 or (days.dt.day() == 1).all():
            return f"{n}mo"
    n = gcd(*gaps)
    return f"{n // _WEEK}w" if n % _WEEK == 0 else f"{n}d"


def _share_of_one(keyed: pl.DataFrame, every: Every) -> tuple[float, int]:
    """Say how many steps from row to row of an entity are one period long."""
    period = number(TIME, every, keyed.schema[TIME]).cast(
        pl.UInt64, wrap_numerical=True
    )
    # A row has one before it if there is its own number with the next period's added.
    own = keyed.select(pl.col("key") + period * _ODD).to_series().unique()
    n_steps = own.len() - keyed["key"].n_unique()
    n_of_one = own.is_in((own + _ODD).implode()).sum()
    return float(n_of_one / n_steps) if n_steps else 0.0, n_steps


def _coverage(times: pl.Series, every: Every) -> float:
    """Say how many periods from the first to the last have a row."""
    numbers = times.to_frame("t").select(number("t", every, times.dtype)).to_series()
    return numbers.n_unique() / (numbers[-1] - numbers[0] + 1)


def _refuse_too_short(times: pl.Series, time: str, every: Every) -> None:
    """Refuse a length of which no two periods follow each other."""
    numbers = times.to_frame("t").select(number("t", every, times.dtype)).to_series()
    gaps = numbers.unique().sort().diff().drop_nulls()
    if gaps.is_empty():
        raise ConfigError(
            f"--every {every}: all rows are of one period\n"
            f"found: {time} {times[0]} to {times[-1]}\nexpected: a shorter period"
        )
    if int(str(gaps.min())) > 1:
        raise ConfigError(
            f"--every {every}: no two times are one period apart\n"
            f"found: {time} {some(map(str, times.head(3)))} ...,"
            f" {guess_every(times)} apart\nhint: leave --every out, or make it longer"
        )


def is_on_grid(times: pl.Series, every: Every) -> bool:
    """Tell whether times are labels of their periods: first days, or one weekday."""
    if isinstance(every, int):
        return every == 1 or bool((times.diff().drop_nulls() % every == 0).all())
    if every.endswith("h"):
        return guess_every(times.unique().sort()) is not None
    if every[-1] in "yqo":
        days = times.cast(pl.Datetime("us"))
        return bool((days == days.dt.truncate("1mo")).all())
    days = times.cast(pl.Datetime("us"))
    length = int(every[:-1]) * (_WEEK if every[-1] == "w" else 1)
    offsets = (days - days.min()).dt.total_microseconds()  # pyright: ignore
    return bool((offsets % (length * 86_400_000_000) == 0).all())
