from datetime import date
from pathlib import Path

import pytest

from pipeline.init.history import History, history_of
from tests.init.tables import DAYS, chosen, panel


@pytest.mark.parametrize(
    ("n", "history"),
    [
        (6, History(None, [1, 2], 2, {"train": 3, "valid": 1, "test": 1})),
        (16, History(None, [1, 2, 3], 3, {"train": 10, "valid": 2, "test": 3})),
        (60, History(12, [1, 2, 3, 12], 3, {"train": 35, "valid": 12, "test": 12})),
        (40, History(12, [1, 2, 3, 12], 3, {"train": 26, "valid": 6, "test": 7})),
    ],
)
def test_a_longer_history_allows_more(tmp_path: Path, n: int, history: History) -> None:
    assert (
        history_of(
            chosen(
                panel(
                    tmp_path / "a.csv",
                    [date(2015 + m // 12, m % 12 + 1, 1) for m in range(n)],
                )
            )
        )
        == history
    )


def test_seasons_are_those_of_the_days_there_are(tmp_path: Path) -> None:
    assert history_of(chosen(panel(tmp_path / "a.csv", DAYS))).season == 7
    days = [day for day in DAYS if day.weekday() < 5]
    assert history_of(chosen(panel(tmp_path / "b.csv", days))).season == 5


def test_few_periods_judge_of_many(tmp_path: Path) -> None:
    split = history_of(chosen(panel(tmp_path / "a.csv", DAYS * 1))).split
    assert sum(split.values()) == 89
    years = panel(tmp_path / "b.csv", range(1900, 2000))
    assert history_of(chosen(years)).split == {"train": 89, "valid": 5, "test": 5}
