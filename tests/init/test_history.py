from datetime import date
from pathlib import Path

import pytest

from pipeline.init.history import history_of
from tests.init.tables import DAYS, chosen, panel


@pytest.mark.parametrize(
    ("n", "season", "lags", "split", "coverage"),
    [
        (6, None, [1, 2], (3, 1, 1), 0.5),
        (16, None, [1, 2, 3], (7, 5, 3), 0.8),
        (40, 12, [1, 2, 3, 12], (25, 7, 7), 0.9),
        (60, 12, [1, 2, 3, 12], (35, 12, 12), 0.9),
    ],
)
def test_a_longer_history_allows_more(
    tmp_path: Path,
    n: int,
    season: int | None,
    lags: list[int],
    split: tuple[int, int, int],
    coverage: float,
) -> None:
    # Of three entities, intervals need more periods than of many.
    months = [date(2015 + m // 12, m % 12 + 1, 1) for m in range(n)]
    found = history_of(chosen(panel(tmp_path / "a.csv", months)))
    assert (found.season, found.lags) == (season, lags)
    assert (tuple(found.split.values()), found.coverage) == (split, coverage)


def test_seasons_are_those_of_the_days_there_are(tmp_path: Path) -> None:
    assert history_of(chosen(panel(tmp_path / "a.csv", DAYS))).season == 7
    days = [day for day in DAYS if day.weekday() < 5]
    assert history_of(chosen(panel(tmp_path / "b.csv", days))).season == 5


def test_few_periods_judge_of_many(tmp_path: Path) -> None:
    split = history_of(chosen(panel(tmp_path / "a.csv", DAYS * 1))).split
    assert sum(split.values()) == 89
    years = panel(tmp_path / "b.csv", range(1900, 2000))
    assert history_of(chosen(years)).split == {"train": 87, "valid": 7, "test": 5}
