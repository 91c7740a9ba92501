"""Lags, windows and spans, by how many periods there are."""

from dataclasses import dataclass
from math import ceil

from pipeline.init.choose import Panel
from pipeline.modeling.fit.intervals import n_needed

_SEASON = {"1q": 4, "1mo": 12, "1w": 52, "1d": 7, "1h": 24}
"""Periods after which a season comes again."""


_WINDOW = {"q": 4, "w": 4, "d": 7, "h": 24}
"""Periods of a rolling mean; 3 of others."""


_COVERAGES = (0.9, 0.8, 0.5)
"""Of intervals; of few rows, less can be said."""

_MOST_TESTED = {"y": 5, "q": 8, "mo": 12, "w": 13, "d": 28, "h": 48}
"""Periods that judge, at most."""


@dataclass(frozen=True)
class History:
    """What the number of periods allows."""

    season: int | None
    lags: list[int]
    window: int
    split: dict[str, int]
    """Periods that are learned from, calibrate and judge."""

    coverage: float
    """Part of the outcomes that intervals hold."""

    @property
    def n_train(self) -> int:
        """Periods that are learned from."""
        return self.split["train"]


def history_of(panel: Panel) -> History:
    """Choose lags and spans by how many periods there are."""
    every, n = str(panel.every), panel.n_periods
    unit = every.lstrip("0123456789")
    usable = n - 1  # the first has no past
    most = _MOST_TESTED.get(unit, 5)
    season = _SEASON.get(every)
    if season and panel.is_by_row:  # of 7 days, those that there are
        season = round(season * n / (n + panel.n_missing))
    test, valid = (
        _whole_seasons(min(most, max(1, usable // part)), season, usable)
        for part in (5, 6)
    )
    # Intervals need so many rows to be calibrated on.
    per_period = panel.n_rows / n
    wanted = ceil(n_needed(_COVERAGES[0]) / per_period)
    valid = max(valid, min(wanted, usable // 3))
    coverage = next(
        (c for c in _COVERAGES if n_needed(c) <= valid * per_period), _COVERAGES[-1]
    )
    train = usable - test - valid
    if season and train < season + 3:
        season = None
    lags = [lag for lag in (1, 2, 3) if lag < train]
    if season:
        lags = [*dict.fromkeys([*lags, season])]
    window = min(_WINDOW.get(unit, 3), max(2, train // 2))
    split = {"train": train, "valid": valid, "test": test}
    return History(season, lags, window, split, coverage)


def _whole_seasons(n: int, season: int | None, usable: int) -> int:
    """Take whole seasons, where the history has some: their ends judge otherwise."""
    if season is None or (n < season and 4 * season > usable):
        return n
    return max(season, n - n % season)
